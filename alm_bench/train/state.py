"""A training run's folder: log, checkpoints, and all that an exact resume needs."""

import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alm_bench.core import UsageError
from alm_bench.core.files import atomic_write, storing
from alm_bench.train.config import TrainConfig

LOG, CONFIG, STATE, LAST, BEST = "log.jsonl", "config.json", "state", "last", "best"


@dataclass(slots=True)
class Position:
    """The next step to take: `stage` by number, `step` within it; `best` is the lowest validation loss so far."""

    stage: int = 0
    step: int = 0
    best: float | None = None


def random_state() -> dict[str, Any]:
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


class Folder:
    """`log.jsonl` (a line a logged step), `state/` (to resume), `last/` and `best/` (Mellow folders)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, config: TrainConfig, fresh: bool) -> bool:
        """Whether there is a state to resume. Raises UsageError where it belongs to another config."""
        if fresh and self.path.exists():
            with storing(self.path):
                shutil.rmtree(self.path)
        told = self.path / CONFIG
        mine = json.loads(json.dumps(_table(config), default=str))
        if told.is_file():
            theirs = json.loads(told.read_text(encoding="utf-8"))
            if different := sorted(_differences(theirs, mine)):
                raise UsageError(
                    f"{self.path} holds a training run of another config; it differs in {', '.join(different[:6])}: "
                    "use that config, name another --out, or start over with --fresh"
                )
        atomic_write(told, json.dumps(mine, indent=1) + "\n")
        return (self.path / STATE / "position.json").is_file()

    def precision(self) -> Any:
        """The precision with which the run that lies there began, None where there is none."""
        told = self.path / CONFIG
        return json.loads(told.read_text(encoding="utf-8")).get("precision") if told.is_file() else None

    def log(self, entry: Mapping[str, Any]) -> None:
        with storing(self.path / LOG), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        if not (self.path / LOG).is_file():
            return []
        lines = (self.path / LOG).read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def cut_log(self, position: Position) -> None:
        """Drop what was logged after the state was saved: those steps are taken again."""
        kept = [entry for entry in self.read_log() if (entry["stage"], entry["step"]) < (position.stage, position.step)]
        atomic_write(self.path / LOG, "".join(json.dumps(entry) + "\n" for entry in kept))

    def save(self, position: Position, tensors: Mapping[str, Any]) -> None:
        """Replace the state in one step."""
        new, old = self.path / f"{STATE}.new", self.path / f"{STATE}.old"
        with storing(self.path):
            for stale in (new, old):
                shutil.rmtree(stale, ignore_errors=True)
            new.mkdir(parents=True)
            torch.save(dict(tensors), new / "tensors.pt")
            entry = {"stage": position.stage, "step": position.step, "best": position.best}
            atomic_write(new / "position.json", json.dumps(entry))
            if (self.path / STATE).exists():
                (self.path / STATE).rename(old)
            new.rename(self.path / STATE)
            shutil.rmtree(old, ignore_errors=True)

    def restore(self) -> tuple[Position, dict[str, Any]]:
        state = self.path / STATE
        position = Position(**json.loads((state / "position.json").read_text()))
        # Our own file: optimiser moments and random states are more than plain tensors.
        tensors: dict[str, Any] = torch.load(state / "tensors.pt", map_location="cpu", weights_only=False)
        return position, tensors


def _table(config: TrainConfig) -> dict[str, Any]:
    from dataclasses import asdict

    table = asdict(config)
    for irrelevant in ("out", "log_every", "save_every"):
        table.pop(irrelevant)
    return table


def _differences(a: Any, b: Any, where: str = "") -> set[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        return {
            found for key in {*a, *b} for found in _differences(a.get(key), b.get(key), f"{where}.{key}".lstrip("."))
        }
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return {
            found for i, (x, y) in enumerate(zip(a, b, strict=True)) for found in _differences(x, y, f"{where}.{i}")
        }
    # What an older version did not have yet is empty in this one.
    return set() if a == b or not (a or b) else {where}
