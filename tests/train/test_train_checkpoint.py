"""A training run's folder: what may be removed, who may write, and that its state runs no code and is never lost."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alm_bench.core import AlmBenchError, CheckpointError, StoreError, UsageError
from alm_bench.mellow.checkpoint import CONFIG, TOKENIZER, WEIGHTS
from alm_bench.train.checkpoint import Position, TrainingFolder, get_random_state, restore_random_state
from alm_bench.train.config import TrainConfig, load_config

Recipe = Callable[..., TrainConfig]


@pytest.fixture
def config(recipe: Recipe) -> TrainConfig:
    return recipe()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def opened(path: Path, config: TrainConfig, fresh: bool = False) -> None:
    with TrainingFolder(path).open(config, fresh):
        pass


def refusal(path: Path, config: TrainConfig, fresh: bool = False) -> str:
    with pytest.raises(AlmBenchError) as error:
        opened(path, config, fresh)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- what is removed ---


@pytest.mark.parametrize("name", ["../victim", "a/b", "a\\b", ".hidden", "..", "", "a b", "/etc", "a\n", "x" * 101])
def test_a_name_is_that_of_a_folder(recipe: Recipe, name: str) -> None:
    with pytest.raises(UsageError, match="expected up to 100 ASCII letters, digits") as error:
        recipe(name=json.dumps(name))
    assert "\n" not in str(error.value)


def test_names_like_those_of_runs_are_taken(recipe: Recipe) -> None:
    for name in ("mellow-v0", "Run_2.b", "7"):
        assert recipe(name=json.dumps(name)).name == name


def test_fresh_removes_no_folder_of_something_else(config: TrainConfig, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "clips").mkdir(parents=True)
    (data / "clips/a.wav").write_bytes(b"sound")
    (data / "log.jsonl").write_text("somebody's log")
    for content in (None, "{}", '["no table"]', "no JSON", '{"model_type": "llama"}'):
        if content is not None:
            (data / "config.json").write_text(content)
        before = files(data)
        assert "holds no training run" in refusal(data, config, fresh=True)
        assert files(data) == before


def test_fresh_of_an_empty_folder_is_one_line(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is empty, and --fresh removes nothing else: leave out --fresh" in refusal(tmp_path / "empty", config, True)
    opened(tmp_path / "empty", config)
    opened(tmp_path / "none", config, fresh=True)


def test_fresh_removes_what_the_run_wrote_and_nothing_else(config: TrainConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    opened(run, config)
    folder = TrainingFolder(run)
    folder.save(Position(0, 2), {"model": {"a": torch.ones(2)}})
    folder.log({"stage": 0, "step": 0, "loss": 1.0})
    written = [f"last/{name}" for name in (CONFIG, WEIGHTS, TOKENIZER)]
    written += ["tensorboard/events.out.tfevents.1", "README.md", "loss.png"]
    for name in (*written, "state.old/tensors.pt", "state.old/position.json"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("{}")
    mine = {"notes.txt": b"mine", "best/mine.bin": b"mine", "plots/curve.png": b"mine"}
    for name, content in mine.items():
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(content)
    opened(run, config, fresh=True)
    left = files(run)
    assert left.pop("log.jsonl") == b""
    assert json.loads(left.pop("config.json"))["name"] == config.name
    assert {name: content for name, content in left.items() if name not in (".lock", ".pid")} == mine
    assert folder.load_state() is None


@pytest.mark.parametrize("name", ["README.md", "last/model.safetensors", "log.jsonl", "state/tensors.pt"])
def test_files_of_somebody_else_are_not_overwritten(config: TrainConfig, tmp_path: Path, name: str) -> None:
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    (tmp_path / "run" / name).write_text("mine")
    assert "nothing there is overwritten" in refusal(tmp_path / "run", config)
    assert files(tmp_path / "run") == {name: b"mine"}


def test_files_beside_a_run_do_not_hinder_it(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/notes.txt").write_text("mine")
    opened(tmp_path / "run", config)
    assert (tmp_path / "run/notes.txt").read_text() == "mine"


# --- who writes ---


HOLD = """
import sys
from pathlib import Path
from alm_bench.train.config import load_config
from alm_bench.train.checkpoint import TrainingFolder

