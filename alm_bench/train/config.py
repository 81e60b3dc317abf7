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
from alm_bench.core.errors import format_similar_names
from alm_bench.train.grpo_config import GrpoConfig, find_grpo_problem
from alm_bench.train.parts_config import PartsConfig

CONFIGS = Path(__file__).parent / "configs"
"""Folder of the bundled recipes."""

OWN_DATA = "own-clips"
"""Bundled recipe on which a recipe without stages is based."""

OUT = Path("results/training")
"""Default parent folder of the runs' folders."""

FOLDS = 5
"""Default number of parts of the clips of a folder or a file of questions, one of which is held out."""

OWN_KEYS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("question", "draws", "options"): ("folder",),
    ("map", "kind"): ("questions",),
    ("folds", "fold"): ("folder", "questions"),
}
"""Settings of a source that apply only to some origins, with these origins."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""Pattern of a run's name, which is also the name of its folder."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """A source of training data, one `[[data]]` table of a recipe."""

    file: str = ""
    """Source of the rows: a JSON file in the format of ReasonAQA, `demo` for the synthetic demo data, or a .csv or .tsv
    file with labels in AudioSet's layouts, for stages that train an encoder. A source has either this, `folder` or
    `questions`."""

    folder: Path | None = None
    """Folder of clips with one sub-folder per class, whose name is the label of its clips."""

    questions: str | None = None
    """File of questions in any usual form, or a data set of the hub (`hf:ORG/NAME`): everything that `--tasks` takes as
    a file (docs/own_data.md)."""

    root: Path | None = None
    """Folder to which the audio paths in the rows are relative."""

    question: str | None = None
    """Question about the clips of `folder`. Default: `what makes this sound?`."""

    draws: int | None = None
    """Number of questions about each clip of `folder`, each with other wrong options. Default: 24."""

    options: int | None = None
    """Number of options of a question about a clip of `folder`, at most the number of labels. Default: 4."""

    map: str | None = None
    """Columns of `questions` by role, as `--map` takes them."""

    kind: str | None = None
    """Kind of all `questions`, as `--kind` takes it."""

    folds: int | None = None
    """Number of parts into which the clips of `folder` or `questions` are divided, if the recipe has no
    `[[validation]]`. One part is held out for validation. 1: none is held out. Default: 5."""

    fold: int | None = None
    """Index of the part that is held out, from 0. Default: 0."""

    classes: Path | None = None
    """Class file for a file of labels. It lists the classes in the order of the encoder's outputs."""

    split: str = "train"
    """Split of the demo data."""

    chains: Literal["structured", "free", "answer"] | None = None
    """Style of the answers to multiple-choice questions about demo data: after a chain of thought that is `structured`
    (planning, caption, reasoning and summary, as in SARI) or `free`, or the `answer` alone in its tags. Default: all
    questions with plain answers."""

    prompt: str | None = None
    """Template of the prompts of rows with `chains`, with the fields of `[stage.grpo] prompt`. Default: the plain
    prompt and a sentence that asks for the style."""

    rows: int | None = None
    """Maximum number of rows of a JSON file (default: all), or number of rows of demo data to generate (default:
    20,000)."""

    pass_rates: Path | None = None
    """Table of the rows' pass rates, written by `alm-bench train difficulty`."""

    weight: float = 1.0
    """Sampling weight of each row, relative to rows of other sources."""

    subtypes: tuple[str, ...] = ()
    """Parts (subtypes) of the data to use, compared without regard to case. Empty: all."""

    without: tuple[str, ...] = ()
    """Patterns of parts to exclude, for example `*mcq*`."""

    shortcut: float = 0.0
    """Share, 0 to 1, of the multiple-choice rows of the demo data whose wording leaks the answer."""

    @property
    def name(self) -> str:
        """Name of the source in messages: its file, folder or `demo`."""
        return self.file or self.questions or str(self.folder)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Network and its initial weights."""

    init: str | None = None
    """Checkpoint to start from, in the form of `--model-arg checkpoint`. None for a new network."""

    reset: tuple[str, ...] = ()
    """Prefixes of the parameters of `init` that get new random weights, such as `mapper`."""

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

    drop: tuple[Literal["never", "always"], ...] = ()
    """Rows that are not used, by their measured pass rate: those that are `never` answered right, and those that are
    `always` answered right. Both teach reinforcement learning nothing, because all draws get the same reward."""

    band: tuple[float, ...] = ()
    """Lowest and highest pass rate of the rows that are used, 0 to 1. Empty: all."""

    order: Literal["shuffled", "easy_to_hard"] | None = None
    """Order of the rows over the whole stage: `easy_to_hard` is by falling pass rate. Default: `shuffled`."""

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

    grpo: GrpoConfig | None = None
    """Settings of the objective `grpo`, the table `[stage.grpo]`. Default: those of `GrpoConfig`."""

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
    if "stage" not in table:
        table = _merge_tables(_read_table(CONFIGS / f"{OWN_DATA}.toml"), table)
    table.setdefault("name", path.stem)
    for key, text in (changes or {}).items():
        _apply_override(table, key, text)
    config: TrainConfig = build_dataclass(TrainConfig, table, str(path))
    for key in ("stage", "data"):
        if not getattr(config, key):
            raise UsageError(f"{path}: {key} is empty, a recipe has at least one [[{key}]]")
    for number, stage in enumerate(config.stage):
        _check_stage(stage, f"{path}: stage.{number}")
    for key in ("data", "validation"):
        for number, data in enumerate(getattr(config, key)):
            _check_data(data, f"{path}: {key}.{number}")
    if not 0 <= config.ema < 1:
        raise UsageError(f"{path}: ema takes a decay of 0 (none) to below 1, found {config.ema:g}")
    return config


def build_config(table: Mapping[str, Any], source: str) -> TrainConfig:
    """Create a recipe from the JSON object in a run's folder. The value null marks a setting that was not given.

    Raises UsageError.
    """
    config: TrainConfig = build_dataclass(TrainConfig, _drop_nulls(table), source)
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
    if stage.band and (len(stage.band) != 2 or not 0 <= stage.band[0] <= stage.band[1] <= 1):
        shown = ", ".join(f"{bound:g}" for bound in stage.band)
        raise UsageError(f"{location}.band takes a lowest and a highest pass rate, 0 to 1, found [{shown}]")
    if stage.order == "easy_to_hard" and stage.curriculum:
        raise UsageError(f"{location} has a curriculum and the order easy_to_hard: expected one of them")
    if stage.grpo is not None and stage.objective != "grpo":
        raise UsageError(f"{location} has a table grpo, which is for the objective grpo, not {stage.objective}")
    if stage.grpo is not None and (problem := find_grpo_problem(stage.grpo)) is not None:
        raise UsageError(f"{location}.{problem}")


def _check_data(data: DataConfig, location: str) -> None:
    """Check that a source has exactly one of `file`, `folder` and `questions`, only settings that apply to it, and
    valid values. Raises UsageError."""
    origins = {"file": data.file, "folder": data.folder, "questions": data.questions}
    named = [key for key, value in origins.items() if value]
    if len(named) != 1:
        raise UsageError(f"{location} takes one of {', '.join(origins)}, found {' and '.join(named) or 'none'}")
    for keys, owners in OWN_KEYS.items():
        for key in keys:
            if getattr(data, key) is not None and named[0] not in owners:
                raise UsageError(f"{location}: {key} goes with {' or '.join(owners)}, found with {named[0]}")
    for key, least in (("draws", 1), ("options", 2), ("folds", 1), ("fold", 0)):
        if (value := getattr(data, key)) is not None and value < least:
            raise UsageError(f"{location}: {key} takes a number of at least {least}, found {value}")
    if data.shortcut and data.file != "demo":
        raise UsageError(
            f"{location}: shortcut changes the demo data, found {named[0]} = {data.name!r}: use file = 'demo'"
        )
    if not 0 <= data.shortcut <= 1:
        raise UsageError(f"{location}: shortcut takes a share of the rows, 0 to 1, found {data.shortcut:g}")
    if data.prompt is not None and data.chains is None:
        raise UsageError(f"{location}: prompt goes with chains, found no chains")
    if data.chains is not None and data.file != "demo":
        raise UsageError(f"{location}: chains are written for demo data, found with {data.name}")
    if (data.fold or 0) >= (data.folds or FOLDS):
        raise UsageError(
            f"{location}: fold counts from 0 to {(data.folds or FOLDS) - 1} (folds - 1), found {data.fold}"
        )


def _find_recipe(name: str) -> Path:
    """Return the path of a recipe. Raises UsageError if there is none."""
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.is_file():
        bundled = [file.stem for file in CONFIGS.glob("*.toml")]
        raise UsageError(
            f"no training config {name!r}; known besides a .toml file: {format_similar_names(name, bundled)}"
        )
    return path


def _read_table(path: Path, derived_files: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read the table of a recipe. If it names a `base` (a bundled recipe or a file), its values replace those of the
    base's table. `derived_files`: recipes whose chain of bases leads to `path`, which must not occur as bases again.
    Raises UsageError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    base = table.pop("base", None)
    if base is None:
        return table
    file = _find_recipe(str(base))
    if file in (*derived_files, path):
        raise UsageError(f"{path}: its base {base!r} is based on it in turn")
    base_table = _read_table(file, (*derived_files, path))
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


def build_dataclass(cls: type[Any], values: Mapping[str, Any], location: str) -> Any:
    """Create a dataclass, including nested ones, from the values of a table. Raises UsageError for unknown and missing
    keys and for wrong values."""
    hints = typing.get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise UsageError(f"{location}: unknown key {key!r}; known: {format_similar_names(key, fields)}")
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
        return build_dataclass(typing.cast(type[Any], kind), value, location)
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
