"""A training run's folder: its lock, its log, and all that an exact resume needs."""

import json
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from alm_bench.core import StoreError, UsageError
from alm_bench.core.errors import describe_error
from alm_bench.core.files import LOCK, PID, atomic_write, lock_folder, replace_atomically, report_full_disk
from alm_bench.mellow.checkpoint import CONFIG as NETWORK
from alm_bench.mellow.checkpoint import TOKENIZER, WEIGHTS, read_torch_file, write_tensors
from alm_bench.mellow.config import MellowConfig
from alm_bench.train.config import TrainConfig
from alm_bench.train.objectives import objective_classes

LOG, CONFIG, LAST, BEST, EXPORTED = "log.jsonl", "config.json", "last", "best", "exported"

STATE, VALUES = "state", "state.json"
TENSORS = ("tensors-0.safetensors", "tensors-1.safetensors")
"""Of these two, `state.json` names the one that goes with it; the next save writes the other one."""

OLDER = ("state", "state.new", "state.old")
OLDER_FILES = ("tensors.pt", "position.json")
"""Where the first version of this program kept states, and in which files. They are read, and replaced at the next
save."""

_MELLOW = (NETWORK, WEIGHTS, TOKENIZER)
OWN_FILES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OLDER, (VALUES, *TENSORS, *OLDER_FILES, NETWORK, TOKENIZER)),
    **dict.fromkeys((BEST, LAST, EXPORTED), _MELLOW),
    "tensorboard": ("events.out.tfevents.*",),
    ".": ("loss.png", "README.md"),
}
"""What a run writes beside its config and log: patterns by folder. Nothing else is ever removed."""


@dataclass(slots=True)
class Position:
    """Next step of a training run."""

    stage: int = 0
    """Number of the stage."""

    step: int = 0
    """Number of the step within the stage."""

    best: float | None = None
    """Lowest validation loss so far."""


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
    for device, cuda in zip(range(torch.cuda.device_count()), state.get("cuda", ()), strict=False):
        torch.cuda.set_rng_state(cuda, device)