with TrainingFolder(Path(sys.argv[2])).open(load_config(sys.argv[1]), False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_training_in_a_folder_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "recipe.toml"), str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for fresh in (False, True):
            said = refusal(run, config, fresh)
            assert f"is being written by process {holder.pid}: wait for it, or end it" in said
    finally:
        holder.kill()  # a killed process holds no lock
        holder.communicate()
    opened(run, config)


# --- what is restored ---


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["state", "state.new", "state.old"])
def test_a_state_with_code_is_refused_and_not_run(tmp_path: Path, name: str) -> None:
    folder, mark = tmp_path / "run" / name, tmp_path / "it-ran"
    folder.mkdir(parents=True)
    (folder / "position.json").write_text('{"stage": 0, "step": 2, "best": null}')
    torch.save({"model": {}, "random": Evil(mark)}, folder / "tensors.pt")
    with pytest.raises(CheckpointError, match="nothing of it was executed") as error:
        TrainingFolder(tmp_path / "run").load_state()
    assert "\n" not in str(error.value)
    assert not mark.exists()


def test_a_pickle_beside_a_state_is_not_opened(tmp_path: Path) -> None:
    folder, mark = TrainingFolder(tmp_path), tmp_path / "it-ran"
    folder.save(Position(0, 2), {"model": {"a": torch.ones(2)}})
    torch.save(Evil(mark), tmp_path / "state/tensors.pt")
    (tmp_path / "state/position.json").write_text('{"stage": 9, "step": 9, "best": null}')
    restored = folder.load_state()
    assert restored is not None
    assert restored[0] == Position(0, 2)
    assert not mark.exists()


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    tied = torch.randn(3, 2)
    parameter = torch.nn.Parameter(torch.randn(4))
    optimizer = torch.optim.AdamW([parameter], lr=1e-3)
    parameter.sum().backward()
    optimizer.step()
    values = {
        "model": {"a": tied, "b": tied, "c": tied.T, "d": torch.tensor(7), "e": torch.zeros(0, 3)},
        "optimizer": optimizer.state_dict(),
        "norms": [0.1, 1 / 3],
        "scaler": {"scale": 65536.0, "_growth_tracker": 3},
        "random": get_random_state(),
    }
    drawn = torch.rand(3), random.random()
    TrainingFolder(tmp_path).save(Position(1, 4, float("nan")), values)
    restored = TrainingFolder(tmp_path).load_state()
    assert restored is not None
    position, found = restored
    assert (position.stage, position.step) == (1, 4)
    assert found["norms"] == values["norms"]
    assert found["scaler"] == values["scaler"]
    for name, value in values["model"].items():  # type: ignore[attr-defined]
        assert torch.equal(found["model"][name], value), name
    other = torch.optim.AdamW([parameter], lr=1e-3)
    other.load_state_dict(found["optimizer"])
    assert torch.equal(other.state[parameter]["exp_avg"], optimizer.state[parameter]["exp_avg"])
    restore_random_state(found["random"])
    assert torch.equal(torch.rand(3), drawn[0])
    assert random.random() == drawn[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", "{"),
        ("state.json", "[]"),
        ("state.json", '{"position": {"stage": 0}}'),
        ("state.json", '{"position": {"stage": 0, "step": 2}, "tensors": "../../x.safetensors", "values": []}'),
        ("tensors-1.safetensors", "no tensors"),
        ("tensors-1.safetensors", None),
    ],
)
def test_a_damaged_state_is_one_line(tmp_path: Path, name: str, content: str | None) -> None:
    TrainingFolder(tmp_path).save(Position(0, 2), {"model": {"a": torch.ones(2)}})
    path = tmp_path / "state" / name
    assert path.is_file()
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(StoreError) as error:
        TrainingFolder(tmp_path).load_state()
    assert "\n" not in str(error.value)


