"""Training killed at any moment and training in several processes, as users start it: from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alm_bench.mellow.checkpoint import load_folder
from alm_bench.train.checkpoint import TrainingFolder
from alm_bench.train.config import TrainConfig

ONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(tmp_path: Path, name: str, *launcher: str, **changes: str) -> "subprocess.Popen[str]":
    named = [f"--set={key}={value}" for key, value in {"name": f'"{name}"', **changes}.items()]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "alm_bench", "train", "--config", str(tmp_path / "recipe.toml"), *named],
        env={**os.environ, **ONE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> None:
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 0, out


def entries(tmp_path: Path, name: str) -> list[dict[str, Any]]:
    log = tmp_path / "out" / name / "log.jsonl"
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]] if log.is_file() else []


@pytest.mark.slow
def test_killed_at_three_moments_and_resumed(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    recipe(steps=60)
    finish(start(tmp_path, "whole"))
    for count in (3, 17, 40):
        process = start(tmp_path, "parts")
        while len(entries(tmp_path, "parts")) < count and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(start(tmp_path, "parts"))
    whole, parts = entries(tmp_path, "whole"), entries(tmp_path, "parts")
    assert [entry["step"] for entry in parts] == list(range(60))
    assert [entry["loss"] for entry in parts] == pytest.approx([entry["loss"] for entry in whole], abs=1e-6)


@pytest.mark.slow
def test_two_processes_train_as_one(recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path) -> None:
    held_out = f'[[validation]]\nfile = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
    data = f'[[data]]\nfile = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n{held_out}'
    recipe(steps=20, data=data)
    without_dropout = {"model.config": "{mapper={pool=8, dropout=0.0}}"}
    finish(start(tmp_path, "one", **without_dropout))
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    finish(start(tmp_path, "two", *launcher, **without_dropout))
    one, two = entries(tmp_path, "one"), entries(tmp_path, "two")
    assert [entry["step"] for entry in two] == list(range(20))
    assert [entry["loss"] for entry in two] == pytest.approx([entry["loss"] for entry in one], rel=1e-4)
    assert two[-1]["validation_loss"] == pytest.approx(one[-1]["validation_loss"], rel=1e-4)
    assert one[-1]["loss"] < one[0]["loss"]


@pytest.mark.slow
def test_killed_at_every_point_of_a_save_and_resumed(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    source = f'file = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
    recipe(steps=4, data=f"[[data]]\n{source}[[validation]]\n{source}rows = 2\n")
    script = Path(__file__).with_name("killed_saves.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "recipe.toml"), str(tmp_path / "cache")],
        env={**os.environ, **ONE, "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [entry[0] for entry in found["whole"]] == list(range(4))
    for number, killed in enumerate(found["killed"]):
        for ours, theirs in zip(killed["log"], found["whole"], strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6), killed["point"]
        run = tmp_path / f"out/killed-{number}"
        state = TrainingFolder(run).load_state()
        assert state is not None
        last = load_folder(run / "last")[0].state_dict()
        assert all(torch.equal(last[name], value) for name, value in state[1]["model"].items()), killed["point"]
    points = [killed["point"] for killed in found["killed"]]
    for kind in (f"{change} {folder}/" for change in ("half of", "replace") for folder in ("state", "best", "last")):
        assert any(point.startswith(kind) for point in points), (kind, points)


GRPO = """
[[stage]]
name = "reinforce"
objective = "grpo"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 1e-3
[stage.grpo]
rewards = {{ length = 1.0 }}
reward_options = {{ length = {{ low = 1, high = 2, part = "text" }} }}
group = 4
max_new_tokens = 5
updates = 2
loss = "dapo"
"""


@pytest.mark.slow
def test_two_processes_reinforce_as_one(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """Each process draws the answers to its rows; draws, advantages and the mean over all tokens are those of one."""
    recipe(steps=6, stages=GRPO)
    finish(start(tmp_path, "one"))
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    finish(start(tmp_path, "two", *launcher))
    one, two = entries(tmp_path, "one"), entries(tmp_path, "two")
    for key in ("reward", "answer_tokens", "truncated", "norm", "entropy", "kl", "clipped"):
        assert [entry[key] for entry in two] == pytest.approx([entry[key] for entry in one], rel=1e-3, abs=1e-7), key
    assert max(entry["kl"] for entry in one) > 0
