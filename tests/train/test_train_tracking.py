"""A training in an experiment tracker: the values of every step, by stage, as the run's own log has them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_world import alm

from alm_bench.train.config import TrainConfig


def test_every_step_of_a_training_is_logged(recipe: Callable[..., TrainConfig], tmp_path: Path, trackio: Any) -> None:
    config = recipe(steps=3)
    ran = alm("train", "--config", tmp_path / "recipe.toml", "--track", "trackio", "--json")
    assert ran.status == 0, ran.err
    folder = Path(ran.json["folder"])
    lines = trackio.SQLiteStorage.get_logs("alm-bench-training", config.name)
    assert [line["step"] for line in lines] == [0, 1, 2]
    log = next(path for path in (folder, *folder.parents) if (path / "log.jsonl").is_file()) / "log.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert [line["answer/loss"] for line in lines] == losses[:3]
    assert "answer/lr" in lines[0]
    (run,) = trackio.Api().runs("alm-bench-training")
    assert run.config["name"] == config.name
