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
"""The folder of runs' folders, where none is named."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""A run's name, which is that of its folder."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """One source of rows. `file` is ReasonAQA-format JSON, or `demo` for the demo world's rows of `split`.

    A .csv or .tsv file in AudioSet's layout has tags of clips, for stages that train an encoder; `classes` is its
    class file, in the order of the encoder's outputs. `root` is the folder that the rows' paths are below. `rows`
    limits (file) or sets (demo) their number. `weight` is the source's share of the draws. `subtypes`, matched
    case-folded, keeps only those parts; `without`, patterns like `*mcq*`, leaves parts out.
    """

    file: str
    root: Path | None = None
    classes: Path | None = None
    split: str = "train"
    rows: int | None = None
    weight: float = 1.0
    subtypes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network and its initial weights. `init`: a checkpoint as `--model-arg checkpoint` takes it, or none for a
    new network.

    `network` is `published`, `mini`, or a folder with the shape (config.json) and tokenizer of a new network; `config`
    changes the shape (an encoder of another kind starts from that kind's defaults); `lm` and `encoder`, the latter an
    AudioSet checkpoint, are weights for a new network's parts.
    """

    init: str | None = None
    network: str = "published"
    lm: Literal["random", "smollm2", "gpt2"] = "random"
    encoder: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage: which parts train on which objective (a name of `alm_bench.train.objectives`), and for how long.

    `train` names parameters by prefix (`encoder`, `mapper`, `lm`, `encoder.tscam_conv`); the rest is frozen.
    `steps` optimiser steps, or `epochs` passes over the rows. `mix` gives shares of the draws to parts of the data
    (ReasonAQA's subtypes; patterns like `acd-*`); parts that it leaves out are not drawn; empty, every row is drawn
    alike. `curriculum` is the share of the steps over which rows come from easy to hard, by their `difficulty`.
    `clip` is a norm, or 0 for the published rule, which starts at 0.5 and follows the history of norms.
    `spec_augment` masks bands of time and frequency; `random_crop` cuts clips that are too long anew each time, which
    no cache can hold. `silent` trains the text-only ablation: every clip is zeros.
    """

    name: str
    objective: str
    train: tuple[str, ...]
    lr: float
    steps: int | None = None
    epochs: int | None = None
    mix: Mapping[str, float] = field(default_factory=dict)
    curriculum: float = 0.0
    batch: int = 32
    accumulate: int = 1
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, ...] = (0.9, 0.98)
    schedule: Literal["cosine", "cosine_epoch", "constant"] = "cosine"
    warmup: float = 0.05
    clip: float = 1.0
    silent: bool = False
    spec_augment: bool = False
    random_crop: bool = False


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Low-rank adapters (arXiv 2106.09685) on the language model's modules named in `targets`.

    The published code adapts queries and values; the paper says queries and keys.
    """

    r: int
    alpha: int
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "v_proj")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole recipe. With `lora`, stages on answers train its adapters beside what they name.

    `ema` above 0 is the decay of a moving average of the weights, which is then what is validated and kept.
    `gradient_checkpointing` computes the language model's activations twice instead of keeping them.
    `precision` is that of mixed-precision products: `auto` takes bf16 where a short measurement at the start finds the
    processor or GPU faster in it than in float32, else `no`, which is float32 throughout.
    `answer_every` steps the network answers up to `answer_rows` validation rows; the share it answers word for word is
    logged by part.
    """

    name: str
    model: ModelConfig
    data: tuple[DataConfig, ...]
    stage: tuple[StageConfig, ...]
    validation: tuple[DataConfig, ...] = ()
    lora: LoraConfig | None = None
    seed: int = 0
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    missing_audio: Literal["error", "skip"] = "error"
    log_every: int = 10
    validate_every: int = 0
    answer_every: int = 0
    answer_rows: int = 200
    save_every: int = 100
    ema: float = 0.0
    gradient_checkpointing: bool = False
    out: Path = OUT
    trained_on: tuple[str, ...] = ()

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
    table = _read(path)
    table.setdefault("name", path.stem)
    for key, text in (changes or {}).items():
        _set(table, key, text)
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


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file's table over that of the shipped config or file it names as its `base`, which may have one itself."""
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
    under = _read(file, (*above, path))
    under.pop("name", None)
    return _merged(under, table)


def _merged(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `base`; tables merge, lists of tables merge item by item, everything else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        elif _tables(old) and _tables(value) and len(value) == len(merged[key]):
            merged[key] = [_merged(a, b) for a, b in zip(merged[key], value, strict=True)]
        else:
            merged[key] = value
    return merged


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _set(table: dict[str, Any], key: str, text: str) -> None:
    """`stage.0.steps=10`: the path of a key, list items by number; the value as TOML reads it, else as text."""
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
