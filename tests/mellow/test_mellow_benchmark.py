"""The comparison with transformers' cached generate, and the table of the GPU script, on tiny networks."""

import importlib
import os
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from alm_bench.core.types import Wave
from alm_bench.mellow.checkpoint import LoadedNetwork
from alm_bench.mellow.inference import Question
from alm_bench.mellow.model import Mellow

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_cached_reports_every_stage_and_equal_rows(
    tiny: Mellow,
    tokenizer: Tokenizer,
    waves: list[Wave],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("mellow_generate")
    found, fresh = (LoadedNetwork(deepcopy(tiny), tokenizer, "tiny", "") for _ in range(2))
    questions = [Question(str(i), f"which sound is number {i}?", waves[i], waves[i + 1]) for i in range(3)]
    benchmark.cached(found, fresh, questions, count=6, rounds=2)
    printed = capsys.readouterr().out
    rows = re.findall(r"^\| ([a-z ,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", printed, flags=re.MULTILINE)
    assert [name for name, *_ in rows] == ["encoding", "prefill", "decoding", "whole", "whole, same encoding"]
    assert "rows equal: 3 of 3" in printed


def test_cached_counts_rows_that_differ(
    tiny: Mellow,
    tokenizer: Tokenizer,
    waves: list[Wave],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("mellow_generate")
    found, fresh = (LoadedNetwork(deepcopy(tiny), tokenizer, "tiny", "") for _ in range(2))
    with torch.no_grad():  # tied: the likeliest token becomes the least likely
        fresh.model.lm.get_input_embeddings().weight.neg_()
    questions = [Question(str(i), f"which sound is number {i}?", waves[i], waves[3]) for i in range(2)]
    benchmark.cached(found, fresh, questions, count=4, rounds=1)
    assert "rows equal: 0 of 2" in capsys.readouterr().out


@pytest.fixture
def gpu_benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `gpu`; deterministic algorithms, which it switches on, are switched off again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield importlib.import_module("gpu")
    torch.use_deterministic_algorithms(False)


TINY_RUN = ["--device", "cpu", "--dtype", "float32", "--batch", "2", "--tokens", "3", "--train-batch", "1", "--tiny"]


def read_table(printed: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]
    return {name: cells for name, *cells in rows[2:]}


def test_the_gpu_script_prints_one_table(gpu_benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gpu_benchmark.main([*TINY_RUN, "--rounds", "1"])
    table = read_table(capsys.readouterr().out)
    ours, ahead, loop, cached, compiled, training, exact = table.values()
    assert [*table][:3] == ["ours, from waveforms", "ours, log-mels made ahead", "public loop"]
    assert all(float(row[0]) > 0 for row in (ours, ahead, loop, cached, training, exact))
    assert [row[1] for row in (ours, cached, training)] == ["answers/s", "answers/s", "samples/s"]
    assert loop[2:] == ["1.0", "100.0% of the tokens as ours"]
    assert cached[3] == "100.0% of the tokens as ours"
    assert exact[3] == "all runs equal"
    # On processors whose products oneDNN computes, torch.compile is refused, and the row says so.
    assert compiled[0] != "-" or compiled[3].startswith("failed: compile=true is for GPUs")


def test_the_gpu_script_ends_in_time(
    gpu_benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_benchmark, "LIMIT", -1)
    gpu_benchmark.main(TINY_RUN)
    rows = read_table(capsys.readouterr().out).values()
    assert [(row[0], row[3]) for row in rows] == [("-", "not measured: out of time")] * 7
    script = ["bash", str(BENCHMARKS / "gpu.sh"), "--tiny"]
    echoed = subprocess.run(script, env={**os.environ, "PYTHON": "echo"}, capture_output=True, text=True, check=True)
    assert echoed.stdout.split() == [str(BENCHMARKS / "gpu.py"), "--tiny"]
