"""The comparison with transformers' cached generate, on the tiny network."""

import importlib
import re
from copy import deepcopy
from pathlib import Path

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
