"""Devices and precisions by name."""

from typing import Any

import pytest
import torch

from alm_bench.core import UsageError
from alm_bench.core.device import pick_device, pick_dtype


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return give


@pytest.mark.parametrize(
    ("count", "name", "device"),
    [(0, "auto", "cpu"), (0, "cpu", "cpu"), (2, "auto", "cuda"), (2, "cpu", "cpu"), (2, "cuda:1", "cuda:1")],
)
def test_a_device_of_this_machine(gpus: Any, count: int, name: str, device: str) -> None:
    gpus(count)
    assert str(pick_device(name)) == device


@pytest.mark.parametrize(
    ("count", "name", "says"),
    [
        (0, "cuda", "device cuda was asked for, but torch sees no GPU; use cpu or auto"),
        (0, "cuda:0", "torch sees no GPU"),
        (2, "cuda:2", "device cuda:2 was asked for, but torch sees 2 GPUs, which are counted from 0"),
        (2, "cuda:x", "device takes auto, cpu, cuda or cuda:NUMBER, found 'cuda:x'"),
        (2, "cuda:", "found 'cuda:'"),
        (0, "cpu:1", "found 'cpu:1'"),
        (0, "tpu", "found 'tpu'"),
    ],
)
def test_a_device_that_is_not_there(gpus: Any, count: int, name: str, says: str) -> None:
    gpus(count)
    with pytest.raises(UsageError) as caught:
        pick_device(name)
    assert says in str(caught.value)


def test_precisions() -> None:
    assert pick_dtype(None, "m") == pick_dtype("float32", "m") == torch.float32
    assert pick_dtype("bfloat16", "m") == torch.bfloat16
    with pytest.raises(UsageError, match="m computes in float32, bfloat16, float16, found dtype 'int8'"):
        pick_dtype("int8", "m")
