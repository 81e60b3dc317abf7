"""Training recipes: short TOML files that are read into frozen dataclasses and changed with `--set key=value`."""

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from alm_bench.core import UsageError
from alm_bench.core.errors import rank_names
from alm_bench.train.parts_config import PartsConfig

CONFIGS = Path(__file__).parent / "configs"
"""Folder of the bundled recipes."""

OUT = Path("results/training")
"""Default parent folder of the runs' folders."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""Pattern of a run's name, which is also the name of its folder."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """A source of training data, one `[[data]]` table of a recipe."""

    file: str
    """Source of the rows: a JSON file in the format of ReasonAQA, `demo` for the synthetic demo data, or a .csv or .tsv
    file with labels in AudioSet's layouts, for stages that train an encoder."""

    root: Path | None = None
    """Folder to which the audio paths in the rows are relative."""

    classes: Path | None = None
    """Class file for a file of labels. It lists the classes in the order of the encoder's outputs."""

    split: str = "train"
    """Split of the demo data."""

    rows: int | None = None
    """Maximum number of rows of a JSON file (default: all), or number of rows of demo data to generate (default:
    20,000)."""

    weight: float = 1.0
    """Sampling weight of each row, relative to rows of other sources."""

    subtypes: tuple[str, ...] = ()
    """Parts (subtypes) of the data to use, compared without regard to case. Empty: all."""

    without: tuple[str, ...] = ()
    """Patterns of parts to exclude, for example `*mcq*`."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Network and its initial weights."""

    init: str | None = None
    """Checkpoint to start from, in the form of `--model-arg checkpoint`. None for a new network."""

    network: str = "published"
    """Shape of a new network: `published`, `mini`, or a folder with config.json and tokenizer.json."""

    lm: Literal["random", "smollm2", "gpt2"] = "random"
    """Initial weights of a new network's language model."""

    encoder: Path | None = None
    """AudioSet checkpoint with the initial weights of a new network's encoder."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the shape of a new network. An encoder of another kind starts from the defaults of that kind."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of training."""

    name: str
    """Name of the stage in logs and plots."""

    objective: str
    """Name of a training objective in `alm_bench.train.objectives`, or of one that an installed package defines."""

    objective_version: str | None = field(default=None, kw_only=True)
    """Version of an objective that an installed package defines. It is stored in the folder of a run."""

    train: tuple[str, ...]
    """Prefixes of the parameters to train (`encoder`, `mapper`, `lm`, `encoder.tscam_conv`). All others are frozen."""

    lr: float
    """Peak learning rate."""

    steps: int | None = None
    """Number of optimiser steps. A recipe gives either this or `epochs`."""

    epochs: int | None = None
    """Number of passes over the rows, if `steps` is not given. Default: 1."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Relative sampling shares by part of the data. A key is a subtype of ReasonAQA or a pattern such as `acd-*`; parts
    that match no key are not used. Empty: rows are sampled by the weights of their sources.
    """

    curriculum: float = 0.0
    """Share of the steps, 0 to 1, during which rows progress from easy to hard, by their `difficulty`. 0: no
    curriculum."""

    batch: int = 32
    """Number of rows per optimiser step."""

    accumulate: int = 1
    """Number of micro-batches into which a step is split."""

    optimizer: Literal["adam", "adamw"] = "adamw"
    """Optimiser."""

    weight_decay: float = 0.01
    """Weight decay of the optimiser."""

    betas: tuple[float, ...] = (0.9, 0.98)
    """Decay rates of Adam's moment estimates."""

    schedule: Literal["cosine", "cosine_epoch", "constant"] = "cosine"
    """Learning rate schedule, see `alm_bench.train.schedule`."""

    warmup: float = 0.05
    """Share of the steps during which the learning rate rises linearly."""

    clip: float = 1.0
    """Maximum gradient norm. 0 selects the published rule: the limit starts at 0.5 and is then the mean of recent
    norms."""

    silent: bool = False
    """Replace all clips by silence, for the text-only ablation."""

    spec_augment: bool = False
    """Mask random bands of time and frequency (SpecAugment)."""

    parts: PartsConfig | None = None
    """Settings of the objective `parts`, the table `[stage.parts]`. Default: those of `PartsConfig`."""

    random_crop: bool = False
    """Crop long clips at a new random position at each step. Log-mels are then not cached."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Low-rank adapters (LoRA, arXiv 2106.09685) of the language model."""

    r: int
    """Rank of the update."""

    alpha: int
    """Scale of the update, which is multiplied by alpha / r."""

    dropout: float = 0.1
    """Dropout probability of the adapters' input."""

    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of the adapted modules. The published code adapts queries and values; the paper states queries and keys."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A training recipe."""

    name: str
    """Name of the run and of its folder."""

    model: ModelConfig
    """Network and initial weights."""

    data: tuple[DataConfig, ...]
    """Sources of the training data."""

    stage: tuple[StageConfig, ...]
    """Stages, in order."""

    validation: tuple[DataConfig, ...] = ()
    """Sources of the validation data."""

    lora: LoraConfig | None = None
    """LoRA adapters. They are trained by stages whose objective supports it, in addition to the stage's parameters."""

    seed: int = 0
    """Seed of all random numbers."""

    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """Mixed precision. `no` is float32. `auto` selects bf16 if a short measurement at the start finds it faster than
    float32, else `no`."""

    missing_audio: Literal["error", "skip"] = "error"
    """Behaviour if audio files are missing: `error` stops, `skip` leaves out the rows that need them."""

    log_every: int = 10
    """Number of steps between log entries."""

    validate_every: int = 0
    """Number of steps between validations. 0: only at the end of a stage."""

    answer_every: int = 0
    """Number of steps between generations of answers to validation rows, whose share of exact matches is logged per
    part. 0: never."""

    answer_rows: int = 200
    """Maximum number of validation rows that are answered each time."""

    save_every: int = 100
    """Number of steps between saved states."""

    ema: float = 0.0
    """Decay of an exponential moving average of the weights, which is then validated and saved. 0: no average."""

    gradient_checkpointing: bool = False
    """Recompute the language model's activations in the backward pass instead of storing them."""

    out: Path = OUT
    """Parent folder of the runs' folders."""

    trained_on: tuple[str, ...] = ()
    """Domains of the training data, stored with the weights."""

    def __post_init__(self) -> None:
        """Check the run's name. Raises UsageError if it cannot be the name of a folder below `out`."""
        if not NAME.fullmatch(self.name):
            raise UsageError(
                f"a training run cannot be named {self.name!r}: expected up to 100 ASCII letters, digits and . - _, "
                "no dot first; change it with --set name=..."
            )