def test_tensors_of_another_save_are_not_taken(tmp_path: Path) -> None:
    for step, name in ((2, "a"), (4, "b")):
        TrainingFolder(tmp_path / name).save(Position(0, step), {"model": {"a": torch.ones(2)}})
    file = "state/tensors-1.safetensors"
    (tmp_path / "a" / file).write_bytes((tmp_path / "b" / file).read_bytes())
    with pytest.raises(StoreError, match="is no whole state"):
        TrainingFolder(tmp_path / "a").load_state()


def older_state(folder: Path, step: int, position: bool = True) -> None:
    folder.mkdir(parents=True)
    torch.save({"model": {"a": torch.full((2,), float(step))}, "random": get_random_state()}, folder / "tensors.pt")
    if position:
        (folder / "position.json").write_text(json.dumps({"stage": 0, "step": step, "best": None}))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"state": 2}, 2),
        ({"state.old": 2, "state.new": 4}, 4),  # killed between the two renames
        ({"state.old": 2, "state": 4}, 4),
        ({"state": 2, "state.new": None}, 2),  # killed while it wrote: no position yet
    ],
)
def test_states_of_the_first_version_are_recovered(tmp_path: Path, steps: dict[str, int | None], expected: int) -> None:
    for name, step in steps.items():
        older_state(tmp_path / name, step or 0, position=step is not None)
    folder = TrainingFolder(tmp_path)
    restored = folder.load_state()
    assert restored is not None
    assert restored[0].step == expected
    assert torch.equal(restored[1]["model"]["a"], torch.full((2,), float(expected)))
    folder.save(Position(0, 6), restored[1])
    assert not list(tmp_path.rglob("tensors.pt"))


def test_weights_that_the_first_version_was_moving_are_put_back(config: TrainConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    opened(run, config)
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        for part in ("new", "old"):
            (run / ".best.x1" / part).mkdir(parents=True, exist_ok=True)
            (run / ".best.x1" / part / name).write_text(part)
    opened(run, config)
    assert (run / "best" / WEIGHTS).read_text() == "new"


def test_what_a_killed_save_left_is_removed(config: TrainConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    opened(run, config)
    TrainingFolder(run).save(Position(0, 2), {"model": {"a": torch.ones(2)}})
    for name in ("state/.tensors-0.safetensors.abc", "state/.tmpAbC123", "best/.model.safetensors.abc"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("half")
    opened(run, config)
    assert not [path for path in run.rglob(".*") if path.name not in (".lock", ".pid")]
    assert TrainingFolder(run).load_state() is not None


def test_a_line_that_no_run_wrote_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"stage": 0, "step": 0}\n{"stage": 0}\n')
    with pytest.raises(StoreError, match=r"log\.jsonl: line 2 is no line of a training log"):
        TrainingFolder(tmp_path).read_log()


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_home")
def test_the_command_wipes_no_data_folder(recipe: Recipe, tmp_path: Path) -> None:
    """A recipe `data.toml` is named `data`: with `--out .` its run's folder is the folder of everybody's data."""
    from small_world import alm

    recipe()
    (tmp_path / "recipe.toml").rename(tmp_path / "data.toml")
    assert load_config("data.toml").name == "data"
    (tmp_path / "data").mkdir()
    (tmp_path / "data/clip.wav").write_bytes(b"sound")
    ran = alm("train", "--config", "data.toml", "--out", ".", "--fresh")
    assert ran.status == 2
    assert "holds no training run" in ran.err.splitlines()[-1]
    assert files(tmp_path / "data") == {"clip.wav": b"sound"}
