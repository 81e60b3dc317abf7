"""A training recipe as data: a short TOML file, read into frozen dataclasses, changed by `--set key=value`."""

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
from alm_bench.core.errors import known_first

CONFIGS = Path(__file__).parent / "configs"

OUT = Path("results/training")
"""Default folder of the runs' folders."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""A run's name, which is that of its folder."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """One source of rows."""

    file: str
    """ReasonAQA-format JSON, `demo` for the demo world, or a .csv or .tsv file in AudioSet's layout with tags of clips,
    for stages that train an encoder."""

    root: Path | None = None
    """Folder that the rows' paths are relative to."""

    classes: Path | None = None
    """Class file of a tag file, in the order of the encoder's outputs."""

    split: str = "train"
    """Split of the demo world."""

    rows: int | None = None
    """Largest number of rows (file) or number of rows (demo)."""

    weight: float = 1.0
    """Relative share of the source among the drawn rows."""

    subtypes: tuple[str, ...] = ()
    """Parts to use, compared case-folded; empty for all."""

    without: tuple[str, ...] = ()
    """Patterns such as `*mcq*` of parts to leave out."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network and its initial weights."""

    init: str | None = None
    """Checkpoint, as `--model-arg checkpoint` takes it; None for a new network."""

    network: str = "published"
    """Shape of a new network: `published`, `mini`, or a folder with config.json and tokenizer."""

    lm: Literal["random", "smollm2", "gpt2"] = "random"
    """Initial weights of a new network's language model."""

    encoder: Path | None = None
    """AudioSet checkpoint with initial weights of a new network's encoder."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the shape; an encoder of another kind starts from that kind's defaults."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of training."""

    name: str
    """Name for logs and files."""

    objective: str
    """Name of an objective in `alm_bench.train.objectives`."""

    objective_version: str | None = field(default=None, kw_only=True)
    """Version of an objective that an installed package defines, as it is noted in the folder of a training."""

    train: tuple[str, ...]
    """Prefixes of the parameters to train (`encoder`, `mapper`, `lm`, `encoder.tscam_conv`); the rest is frozen."""

    lr: float
    """Peak learning rate."""

    steps: int | None = None
    """Number of optimiser steps; give this or `epochs`."""

    epochs: int | None = None
    """Number of passes over the rows."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """Relative shares of parts of the data (ReasonAQA's subtypes; patterns such as `acd-*`); parts not named are not
    drawn. Empty: every row is equally likely."""

    curriculum: float = 0.0
    """Share of the steps during which rows progress from easy to hard, by their `difficulty`."""

    batch: int = 32
    """Rows per optimiser step."""

    accumulate: int = 1
    """Number of micro-batches that a step is split into."""

    optimizer: Literal["adam", "adamw"] = "adamw"
    """Name of the optimiser."""

    weight_decay: float = 0.01
    """Weight decay."""

    betas: tuple[float, ...] = (0.9, 0.98)
    """Decay rates of Adam's moments."""

    schedule: Literal["cosine", "cosine_epoch", "constant"] = "cosine"
    """Learning rate schedule."""

    warmup: float = 0.05
    """Share of the steps during which the learning rate rises."""

    clip: float = 1.0
    """Largest gradient norm; 0 for the published rule, which starts at 0.5 and follows the history of norms."""

    silent: bool = False
    """Replace every clip by zeros, for the text-only ablation."""

    spec_augment: bool = False
    """Mask bands of time and frequency."""

    random_crop: bool = False
    """Crop long clips anew each time, which no cache can hold."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Low-rank adapters (arXiv 2106.09685) of the language model."""

    r: int
    """Rank."""

    alpha: int
    """Scale; the update is multiplied by alpha / r."""

    dropout: float = 0.1
    """Dropout probability before the adapters."""

    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of the adapted modules; the published code adapts queries and values, the paper says queries and keys."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A training recipe."""

    name: str
    """Name of the run and its folder."""

    model: ModelConfig
    """Network and initial weights."""

    data: tuple[DataConfig, ...]
    """Training data."""

    stage: tuple[StageConfig, ...]
    """Stages, in order."""

    validation: tuple[DataConfig, ...] = ()
    """Validation data."""

    lora: LoraConfig | None = None
    """LoRA adapters, trained in addition by stages whose objective trains them."""

    seed: int = 0
    """Seeds everything that is random."""

    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """Mixed precision: `auto` selects bf16 if a short measurement at the start finds it faster than float32, else `no`,
    which is float32 throughout."""

    missing_audio: Literal["error", "skip"] = "error"
    """Stop at missing clips, or leave their rows out."""

    log_every: int = 10
    """Steps between log entries."""

    validate_every: int = 0
    """Steps between validations; 0: only at the end of a stage."""

    answer_every: int = 0
    """Steps between generating answers to validation rows; the share of exact matches is logged per part."""

    answer_rows: int = 200
    """Largest number of rows answered then."""

    save_every: int = 100
    """Steps between saved states."""

    ema: float = 0.0
    """Decay of a moving average of the weights, which is then validated and kept; 0 for none."""

    gradient_checkpointing: bool = False
    """Recompute the language model's activations instead of storing them."""

    out: Path = OUT
    """Folder of the runs' folders."""

    trained_on: tuple[str, ...] = ()
    """Domains of the training data, recorded with the weights."""

    def __post_init__(self) -> None:
        """Check the run's name. Raises UsageError if it cannot name a folder below `out`."""
        if not NAME.fullmatch(self.name):
            raise UsageError(
                f"a training run cannot be named {self.name!r}: expected up to 100 ASCII letters, digits and . - _, "
                "no dot first; change it with --set name=..."
            )


def load_config(name: str, changes: Mapping[str, str] | None = None) -> TrainConfig:
    """A config by file, or by the name of one that ships. Raises UsageError, one line, for anything it cannot mean."""
    path = _file(name)
    table = _read_table(path)
    table.setdefault("name", path.stem)
    for key, text in (changes or {}).items():
        _apply_override(table, key, text)
    config: TrainConfig = _build(TrainConfig, table, str(path))
    for key in ("stage", "data"):
        if not getattr(config, key):
            raise UsageError(f"{path}: {key} is empty, a recipe has at least one [[{key}]]")
    for number, stage in enumerate(config.stage):
        _check_stage(stage, f"{path}: stage.{number}")
    if not 0 <= config.ema < 1:
        raise UsageError(f"{path}: ema takes a decay of 0 (none) to below 1, found {config.ema:g}")
    return config


def config_of_table(table: Mapping[str, Any], where: str) -> TrainConfig:
    """The recipe that a run's folder holds as JSON, where null stands for what was not set. Raises UsageError."""
    config: TrainConfig = _build(TrainConfig, _without_nulls(table), where)
    return config


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _check_stage(stage: StageConfig, where: str) -> None:
    for part, share in stage.mix.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or share <= 0:
            raise UsageError(f"{where}.mix takes shares above 0, found {part} = {share!r}")
    if not 0 <= stage.curriculum <= 1:
        raise UsageError(f"{where}.curriculum takes a share of the steps, 0 to 1, found {stage.curriculum:g}")


def _file(name: str) -> Path:
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.is_file():
        shipped = [file.stem for file in CONFIGS.glob("*.toml")]
        raise UsageError(f"no training config {name!r}; known besides a .toml file: {known_first(name, shipped)}")
    return path


def _read_table(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a file's table, merged over that of its `base` (a shipped config or a file), if it names one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    base = table.pop("base", None)
    if base is None:
        return table
    file = _file(str(base))
    if file in (*above, path):
        raise UsageError(f"{path}: its base {base!r} is based on it in turn")
    under = _read_table(file, (*above, path))
    under.pop("name", None)
    return _merge_tables(under, table)


def _merge_tables(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `own` into `base`: tables are merged, lists of tables item by item, everything else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge_tables(old, value)
        elif _tables(old) and _tables(value) and len(value) == len(merged[key]):
            merged[key] = [_merge_tables(a, b) for a, b in zip(merged[key], value, strict=True)]
        else:
            merged[key] = value
    return merged


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _apply_override(table: dict[str, Any], key: str, text: str) -> None:
    """Apply an override such as `stage.0.steps=10`: list items by number; the value is parsed as TOML, else taken as
    text."""
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


def _build(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise UsageError(f"{where}: unknown key {key!r}; known: {known_first(key, fields)}")
    for key, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and key not in values:
            raise UsageError(f"{where}: the key {key!r} is missing")
    return cls(**{key: _value(value, hints[key], f"{where}: {key}") for key, value in values.items()})


def _value(value: Any, kind: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _value(value, next(a for a in arguments if a is not type(None)), where)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_value(item, arguments[0], f"{where}.{i}") for i, item in enumerate(value))
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _build(typing.cast(type[Any], kind), value, where)
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
    raise UsageError(f"{where} takes {expected}, found {value!r}")