class Folder:
    """`config.json`, `log.jsonl` (a line a logged step), `state/` (to resume), `last/` and `best/` (Mellow folders)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self, config: TrainConfig, fresh: bool) -> Iterator[None]:
        """Hold the folder for a run of `config`, locked against other processes. `fresh` removes the files of the run
        that is there. Raises UsageError for a folder of something else or of another config, StoreError."""
        self._check(config, fresh)
        fresh = fresh and self.path.is_dir()  # else there is nothing to start over
        with lock_folder(self.path):
            self._check(config, fresh)
            if fresh:
                self._remove_run()
            self._remove_leftovers()
            if fresh or not (self.path / LOG).is_file():
                atomic_write(self.path / LOG, "")
            atomic_write(self.path / CONFIG, json.dumps(_table(config), indent=1) + "\n")
            yield

    def _check(self, config: TrainConfig, fresh: bool) -> None:
        """Check that `config` may train, or start over, in this folder. Raises UsageError."""
        with report_full_disk(self.path):
            there = {entry.name for entry in self.path.iterdir()} - {LOCK, PID} if self.path.is_dir() else set()
        theirs = read_config_table(self.path) if CONFIG in there else None
        if fresh and self.path.is_dir() and (theirs is None or LOG not in there):
            found = f"holds no training run (its {CONFIG} and {LOG})" if there else "is empty"
            raise UsageError(
                f"{self.path} {found}, and --fresh removes nothing else: leave out --fresh, or name another --out"
            )
        if theirs is None:
            empty_log = LOG in there and (self.path / LOG).stat().st_size == 0
            ours = {name for name in (*OWN_FILES, *OWN_FILES["."], LOG) if name in there}
            if ours := ours - ({LOG} if empty_log else set()):
                raise UsageError(
                    f"{self.path} holds {', '.join(sorted(ours))}, but no {CONFIG} of a training run, and nothing "
                    "there is overwritten: name another --out, or move these away"
                )
        elif not fresh and (different := sorted(_differences(theirs, _table(config)))):
            raise UsageError(
                f"{self.path} holds a training run of another config; it differs in {', '.join(different[:6])}: "
                "use that config, name another --out, or start over with --fresh"
            )

    def _remove_run(self) -> None:
        """Remove a run's files but its config and log, the state first; folders go with their last file."""
        with report_full_disk(self.path):
            for name, patterns in OWN_FILES.items():
                folder = self.path / name
                for file in [file for pattern in patterns for file in folder.glob(pattern)]:
                    file.unlink()
                if name != "." and folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def _remove_leftovers(self) -> None:
        """Remove what a killed process has begun to write; put weights back that the first version was moving."""
        with report_full_disk(self.path):
            for name in (BEST, LAST):
                for part in (*self.path.glob(f".{name}.*/new"), *self.path.glob(f".{name}.*/old")):
                    if not (self.path / name).exists() and all((part / file).is_file() for file in _MELLOW):
                        part.rename(self.path / name)
            for name in (STATE, BEST, LAST):
                folder = self.path / name
                patterns = [f".{file}.*" for file in OWN_FILES[name]]
                for file in [file for pattern in (*patterns, ".tmp??????") for file in folder.glob(pattern)]:
                    file.unlink()

    def precision(self) -> Any:
        """The precision with which the run that lies there began, None where there is none."""
        return (read_config_table(self.path) or {}).get("precision")

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add a line; numbers that are not finite (a norm that overflowed in fp16) are null in it."""
        infinite = {key for key, value in entry.items() if isinstance(value, float) and not isfinite(value)}
        finite = {key: None if key in infinite else value for key, value in entry.items()}
        with report_full_disk(self.path / LOG), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The whole lines of the log. Raises StoreError for one that no run has written."""
        path = self.path / LOG
        if not path.is_file():
            return []
        entries = []
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1], start=1):
            try:
                entry = json.loads(line)
                entries.append({**entry, "stage": int(entry["stage"]), "step": int(entry["step"])})
            except (ValueError, TypeError, KeyError) as error:
                raise StoreError(
                    f"{path}: line {number} is no line of a training log: restore it, or start over with --fresh"
                ) from error
        return entries

    def cut_log(self, position: Position) -> None:
        """Drop what was logged after the state was saved: those steps are taken again."""
        kept = [entry for entry in self.read_log() if (entry["stage"], entry["step"]) < (position.stage, position.step)]
        atomic_write(self.path / LOG, "".join(json.dumps(entry) + "\n" for entry in kept))

    def describe_network(self, network: MellowConfig, tokenizer: Tokenizer) -> None:
        """Keep with the state what its weights are of, so that they can be exported without the recipe's files."""
        atomic_write(self.path / STATE / NETWORK, network.to_json())
        atomic_write(self.path / STATE / TOKENIZER, tokenizer.to_str())

    def save(self, position: Position, values: Mapping[str, Any]) -> None:
        """Replace the state in one step, which is that of `state.json`. Raises StoreError.

        The tensors are on disk before, under the name that the older state does not use.
        """
        state = self.path / STATE
        name = TENSORS[0] if self._named_tensors() == TENSORS[1] else TENSORS[1]
        tensors: dict[str, Tensor] = {}
        entry = {"position": asdict(position), "tensors": name, "values": _without_tensors(values, "", tensors, {})}
        with replace_atomically(state / name) as temporary:
            write_tensors(temporary, tensors, {"position": json.dumps(asdict(position))})
        with report_full_disk(self.path / LOG), (self.path / LOG).open("a") as file:
            os.fsync(file.fileno())  # a state on disk has the lines of its steps on disk
        atomic_write(state / VALUES, json.dumps(entry))
        with report_full_disk(self.path):
            (state / TENSORS[1 - TENSORS.index(name)]).unlink(missing_ok=True)
            for folder in OLDER:
                for older in OLDER_FILES:
                    (self.path / folder / older).unlink(missing_ok=True)

    def _named_tensors(self) -> str | None:
        path = self.path / STATE / VALUES
        return str(_read_object(path).get("tensors")) if path.is_file() else None

    def restore(self) -> tuple[Position, dict[str, Any]] | None:
        """The saved state, None where there is none. Raises StoreError, CheckpointError; runs no code of its files."""
        state = self.path / STATE
        if not (state / VALUES).is_file():
            return self._restore_older()
        while True:
            text = (state / VALUES).read_bytes()
            try:
                return _read_state(state)
            except FileNotFoundError as error:
                # A run that is being trained has saved its next state meanwhile.
                if (state / VALUES).read_bytes() == text:
                    raise StoreError(f"{state}: the tensors that {VALUES} names are not there") from error

    def _restore_older(self) -> tuple[Position, dict[str, Any]] | None:
        """The newest whole state of the first version: where it was killed in the midst of a save, there are two."""
        whole = []
        for folder in (self.path / name for name in OLDER):
            if all((folder / name).is_file() for name in OLDER_FILES):
                try:
                    position = Position(**_read_object(folder / OLDER_FILES[1]))
                except TypeError as error:
                    raise StoreError(f"{folder / OLDER_FILES[1]} is no position of a training run: {error}") from error
                whole.append(((position.stage, position.step), position, folder / OLDER_FILES[0]))
        if not whole:
            return None
        _, position, file = max(whole, key=lambda item: item[0])
        values = read_torch_file(file)
        if not isinstance(values, dict):
            raise StoreError(f"{file} is no state of a training run: found {type(values).__name__}")
        return position, values


