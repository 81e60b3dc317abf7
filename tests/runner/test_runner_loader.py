"""Decoding ahead of the model is bounded, so that memory is."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from alm_bench.core import Request
from alm_bench.runner import loader


class AtOnce:
    """A pool that works when it is told to: what it was given is what it has done."""

    def __init__(self, **settings: Any) -> None:
        pass

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future


def test_two_batches_beyond_the_current_one_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(loader, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(loader, "load_clips", lambda i, request, *_: given.append(i) or loader.Ready(i, request))
    requests = [Request(f"item-{i}", "?") for i in range(17)]
    ahead, seen = [], []
    for batch in loader.batches(requests, range(17), None, size=3, workers=2):
        seen += [ready.index for ready in batch]
        ahead.append(len(given) - len(seen))
    assert seen == list(range(17))
    assert ahead == [6, 6, 6, 5, 2, 0]