def load_config(name: str, changes: Mapping[str, str] | None = None) -> TrainConfig:
    """Load a recipe from a .toml file, or a bundled recipe by name. `changes`: new values by dotted key, as in `--set`.
    Raises UsageError, with a message of one line, for an invalid recipe."""
    path = _find_recipe(name)
    table = _read_table(path)
    table.setdefault("name", path.stem)
    for key, text in (changes or {}).items():
        _apply_override(table, key, text)
    config: TrainConfig = _build_dataclass(TrainConfig, table, str(path))
    for key in ("stage", "data"):
        if not getattr(config, key):
            raise UsageError(f"{path}: {key} is empty, a recipe has at least one [[{key}]]")
    for number, stage in enumerate(config.stage):
        _check_stage(stage, f"{path}: stage.{number}")
    if not 0 <= config.ema < 1:
        raise UsageError(f"{path}: ema takes a decay of 0 (none) to below 1, found {config.ema:g}")
    return config


def build_config(table: Mapping[str, Any], source: str) -> TrainConfig:
    """Create a recipe from the JSON object in a run's folder. The value null marks a setting that was not given.

    Raises UsageError.
    """
    config: TrainConfig = _build_dataclass(TrainConfig, _drop_nulls(table), source)
    return config


def _drop_nulls(value: Any) -> Any:
    """Return a JSON value without the keys whose value is null."""
    if isinstance(value, Mapping):
        return {key: _drop_nulls(item) for key, item in value.items() if item is not None}
    return [_drop_nulls(item) for item in value] if isinstance(value, list) else value


