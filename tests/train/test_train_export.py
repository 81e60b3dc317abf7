"""Usable weights of a run that was interrupted: `alm-bench train export`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_world
import torch

from alm_bench.core import AlmBenchError
from alm_bench.mellow.checkpoint import load_folder
from alm_bench.train.checkpoint import Position, TrainingFolder
from alm_bench.train.config import TrainConfig
from alm_bench.train.export import export_weights
from alm_bench.train.loop import Trainer
from alm_bench.train.lora import merge_lora
from alm_bench.train.setup import prepare_training

Recipe = Callable[..., TrainConfig]


class StopError(Exception):
    pass


def interrupted(config: TrainConfig, cache: Path, step: int) -> Trainer:
    """A trainer that ended as a process does: `step` was taken, and nothing saved after the last `save_every`."""

    def observe(entry: dict[str, Any]) -> None:
        if entry["step"] == step:
            raise StopError

    trainer = Trainer(config, prepare_training(config, cache, lambda *_: None), observe)
    with pytest.raises(StopError):
        trainer.run()
    return trainer


def test_an_interrupted_run_becomes_a_model(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recipe(steps=6)
    interrupted(config, tmp_path, 4)
    monkeypatch.chdir(tmp_path)
    run = config.out / config.name
    ran = small_world.alm("train", "export", run, "--to", "weights", "--json")
    assert ran.status == 0, ran.err
    assert ran.json == {"folder": "weights", "stage": 0, "step": 4}
    saved = TrainingFolder(run).load_state()
    assert saved is not None
    exported = load_folder(tmp_path / "weights")[0].state_dict()
    assert all(torch.equal(exported[name], value) for name, value in saved[1]["model"].items())
    small_world.mmau(tmp_path / "data", count=3)
    model = ("--model", "mellow", "--model-arg", "checkpoint=weights")
    ran = small_world.alm("run", *model, "--tasks", "mmau", "--data", "data", "--json")
    assert ran.status == 0, ran.err
    assert ran.run["identity"]["family"] == "mellow"


def test_a_run_is_found_by_its_name(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recipe(steps=4, out=json.dumps(str(tmp_path / "results/training")))
    interrupted(config, tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    ran = small_world.alm("train", "export", "recipe")
    assert ran.status == 0, ran.err
    assert "checkpoint=results/training/recipe/exported" in ran.out
    assert load_folder(tmp_path / "results/training/recipe/exported")
    assert "runs in results/training: recipe" in small_world.refusal(small_world.alm("train", "export", "recepi"))
    assert "not both" in small_world.refusal(small_world.alm("train", "--config", "mellow-mini", "export", "recipe"))


def test_a_finished_run_is_exported_as_its_last_weights(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=2)
    last = Trainer(config, prepare_training(config, tmp_path, lambda *_: None), lambda entry: None).run()
    folder, position = export_weights(config.out / config.name, tmp_path / "weights")
    assert position.stage == 1
    assert (folder / "model.safetensors").read_bytes() == (last / "model.safetensors").read_bytes()


def test_a_moving_average_and_adapters_are_exported_as_they_are_judged(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=6, ema="0.5", lora="{r=2, alpha=4, targets=['q_proj']}")
    trainer = interrupted(config, tmp_path, 4)
    saved = TrainingFolder(config.out / config.name).load_state()
    assert saved is not None
    average = {name: value for name, value in saved[1]["average"].items() if name.startswith("module.")}
    trainer.model.load_state_dict({name.removeprefix("module."): value for name, value in average.items()})
    folder, _ = export_weights(config.out / config.name)
    exported, expected = load_folder(folder)[0].state_dict(), merge_lora(trainer.model).state_dict()
    assert exported.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(exported[name], value, atol=1e-6), name


def test_the_files_of_the_recipe_are_not_needed(recipe: Recipe, tmp_path: Path, network: Path) -> None:
    config = recipe(steps=4)
    interrupted(config, tmp_path, 2)
    moved = network.with_name("moved")
    network.rename(moved)
    try:
        assert load_folder(export_weights(config.out / config.name)[0])
    finally:
        moved.rename(network)


def test_states_of_the_first_version_are_exported_too(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=4)
    trainer = interrupted(config, tmp_path, 2)
    run = config.out / config.name
    for file in (run / "state").iterdir():
        file.unlink()
    torch.save({"model": trainer.model.state_dict()}, run / "state/tensors.pt")
    (run / "state/position.json").write_text(json.dumps({"stage": 0, "step": 2, "best": None}))
    folder, position = export_weights(run)
    assert position == Position(0, 2)
    assert load_folder(folder)


def said(run: Path, to: Path | None = None) -> str:
    with pytest.raises(AlmBenchError) as error:
        export_weights(run, to)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_exported_is_one_line(recipe: Recipe, tmp_path: Path) -> None:
    assert "is no folder of a training run" in said(tmp_path)
    config = recipe(steps=6, save_every="100")
    interrupted(config, tmp_path, 2)
    run = config.out / config.name
    assert "has no saved state to export: a run saves one every `save_every` steps" in said(run)
    TrainingFolder(run).save(Position(0, 2), {"model": {"mapper.c2l.weight": torch.ones(2)}})
    assert "describes a network of" in said(run), "larger than what was saved"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "llama"}')
    TrainingFolder(run).save(
        Position(0, 3), {"model": prepare_training(config, tmp_path, lambda *_: None).model.state_dict()}
    )
    assert "is no Mellow network, and it is not overwritten" in said(run, tmp_path / "other")
