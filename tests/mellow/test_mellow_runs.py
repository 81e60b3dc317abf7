"""What the bundled network answers in a run does not depend on how the run is made."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, only_run, stored

from alm_bench.adapters.mellow import MellowAdapter
from alm_bench.core.types import Decoding, Output, Request

ITEMS = 42
SAMPLED = ("--decoding", "nucleus", "--temperature", "4", "--top-p", "0.99", "--seed", "3")
"""So hot that answers are not those of greedy decoding."""


def texts(folder: Path, *arguments: object, status: int = 0) -> dict[str, str]:
    """By item, of CLE on the demo world: three questions a clip."""
    asked = ("run", "--model", "mellow", "--tasks", "cle", "--data", "demo", "--limit", ITEMS, "--max-failures", "99%")
    assert alm(*asked, "--out", folder, *arguments).status == status
    return {row["id"]: row["text"] for row in stored(only_run(folder))}


@pytest.mark.parametrize("how", [(), pytest.param(SAMPLED, marks=pytest.mark.slow)], ids=["greedy", "sampled"])
def test_neither_batch_size_nor_reuse_nor_resuming_changes_an_answer(
    how: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = texts(tmp_path / "one", *how, "--batch-size", 1, "--cache-mb", 0)
    assert len(wanted) == ITEMS
    assert texts(tmp_path / "five", *how, "--batch-size", 5) == wanted
    assert texts(tmp_path / "auto", *how, "--batch-size", "auto", "--cache-mb", 1, "--workers", 1) == wanted

    generate, calls = MellowAdapter.generate, []

    def stopping(self: MellowAdapter, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        calls.append(len(batch))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return generate(self, batch, decoding)

    with monkeypatch.context() as patch:
        patch.setattr(MellowAdapter, "generate", stopping)
        begun = texts(tmp_path / "stopped", *how, "--batch-size", 4, status=130)
    assert begun == {item: wanted[item] for item in begun}
    assert len(begun) == 3 * 4
    assert texts(tmp_path / "stopped", *how, "--batch-size", 7, "--cache-mb", 0) == wanted
    if how:
        assert texts(tmp_path / "greedy", "--batch-size", 5) != wanted


def test_a_searched_run_says_how_and_its_batches_change_nothing(tmp_path: Path) -> None:
    how = ("--decoding", "beam", "--beams", 3, "--length-penalty", 0.5, "--limit", 6)
    wanted = texts(tmp_path / "one", *how, "--batch-size", 1)
    assert len(wanted) == 6
    assert texts(tmp_path / "six", *how, "--batch-size", 6) == wanted
    header = json.loads((next((tmp_path / "one").iterdir()) / "run.json").read_text())
    stored_settings = header["spec"]["decoding"]
    assert {name: stored_settings[name] for name in ("method", "beams", "length_penalty", "top_k")} == {
        "method": "beam",
        "beams": 3,
        "length_penalty": 0.5,
        "top_k": None,
    }
    shown = alm("score", next((tmp_path / "one").iterdir()), "--details").out
    assert "beam (3 beams, length penalty 0.5), at most" in " ".join(shown.split())


def test_neither_order_changes_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = texts(tmp_path / "advised", *SAMPLED)

    def turned(self: MellowAdapter, requests: Sequence[Request]) -> Sequence[int]:
        return sorted(range(len(requests)), key=lambda place: (place * 17) % 42)

    monkeypatch.setattr(MellowAdapter, "order", turned)
    assert texts(tmp_path / "turned", *SAMPLED) == wanted


@pytest.mark.slow
def test_half_precision_hardly_changes_answers(tmp_path: Path) -> None:
    many: Any = ("--limit", 60, "--batch-size", 12)  # bf16 is emulated on many processors
    full, half = (texts(tmp_path / dtype, *many, "--dtype", dtype) for dtype in ("float32", "bfloat16"))
    assert len(full) == 60
    assert sum(half[item] == text for item, text in full.items()) >= 0.99 * len(full)
    sizes = (texts(tmp_path / f"half {size}", "--dtype", "bfloat16", "--batch-size", size) for size in (1, 6))
    one, six = sizes
    assert sum(six[item] == text for item, text in one.items()) >= 0.99 * ITEMS
