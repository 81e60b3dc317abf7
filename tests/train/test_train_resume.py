"""An exact resume has all that the next step depends on: clip norms and fp16's scaler beside weights and optimiser."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from alm_bench.train import loop
from alm_bench.train.config import TrainConfig
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training

Recipe = Callable[..., TrainConfig]

TWO = """
[[stage]]
name = "first"
objective = "answers"
train = ["mapper", "lm"]
steps = 4
batch = 4
lr = 3e-3
[[stage]]
name = "second"
objective = "answers"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 3e-3
"""


class StopError(Exception):
    pass


def train(config: TrainConfig, cache: Path, stop_at: tuple[int, int] | None = None) -> None:
    def observe(entry: dict[str, Any]) -> None:
        if (entry["stage"], entry["step"]) == stop_at:
            raise StopError

    Trainer(config, prepare_training(config, cache, lambda *_: None), observe).run()


def log(config: TrainConfig) -> list[dict[str, Any]]:
    def strict(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    lines = (config.out / config.name / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=strict) for line in lines]


def steps(config: TrainConfig) -> list[tuple[int, int, float, float | None]]:
    return [(entry["stage"], entry["step"], entry["loss"], entry["norm"]) for entry in log(config)]


def stopped_and_resumed(config: TrainConfig, cache: Path, stop_at: tuple[int, int]) -> None:
    with pytest.raises(StopError):
        train(config, cache, stop_at)
    train(config, cache)


def test_the_history_of_norms_is_resumed(recipe: Recipe, tmp_path: Path) -> None:
    """`clip = 0` clips to the mean of the norms of the steps before."""
    whole = recipe(steps=8, name="whole", stage__0__clip="0")
    train(whole, tmp_path)
    parts = replace(whole, name="parts")
    stopped_and_resumed(parts, tmp_path, (0, 5))
    assert steps(parts) == steps(whole)


@pytest.fixture
def _scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed precision in fp16 with a scaler, as accelerate sets it up on a GPU, on this processor. The first factors
    overflow: three steps are skipped before the first one is taken."""

    def accelerator(**options: Any) -> Accelerator:
        made = Accelerator(**options)
        made.native_amp = True
        made.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-8, growth_interval=3)
        return made

    monkeypatch.setattr(loop, "Accelerator", accelerator)


@pytest.mark.usefixtures("_scaled")
def test_the_scaler_of_fp16_is_resumed(recipe: Recipe, tmp_path: Path) -> None:
    whole = recipe(steps=10, name="whole", precision="fp16")
    train(whole, tmp_path)
    skipped = [norm is None for _, _, _, norm in steps(whole)]
    assert skipped[:3] == [True, True, True], "the first factors overflow"
    assert not skipped[4]
    parts = replace(whole, name="parts")
    stopped_and_resumed(parts, tmp_path, (0, 6))
    assert steps(parts) == steps(whole)


@pytest.mark.usefixtures("_scaled")
def test_the_scaler_goes_on_in_the_next_stage(recipe: Recipe, tmp_path: Path) -> None:
    """Gradients are unscaled once in every stage, whether the stage before was trained by this process or another."""
    whole = recipe(steps=4, stages=TWO, name="whole", precision="fp16")
    train(whole, tmp_path)
    parts = replace(whole, name="parts")
    stopped_and_resumed(parts, tmp_path, (1, 2))
    assert steps(parts) == steps(whole)


def test_a_finished_run_keeps_its_weights_when_it_is_called_again(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=3)
    train(config, tmp_path)
    weights = (config.out / config.name / "last/model.safetensors").read_bytes()
    train(config, tmp_path)
    assert (config.out / config.name / "last/model.safetensors").read_bytes() == weights


def test_steps_before_the_first_state_are_logged_once(recipe: Recipe, tmp_path: Path) -> None:
    """Killed before anything was saved, a run starts over; so does its log, whose last line may be torn."""
    config = recipe(steps=6, save_every="100")
    with pytest.raises(StopError):
        train(config, tmp_path, (0, 3))
    with (config.out / config.name / "log.jsonl").open("a") as file:
        file.write('{"stage": 0, "st')
    train(config, tmp_path)
    assert [entry["step"] for entry in log(config)] == list(range(6))
