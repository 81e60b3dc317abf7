"""Folder of a training run: its lock, its log, and the saved state from which it resumes exactly."""

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
from alm_bench.core.files import LOCK, PID, lock_folder, replace_atomically, translate_write_errors, write_atomically
from alm_bench.mellow.checkpoint import CONFIG as NETWORK
from alm_bench.mellow.checkpoint import TOKENIZER, WEIGHTS, read_torch_file, write_tensors
from alm_bench.mellow.config import MellowConfig
from alm_bench.train.config import TrainConfig
from alm_bench.train.objectives import load_objective_classes

LOG, CONFIG, LAST, BEST, EXPORTED = "log.jsonl", "config.json", "last", "best", "exported"
"""Names of files and subfolders in the folder of a run."""

STATE, VALUES = "state", "state.json"
"""Folder of the saved state, and its file of values."""
TENSORS = ("tensors-0.safetensors", "tensors-1.safetensors")
"""Files of the saved tensors. `state.json` names the current one; the next save writes the other."""

OLDER_STATE_FOLDERS = ("state", "state.new", "state.old")
"""Folders in which the first version of this program stored states."""
OLDER_STATE_FILES = ("tensors.pt", "position.json")
"""Files of a state of the first version. They are still read, and removed at the next save."""

_MELLOW = (NETWORK, WEIGHTS, TOKENIZER)
OWN_FILES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OLDER_STATE_FOLDERS, (VALUES, *TENSORS, *OLDER_STATE_FILES, NETWORK, TOKENIZER)),
    **dict.fromkeys((BEST, LAST, EXPORTED), _MELLOW),
    "tensorboard": ("events.out.tfevents.*",),
    ".": ("loss.png", "README.md", "held_out.jsonl", "rows.png"),
}
"""File patterns, by folder, of the files that a run writes in addition to its config and log. No other file is ever
removed."""


@dataclass(slots=True)
class Position:
    """Position of the next step in a training run."""

    stage: int = 0
    """Index of the stage."""

    step: int = 0
    """Index of the step within the stage."""

    best: float | None = None
    """Lowest validation loss in the last stage so far, None before its first validation."""