def _check_stage(stage: StageConfig, location: str) -> None:
    """Check the ranges of a stage's settings. Raises UsageError."""
    for part, share in stage.mix.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or share <= 0:
            raise UsageError(f"{location}.mix takes shares above 0, found {part} = {share!r}")
    if not 0 <= stage.curriculum <= 1:
        raise UsageError(f"{location}.curriculum takes a share of the steps, 0 to 1, found {stage.curriculum:g}")


def _find_recipe(name: str) -> Path:
    """Return the path of a recipe. Raises UsageError if there is none."""
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.is_file():
        bundled = [file.stem for file in CONFIGS.glob("*.toml")]
        raise UsageError(f"no training config {name!r}; known besides a .toml file: {rank_names(name, bundled)}")
    return path


def _read_table(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read the table of a recipe. If it names a `base` (a bundled recipe or a file), it is merged over the base's
    table. `above`: files that are based on this one. Raises UsageError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    base = table.pop("base", None)
    if base is None:
        return table
    file = _find_recipe(str(base))
    if file in (*above, path):
        raise UsageError(f"{path}: its base {base!r} is based on it in turn")
    base_table = _read_table(file, (*above, path))
    base_table.pop("name", None)
    return _merge_tables(base_table, table)


def _merge_tables(base: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `overrides` into `base`. Tables are merged recursively, lists of tables of equal length item by item. All
    other values are replaced."""
    merged = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge_tables(old, value)
        elif _is_table_list(old) and _is_table_list(value) and len(value) == len(merged[key]):
            merged[key] = [_merge_tables(a, b) for a, b in zip(merged[key], value, strict=True)]
        else:
            merged[key] = value
    return merged


def _is_table_list(value: Any) -> bool:
    """Return True for a list of tables that is not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _apply_override(table: dict[str, Any], key: str, text: str) -> None:
    """Apply an override such as `stage.0.steps=10` to `table`. Numbers in the key are indices of lists. The value is
    parsed as TOML; if that fails, it is used as text. Raises UsageError."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.split(".")
    place: Any = table
    for part in parents:
        if isinstance(place, list) and not (part.isdecimal() and int(part) < len(place)):
            raise UsageError(f"--set {key}: there is no item {part} among the {len(place)}, counted from 0")
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if not isinstance(place, dict):
        raise UsageError(f"--set {key}: {parents[-1]} is no table, it takes a number and a key: stage.0.steps=10")
    place[last] = value


def _build_dataclass(cls: type[Any], values: Mapping[str, Any], location: str) -> Any:
    """Create a dataclass, including nested ones, from the values of a table. Raises UsageError for unknown and missing
    keys and for wrong values."""
    hints = typing.get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise UsageError(f"{location}: unknown key {key!r}; known: {rank_names(key, fields)}")
    for key, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and key not in values:
            raise UsageError(f"{location}: the key {key!r} is missing")
    return cls(**{key: _convert_value(value, hints[key], f"{location}: {key}") for key, value in values.items()})


def _convert_value(value: Any, kind: Any, location: str) -> Any:
    """Convert a value to the type `kind` of a field. Raises UsageError if it has another type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert_value(value, next(a for a in arguments if a is not type(None)), location)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_convert_value(item, arguments[0], f"{location}.{i}") for i, item in enumerate(value))
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _build_dataclass(typing.cast(type[Any], kind), value, location)
    if origin in (Mapping, dict) or kind is Mapping:
        if isinstance(value, Mapping):
            return dict(value)
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind in (int, str, bool) and type(value) is kind:
        return value
    expected = "one of " + ", ".join(map(str, arguments)) if origin is Literal else getattr(kind, "__name__", str(kind))
    raise UsageError(f"{location} takes {expected}, found {value!r}")