@contextmanager
def fitting(run: Path) -> Iterator[None]:
    """Turn what torch raises of a state that is not of this network or optimiser into StoreError, one line."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"the state in {run / STATE} does not fit its run ({describe_error(error)[:200]}): restore it, or start "
            "over with --fresh"
        ) from error


# --- values and their tensors ---


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor], names: dict[Any, str]) -> Any:
    """`value` as JSON can hold it and `_with_tensors` reads it back; its tensors are added to `tensors` by name.

    A tensor that is there twice (tied weights) is kept once: `names` knows those that were met.
    """
    if isinstance(value, Tensor):
        place = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
        if place not in names:
            names[place] = path
            tensors[path] = value.detach().cpu().contiguous()
        return {"tensor": names[place]}
    if isinstance(value, Mapping):
        items = [
            [key, _without_tensors(item, f"{path}/{key}".lstrip("/"), tensors, names)] for key, item in value.items()
        ]
        return {"mapping": items}
    if isinstance(value, list | tuple):
        items = [_without_tensors(item, f"{path}/{number}", tensors, names) for number, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a training state cannot hold {path}, of type {type(value).__name__}")


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_with_tensors(item, tensors) for item in content)
    if kind == "mapping":
        return {key: _with_tensors(item, tensors) for key, item in content}
    raise ValueError(f"unknown kind of value {kind!r}")


def _read_state(state: Path) -> tuple[Position, dict[str, Any]]:
    """Read a saved state. Raises StoreError, and FileNotFoundError if the tensors' file is missing."""
    entry = _read_object(state / VALUES)
    try:
        position = Position(**entry["position"])
        name = TENSORS[TENSORS.index(entry["tensors"])]
        with safe_open(state / name, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
            written, expected = (file.metadata() or {}).get("position"), json.dumps(entry["position"])
        if written != expected:
            raise ValueError(f"its tensors are of {written}, its values of {expected}")
        values: dict[str, Any] = _with_tensors(entry["values"], tensors)
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise StoreError(
            f"{state} is no whole state of a training run ({describe_error(error)}): restore it, or start over "
            "with --fresh"
        ) from error
    return position, values


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object. Raises StoreError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: found {type(value).__name__}, expected an object")
    return value


# --- the config of a folder ---


def read_config_table(path: Path) -> dict[str, Any] | None:
    """The recipe in a run's folder as it was written there, None where `config.json` is not of a training run."""
    try:
        table = _read_object(path / CONFIG)
    except StoreError:
        return None
    return table if {"name", "model", "data", "stage"} <= table.keys() else None


def _table(config: TrainConfig) -> dict[str, Any]:
    """A recipe as JSON holds it, with the versions of its objectives, without what does not change the steps."""
    table = asdict(config)
    for stage in table["stage"]:
        stage["objective_version"] = objective_classes().versions.get(stage["objective"])
    for irrelevant in ("out", "log_every", "save_every"):
        table.pop(irrelevant)
    plain: dict[str, Any] = json.loads(json.dumps(table, default=str))
    return plain


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
