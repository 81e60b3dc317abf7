"""Known families and checkpoints: `families.toml`, typed. Imports no torch."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

JOIN_SECONDS = 0.5
"""The silence between two clips that are joined for a family that hears one."""


@dataclass(frozen=True, slots=True)
class Family:
    """Settings for checkpoints of one model type that differ from the defaults."""

    name: str
    """Model type in transformers' configuration."""

    clips: int | None = None
    """Largest number of clips in a prompt, None for no limit."""

    min_seconds: float = 0.1
    """Shortest clip."""

    max_seconds: float | None = None
    """Longest clip; None: see `limit`."""

    limit: str | None = None
    """Attribute of the processor that holds the longest clip's length."""

    equal_lengths: bool = False
    """Padding of one clip changes the answers to others, so only clips of equal length share a batch."""

    content: Literal["parts", "string"] = "parts"
    """Clips and question as `parts` of a message, or as placeholders in its text, for templates that take only text."""

    template: Literal["processor", "tokenizer"] = "processor"
    """Whose chat template is used."""

    system: Literal["role", "fold"] = "role"
    """System message with a role of its own, or prepended to the question (`fold`)."""

    text_first: bool = False
    """The question precedes the clips."""

    part: str | None = None
    """Part of the configuration that is loaded."""

    encoder: Literal["processor", "mistral"] = "processor"
    """Library that turns messages into tokens."""

    needs: tuple[str, ...] = ()
    """Required packages (pip names) besides torch and transformers."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint with a short name."""

    name: str
    """Short name."""

    path: str
    """Repository on the hub."""

    family: str
    """Model type."""

    title: str
    """Name for tables."""

    parameters: float
    """Number of parameters in billions."""

    licence: str
    """Licence of the weights."""

    trained_on: tuple[str, ...]
    """Training data, as far as published."""

    prompts: str = "letters"
    """Default prompt set."""

    revision: str | None = None
    """Commit, None for the newest."""

    suffix: str = ""
    """Text appended to each prompt, as in training."""

    system: str = ""
    """System message."""

    lora_folder: str | None = None
    """Folder of the repository with a LoRA that the model needs for audio."""

    @property
    def summary(self) -> str:
        """A line for a list: size, licence, how much of a clip is heard, where it is."""
        longest = family(self.family).max_seconds
        heard = "whole clips" if longest is None else f"clips up to {longest:g} s"
        return f"{self.title}: {self.parameters:g}B parameters, {self.licence}, {heard} ({self.path})"


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "families.toml").read_text(encoding="utf-8"))


def family(name: str) -> Family:
    """Return the settings of a model type; the defaults if the table does not name it."""
    return Family(name, **_tuples(_document()["families"].get(name, {})))


def is_transcriber(name: str) -> bool:
    return name in _document()["transcribers"]["types"]


@cache
def checkpoints() -> Mapping[str, Checkpoint]:
    return {name: Checkpoint(name, **_tuples(table)) for name, table in _document()["models"].items()}


def checkpoint_at(path: str) -> Checkpoint | None:
    """Return the known checkpoint of a repository."""
    return next((known for known in checkpoints().values() if known.path == path), None)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
