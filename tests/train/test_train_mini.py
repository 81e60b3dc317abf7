"""The recipe of the bundled model takes the steps of its committed log, in float32 on any processor."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from alm_bench.core import AudioPolicy, AudioRef
from alm_bench.mellow.config import FrontEndConfig
from alm_bench.mellow.logmel import LogMel
from alm_bench.train import setup
from alm_bench.train.config import load_config
from alm_bench.train.features import compute_logmel
from alm_bench.train.loop import FIRST_STEPS_LOGGED, Trainer

LOG = Path(__file__).parent / "mellow-mini.first-steps.jsonl"
"""The recipe's first steps in float32. The weights themselves were trained in bf16, whose first 22 losses are these to
within 0.06 %, on another kind of processor: the recipe is the same, and so is what it begins with."""

STEPS = 5
"""Steps taken here: what is changed in the recipe or the demo world shows in the first."""


class OnDemand:
    """Log-mels as the cache on disk has them, computed for the clips that are asked for: a few steps need few."""

    def __init__(self, refs: Sequence[AudioRef], config: FrontEndConfig, policy: AudioPolicy, *_: Any) -> None:
        self.refs, self.policy, self.front = refs, policy, LogMel(config)
        self.silent = self.front(torch.zeros(1, config.samples))[0]

    def __getitem__(self, places: Sequence[int]) -> Tensor:
        logmels = torch.stack([compute_logmel(self.refs[place], self.front, self.policy) for place in places])
        return logmels.half().float()


@pytest.fixture
def _all_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_all_threads")
def test_the_first_steps_are_those_of_the_committed_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "load_cached_logmels", OnDemand)
    config = replace(load_config("mellow-mini", {"validation": "[]", "precision": "no"}), out=tmp_path)
    trainer = Trainer(config, setup.prepare_training(config, tmp_path, lambda *_: None), lambda entry: None)
    stage = trainer.set_up_stage(0)
    expected = [json.loads(line)["loss"] for line in LOG.read_text().splitlines()]
    assert len(expected) == FIRST_STEPS_LOGGED
    taken = [trainer.step(stage, step)["loss"] for step in range(STEPS)]
    assert taken == pytest.approx(expected[:STEPS], rel=1e-3)
