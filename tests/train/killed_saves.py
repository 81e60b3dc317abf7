"""Train a recipe over and over, killed at one point of its saves after the other, and resume it each time.

python killed_saves.py RECIPE CACHE: prints one JSON object, `whole` the log of an undisturbed run, and `killed` a list
of {point, log}. Points are calls that change the files of a state or of weights, and half-written tensors.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from alm_bench.mellow import checkpoint
from alm_bench.train import loop
from alm_bench.train.config import TrainConfig, load_config
from alm_bench.train.loop import Trainer
from alm_bench.train.report import TensorBoardWriter
from alm_bench.train.setup import TrainingSetup, prepare_training

CALLS = ("replace", "rename", "unlink", "rmdir")
FOLDERS = ("state", "best", "last")


class Points:
    """Counts the points of a run's saves, and kills the process at the one whose number is `fatal`."""

    def __init__(self, run: Path, fatal: int | None) -> None:
        self.run, self.fatal, self.names = run, fatal, list[str]()
        for name in CALLS:
            setattr(os, name, self.watched(name, getattr(os, name)))
        write = checkpoint.save_file

        def save_file(tensors: Any, path: Path, *rest: Any) -> None:
            write(tensors, path, *rest)
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
            self.pass_point("half of", path)
            path.write_bytes(content)

        checkpoint.save_file = save_file

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            self.pass_point(name, *arguments)
            return call(*arguments, **options)

        return wrapper

    def pass_point(self, name: str, *arguments: Any) -> None:
        paths = [Path(value) for value in arguments if isinstance(value, str | Path)]
        below = [path.relative_to(self.run).parts for path in paths if path.is_relative_to(self.run)]
        if not any(parts and parts[0].split(".")[0] in FOLDERS for parts in below) or not paths[0].exists():
            return
        self.names.append(f"{name} {' '.join('/'.join(parts) for parts in below)}".strip())
        if len(self.names) - 1 == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None]) -> int:
    """The exit status of `work` in a forked process: minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(config: TrainConfig, prepared: TrainingSetup) -> None:
    Trainer(config, prepared, lambda entry: None).run()


def read_log(config: TrainConfig) -> list[list[Any]]:
    lines = (config.out / config.name / "log.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [[entry["step"], entry["loss"], entry.get("validation_loss")] for entry in entries]


def main(recipe: str, cache: Path) -> None:
    torch.set_num_threads(1)
    loop.write_report = lambda *_: None  # pictures take a second each, and are no part of a save
    TensorBoardWriter.add = lambda *_: None  # type: ignore[method-assign]
    whole = replace(load_config(recipe), name="whole")
    prepared = prepare_training(whole, cache, lambda *_: None)  # every child trains its own copy of it
    names = whole.out / "points.json"

    def count() -> None:
        points = Points(whole.out / whole.name, None)
        train(whole, prepared)
        names.write_text(json.dumps(points.names))

    assert in_child(count) == 0
    killed = []
    for number, point in enumerate(json.loads(names.read_text())):
        config = replace(whole, name=f"killed-{number}")

        def work(config: TrainConfig = config, fatal: int = number) -> None:
            Points(config.out / config.name, fatal)
            train(config, prepared)

        status = in_child(work)
        assert status == -signal.SIGKILL, (point, status)
        for folder in (config.out / config.name / name for name in ("best", "last")):
            if (folder / checkpoint.WEIGHTS).is_file():
                checkpoint.load_folder(folder)  # what is there is whole
        assert in_child(lambda config=config: train(config, prepared)) == 0, point  # type: ignore[misc]
        killed.append({"point": point, "log": read_log(config)})
    print(json.dumps({"whole": read_log(whole), "killed": killed}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
