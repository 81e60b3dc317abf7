"""`precision = "auto"`: measured, told in one line, kept for the whole run; and training in bf16 at a small size."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from alm_bench.core.device import MIN_SPEEDUP, Bfloat16Speed, measure_bfloat16
from alm_bench.train import precision
from alm_bench.train.config import TrainConfig, load_config
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training

FAST, SLOW = Bfloat16Speed("cpu", 4.0), Bfloat16Speed("cpu", 0.02)


class StopError(Exception):
    pass


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bfloat16Speed], None]:
    """Let the measurement have a given outcome."""

    def give(speed: Bfloat16Speed) -> None:
        monkeypatch.setattr(precision, "measure_bfloat16", lambda device: speed)

    return give


def begin(config: TrainConfig, cache: Path, stop_at: int | None = None, fresh: bool = False) -> Trainer:
    """Train as a new process would: accelerate has one precision a process."""
    AcceleratorState._reset_state(reset_partial_state=True)

    def observe(entry: dict[str, Any]) -> None:
        if entry["step"] == stop_at:
            raise StopError

    trainer = Trainer(config, prepare_training(config, cache, lambda *_: None), observe, fresh)
    if stop_at is None:
        trainer.run()
    else:
        with pytest.raises(StopError):
            trainer.run()
    return trainer


def test_the_measurement_is_a_ratio_of_this_machine() -> None:
    speed = measure_bfloat16("cpu")
    assert speed.device == "cpu"
    assert 0 < speed.speedup < math.inf


@pytest.mark.parametrize(
    ("speedup", "says"),
    [
        (0.02, "float32 (bfloat16 products are 50.0 times slower than float32 on this processor)"),
        (1.0, "float32 (bfloat16 products are 1.0 times as fast as float32 on this processor)"),
        (4.0, "bfloat16 (bfloat16 products are 4.0 times as fast as float32 on this processor)"),
    ],
)
def test_the_measurement_is_told_in_one_line(speedup: float, says: str) -> None:
    speed = Bfloat16Speed("cpu", speedup)
    assert speed.describe() == f"precision auto: {says}"
    assert speed.is_fast == (speedup >= MIN_SPEEDUP)


@pytest.mark.parametrize(("speed", "chosen"), [(FAST, "bf16"), (SLOW, "no")])
def test_auto_takes_bf16_only_where_it_is_fast(
    recipe: Callable[..., TrainConfig],
    measured: Callable[[Bfloat16Speed], None],
    speed: Bfloat16Speed,
    chosen: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measured(speed)
    trainer = begin(recipe(steps=2, precision="auto"), tmp_path)
    assert trainer.config.precision == trainer.accelerator.mixed_precision == chosen
    assert speed.describe() in capsys.readouterr().err.splitlines()
    assert chosen in (trainer.folder.path / "README.md").read_text()


def test_a_resumed_run_keeps_the_precision_that_it_began_with(
    recipe: Callable[..., TrainConfig],
    measured: Callable[[Bfloat16Speed], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = recipe(steps=6, precision="auto")
    measured(FAST)
    begin(config, tmp_path, stop_at=3)
    measured(SLOW)
    assert begin(config, tmp_path).config.precision == "bf16"
    assert "precision auto: bf16, with which this run began" in capsys.readouterr().err
    assert begin(config, tmp_path, fresh=True).config.precision == "no"


def test_training_in_bf16_follows_float32(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """Products rounded to 8 bits: the same losses within a few per cent, on any processor."""
    logs = []
    for name in ("no", "bf16"):
        config = recipe(steps=6, name=name, precision=name, model__config="{mapper={pool=8, dropout=0.0}}")
        trainer = begin(config, tmp_path)
        lines = (trainer.folder.path / "log.jsonl").read_text().splitlines()
        logs.append([json.loads(line)["loss"] for line in lines])
        assert trainer.model.lm.dtype == torch.float32, "weights stay in float32, products do not"
    full, half = logs
    assert half == pytest.approx(full, rel=0.03)
    assert half != full


def test_the_shipped_recipes_of_the_bundled_model_run_on_any_processor() -> None:
    for name in ("mellow-mini", "mellow-mini-text-only"):
        assert load_config(name).precision == "auto"
