"""Known model families and checkpoints, read from `families.toml` into dataclasses. Does not import torch."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

ClipOrder = Literal["clip-first", "text-first"]
"""Order of clips and text in a message."""

JOIN_SECONDS = 0.5
"""Seconds of silence between two clips that are joined, for a family that takes only one clip."""


@dataclass(frozen=True, slots=True)
class Family:
    """Settings of one model type. The field defaults apply to all model types that `families.toml` does not list."""

    name: str
    """Model type in transformers' configuration."""

    clips: int | None = None
    """Largest number of clips in a prompt. None: no limit."""

    min_seconds: float = 0.1
    """Shortest clip, in seconds."""

    max_seconds: float | None = None
    """Longest clip, in seconds. None: no limit, or the one that `limit` names."""

    limit: str | None = None
    """Dotted name of the processor's attribute that holds the length of the longest clip, in seconds."""

    equal_lengths: bool = False
    """True if padding one clip changes the answers to others. A batch then contains clips of equal length only."""

    content: Literal["parts", "string"] = "parts"
    """Position of clips in a message: as `parts` of its content, or as placeholders in its text (`string`), for chat
    templates that take only text.
    """

    template: Literal["processor", "tokenizer"] = "processor"
    """Part that provides the chat template: the processor or its tokenizer."""

    system: Literal["role", "fold"] = "role"
    """Position of the system message: a message with the system role, or prepended to the question (`fold`)."""

    text_first: bool = False
    """True if the question precedes the clips in a message."""

    part: str | None = None
    """Attribute of the configuration that describes the network to load. None: the whole configuration."""

    encoder: Literal["processor", "mistral"] = "processor"
    """Library that turns messages into tokens: transformers' processor, or mistral-common."""

    processor_parts: Mapping[str, str] = field(default_factory=dict)
    """Names of transformers' classes from which the processor is built, by the name of the part. Used for published
    checkpoints whose processor files only their own code can read. Empty: the processor is loaded from the files.
    """

    needs: tuple[str, ...] = ()
    """Required packages (pip names) besides torch and transformers."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Checkpoint with a short name."""

    name: str
    """Short name of the checkpoint, as in `--model`."""

    path: str
    """Repository on the hub."""

    family: str
    """Model type in transformers' configuration."""

    title: str
    """Name in tables."""

    parameters: float
    """Number of parameters in billions."""

    licence: str
    """Licence of the weights."""

    trained_on: tuple[str, ...]
    """Training data, as far as they are published."""

    prompts: str = "letters"
    """Default prompt set."""

    revision: str | None = None
    """Commit of the repository. None: the newest."""

    suffix: str = ""
    """Text that is appended to each prompt, as in the model's training, unless the prompt has the tags that the text
    asks for."""

    system: str = ""
    """System message."""

    lora_folder: str | None = None
    """Folder of the repository with a LoRA adapter that must be loaded for the model to take audio."""

    @property
    def summary(self) -> str:
        """One-line summary for lists: size, licence, longest clip, repository."""
        longest = get_family_settings(self.family).max_seconds
        heard = "whole clips" if longest is None else f"clips up to {longest:g} s"
        return f"{self.title}: {self.parameters:g}B parameters, {self.licence}, {heard} ({self.path})"


@cache
def _load_document() -> dict[str, Any]:
    """Return the content of `families.toml`."""
    return tomllib.loads((Path(__file__).parent / "families.toml").read_text(encoding="utf-8"))


def get_family_settings(name: str) -> Family:
    """Return the settings of a model type; the defaults if `families.toml` does not list it."""
    return Family(name, **_convert_lists(_load_document()["families"].get(name, {})))


def has_own_model_types(config: Mapping[str, Any]) -> bool:
    """Return True if a configuration names a model type differently from transformers."""
    return resolve_model_types(config) != config


def resolve_model_types(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, as read from JSON, in which all model types have their names in transformers.

    The own code of some checkpoints uses other names. Nested configurations are included.
    """
    aliases = _load_document()["aliases"]
    return {
        key: resolve_model_types(value)
        if isinstance(value, Mapping)
        else aliases.get(value, value)
        if key == "model_type" and isinstance(value, str)
        else value
        for key, value in config.items()
    }


def is_transcriber(name: str) -> bool:
    """Return True if models of this type transcribe speech and answer no questions."""
    return name in _load_document()["transcribers"]["types"]


@cache
def list_checkpoints() -> Mapping[str, Checkpoint]:
    """Return the known checkpoints by their short names."""
    return {name: Checkpoint(name, **_convert_lists(table)) for name, table in _load_document()["models"].items()}


def find_checkpoint(path: str) -> Checkpoint | None:
    """Return the known checkpoint of a repository; None if the repository is not listed."""
    return next((known for known in list_checkpoints().values() if known.path == path), None)


@cache
def find_clip_order(name: str) -> ClipOrder:
    """Return the order of clips and text in a message that a checkpoint was trained on.

    `name` is the checkpoint's repository, with or without the organisation. Returns `clip-first` for an unknown one.
    """
    asked = name.casefold()
    for known in list_checkpoints().values():
        path = known.path.casefold()
        if asked in (path, path.rpartition("/")[2]):
            return "text-first" if get_family_settings(known.family).text_first else "clip-first"
    return "clip-first"


def _convert_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with tuples in place of its lists, as dataclass fields."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