def get_random_state() -> dict[str, Any]:
    """Return the states of the random generators of torch, Python and the GPUs."""
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore the states that `get_random_state` returned."""
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    for device, cuda in zip(range(torch.cuda.device_count()), state.get("cuda", ()), strict=False):
        torch.cuda.set_rng_state(cuda, device)


class TrainingFolder:
    """Folder of a training run. It contains `config.json`, `log.jsonl` (one line per logged step), `state/` (the state
    to resume from), and the Mellow folders `last/` and `best/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self, config: TrainConfig, fresh: bool) -> Iterator[None]:
        """Context manager that locks the folder against other processes and prepares it for a run of `config`.

        `fresh`: remove the files of an existing run first. Raises UsageError if the folder contains something else or a
        run of another config, and StoreError if another process has locked it or it cannot be written.
        """
        self._check_config(config, fresh)
        fresh = fresh and self.path.is_dir()  # without a folder there is nothing to remove
        with lock_folder(self.path):
            self._check_config(config, fresh)
            if fresh:
                self._remove_run()
            self._remove_leftovers()
            if fresh or not (self.path / LOG).is_file():
                write_atomically(self.path / LOG, "")
            write_atomically(self.path / CONFIG, json.dumps(_convert_recipe_to_table(config), indent=1) + "\n")
            yield

    def _check_config(self, config: TrainConfig, fresh: bool) -> None:
        """Check that `config` may be trained or restarted in this folder. Raises UsageError otherwise."""
        with translate_write_errors(self.path):
            there = {entry.name for entry in self.path.iterdir()} - {LOCK, PID} if self.path.is_dir() else set()
        stored_table = read_config_table(self.path) if CONFIG in there else None
        if fresh and self.path.is_dir() and (stored_table is None or LOG not in there):
            found = f"holds no training run (its {CONFIG} and {LOG})" if there else "is empty"
            raise UsageError(
                f"{self.path} {found}, and --fresh removes nothing else: leave out --fresh, or name another --out"
            )
        if stored_table is None:
            empty_log = LOG in there and (self.path / LOG).stat().st_size == 0
            ours = {name for name in (*OWN_FILES, *OWN_FILES["."], LOG) if name in there}
            if ours := ours - ({LOG} if empty_log else set()):
                raise UsageError(
                    f"{self.path} holds {', '.join(sorted(ours))}, but no {CONFIG} of a training run, and nothing "
                    "there is overwritten: name another --out, or move these away"
                )
        elif not fresh and (
            different_keys := sorted(_find_differences(stored_table, _convert_recipe_to_table(config)))
        ):
            raise UsageError(
                f"{self.path} holds a training run of another config; it differs in {', '.join(different_keys[:6])}: "
                "use that config, name another --out, or start over with --fresh"
            )

    def _remove_run(self) -> None:
        """Remove all files of a run except its config and log, the state first. Folders that are empty afterwards are
        removed."""
        with translate_write_errors(self.path):
            for name, patterns in OWN_FILES.items():
                folder = self.path / name
                for file in [file for pattern in patterns for file in folder.glob(pattern)]:
                    file.unlink()
                if name != "." and folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def _remove_leftovers(self) -> None:
        """Remove temporary files of a killed process.

        The first version of this program moved weights while saving. If it was killed during the move, the weights are
        restored.
        """
        with translate_write_errors(self.path):
            for name in (BEST, LAST):
                for part in (*self.path.glob(f".{name}.*/new"), *self.path.glob(f".{name}.*/old")):
                    if not (self.path / name).exists() and all((part / file).is_file() for file in _MELLOW):
                        part.rename(self.path / name)
            for name in (STATE, BEST, LAST):
                folder = self.path / name
                patterns = [f".{file}.*" for file in OWN_FILES[name]]
                for file in [file for pattern in (*patterns, ".tmp??????") for file in folder.glob(pattern)]:
                    file.unlink()

    def read_precision(self) -> Any:
        """Return the precision of the run that is stored in the folder, None if there is none."""
        return (read_config_table(self.path) or {}).get("precision")

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append a line to the log. Numbers that are not finite, such as a gradient norm that overflowed in fp16,
        become null."""
        non_finite_keys = {key for key, value in entry.items() if isinstance(value, float) and not isfinite(value)}
        finite = {key: None if key in non_finite_keys else value for key, value in entry.items()}
        with translate_write_errors(self.path / LOG), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """Return the complete lines of the log as dicts. Raises StoreError for a line that is not from a training
        log."""
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

    def truncate_log(self, position: Position) -> None:
        """Remove the log lines of steps from `position` on. These steps are not in the saved state and are repeated."""
        kept = [entry for entry in self.read_log() if (entry["stage"], entry["step"]) < (position.stage, position.step)]
        write_atomically(self.path / LOG, "".join(json.dumps(entry) + "\n" for entry in kept))

    def save_network_config(self, network: MellowConfig, tokenizer: Tokenizer) -> None:
        """Save the network's config and tokenizer with the state, so that the weights can be exported without the files
        that the recipe names."""
        write_atomically(self.path / STATE / NETWORK, network.to_json())
        write_atomically(self.path / STATE / TOKENIZER, tokenizer.to_str())

    def save(self, position: Position, values: Mapping[str, Any]) -> None:
        """Replace the saved state. Raises StoreError.

        The tensors are written first, into the file that the older state does not use. The replacement of `state.json`
        then makes the new state valid, atomically.
        """
        state = self.path / STATE
        name = TENSORS[0] if self._find_current_tensors_file() == TENSORS[1] else TENSORS[1]
        tensors: dict[str, Tensor] = {}
        entry = {"position": asdict(position), "tensors": name, "values": _extract_tensors(values, "", tensors, {})}
        with replace_atomically(state / name) as temporary:
            write_tensors(temporary, tensors, {"position": json.dumps(asdict(position))})
        with translate_write_errors(self.path / LOG), (self.path / LOG).open("a") as file:
            os.fsync(file.fileno())  # the log lines of all saved steps must be on disk before the state
        write_atomically(state / VALUES, json.dumps(entry))
        with translate_write_errors(self.path):
            (state / TENSORS[1 - TENSORS.index(name)]).unlink(missing_ok=True)
            for folder in OLDER_STATE_FOLDERS:
                for older in OLDER_STATE_FILES:
                    (self.path / folder / older).unlink(missing_ok=True)

    def _find_current_tensors_file(self) -> str | None:
        """Return the name of the current file of tensors, None if no state is saved."""
        path = self.path / STATE / VALUES
        return str(_read_object(path).get("tensors")) if path.is_file() else None

    def load_state(self) -> tuple[Position, dict[str, Any]] | None:
        """Return the saved state as its position and values, None if there is none. Executes no code of its files.
        Raises StoreError or CheckpointError."""
        state = self.path / STATE
        if not (state / VALUES).is_file():
            return self._load_older_state()
        while True:
            text = (state / VALUES).read_bytes()
            try:
                return _read_state(state)
            except FileNotFoundError as error:
                # If state.json has changed, a running training has saved its next state meanwhile: read again.
                if (state / VALUES).read_bytes() == text:
                    raise StoreError(f"{state}: the tensors that {VALUES} names are not there") from error

    def _load_older_state(self) -> tuple[Position, dict[str, Any]] | None:
        """Return the newest complete state that the first version of this program saved, None if there is none. A
        folder may contain two states, if the run was killed during a save."""
        whole = []
        for folder in (self.path / name for name in OLDER_STATE_FOLDERS):
            if all((folder / name).is_file() for name in OLDER_STATE_FILES):
                try:
                    position = Position(**_read_object(folder / OLDER_STATE_FILES[1]))
                except TypeError as error:
                    raise StoreError(
                        f"{folder / OLDER_STATE_FILES[1]} is no position of a training run: {error}"
                    ) from error
                whole.append(((position.stage, position.step), position, folder / OLDER_STATE_FILES[0]))
        if not whole:
            return None
        _, position, file = max(whole, key=lambda item: item[0])
        values = read_torch_file(file)
        if not isinstance(values, dict):
            raise StoreError(f"{file} is no state of a training run: found {type(values).__name__}")
        return position, values


@contextmanager
def translate_state_errors(run: Path) -> Iterator[None]:
    """Context manager that turns torch's errors for a state that does not fit the network or the optimiser into a
    StoreError with a message of one line.
    """
    try:
        yield
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"the state in {run / STATE} does not fit its run ({describe_error(error)[:200]}): restore it, or start "
            "over with --fresh"
        ) from error


# --- values and their tensors ---


def _extract_tensors(value: Any, path: str, tensors: dict[str, Tensor], names: dict[Any, str]) -> Any:
    """Return `value` in a form that can be stored as JSON and read by `_insert_tensors`. Its tensors are added to
    `tensors`, by path.

    A tensor that occurs twice, such as tied weights, is stored once: `names` maps stored tensors to their paths.
    """
    if isinstance(value, Tensor):
        place = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
        if place not in names:
            names[place] = path
            tensors[path] = value.detach().cpu().contiguous()
        return {"tensor": names[place]}
    if isinstance(value, Mapping):
        items = [
            [key, _extract_tensors(item, f"{path}/{key}".lstrip("/"), tensors, names)] for key, item in value.items()
        ]
        return {"mapping": items}
    if isinstance(value, list | tuple):
        items = [_extract_tensors(item, f"{path}/{number}", tensors, names) for number, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a training state cannot hold {path}, of type {type(value).__name__}")


def _insert_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Invert `_extract_tensors`. `tensors`: the stored tensors by path."""
    if isinstance(value, list):
        return [_insert_tensors(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_insert_tensors(item, tensors) for item in content)
    if kind == "mapping":
        return {key: _insert_tensors(item, tensors) for key, item in content}
    raise ValueError(f"unknown kind of value {kind!r}")


def _read_state(state: Path) -> tuple[Position, dict[str, Any]]:
    """Read a saved state as its position and values. Raises StoreError, and FileNotFoundError if the file of tensors is
    missing."""
    entry = _read_object(state / VALUES)
    try:
        position = Position(**entry["position"])
        name = TENSORS[TENSORS.index(entry["tensors"])]
        with safe_open(state / name, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
            written, expected = (file.metadata() or {}).get("position"), json.dumps(entry["position"])
        if written != expected:
            raise ValueError(f"its tensors are of {written}, its values of {expected}")
        values: dict[str, Any] = _insert_tensors(entry["values"], tensors)
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise StoreError(
            f"{state} is no whole state of a training run ({describe_error(error)}): restore it, or start over "
            "with --fresh"
        ) from error
    return position, values


def _read_object(path: Path) -> dict[str, Any]:
    """Read a file with a JSON object. Raises StoreError."""
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
    """Return the recipe that is stored in a run's folder, as a dict. Returns None if `config.json` is missing or
    belongs to something else than a training run."""
    try:
        table = _read_object(path / CONFIG)
    except StoreError:
        return None
    return table if {"name", "model", "data", "stage"} <= table.keys() else None


def _convert_recipe_to_table(config: TrainConfig) -> dict[str, Any]:
    """Return a recipe as a JSON object, with the versions of its objectives, without the settings that do not affect
    the steps."""
    table = asdict(config)
    registry = load_objective_classes()
    for stage, settings in zip(table["stage"], config.stage, strict=True):
        plugins = registry.get(settings.objective).describe_plugins(settings)
        stage["objective_version"] = (
            "; ".join(filter(None, (registry.versions.get(settings.objective), plugins))) or None
        )
    for irrelevant in ("out", "log_every", "save_every"):
        table.pop(irrelevant)
    plain: dict[str, Any] = json.loads(json.dumps(table, default=str))
    return plain


def _find_differences(a: Any, b: Any, key_prefix: str = "") -> set[str]:
    """Return the dotted keys at which two JSON values differ. `key_prefix`: dotted key of both values in the whole
    document."""
    if isinstance(a, dict) and isinstance(b, dict):
        return {
            found
            for key in {*a, *b}
            for found in _find_differences(a.get(key), b.get(key), f"{key_prefix}.{key}".lstrip("."))
        }
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return {
            found
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for found in _find_differences(x, y, f"{key_prefix}.{i}")
        }
    # A setting that an older version did not have is empty in this version.
    return set() if a == b or not (a or b) else {key_prefix}
