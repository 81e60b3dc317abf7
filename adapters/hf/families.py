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
    """Settings for checkpoints of one model type (`name`) that differ from the defaults.

    `clips`: the most that a prompt holds, where there is such a number. `max_seconds` of a clip are heard, or what the
    attribute `limit` of the processor says. `equal_lengths`: padding of one clip changes the answer to another, so that
    only clips of one length share a batch. `content`: clips and question as the parts of a message, or the placeholder
    written into its text, for templates that know text alone. `template`: whose chat template is taken. `system`: a
    message of its own, or put before the question. `text_first`: the question stands before the clips. `part`: the part
    of the configuration that is loaded. `encoder`: who turns messages into tokens. `needs`: packages (their names for
    pip) beside torch and transformers.
    """

    name: str
    clips: int | None = None
    min_seconds: float = 0.1
    max_seconds: float | None = None
    limit: str | None = None
    equal_lengths: bool = False
    content: Literal["parts", "string"] = "parts"
    template: Literal["processor", "tokenizer"] = "processor"
    system: Literal["role", "fold"] = "role"
    text_first: bool = False
    part: str | None = None
    encoder: Literal["processor", "mistral"] = "processor"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint with a short name. `parameters` in billions; `suffix` ends each prompt, as it was trained to be
    asked; `lora_folder` is a folder of the repository that holds a LoRA without which it does not hear."""

    name: str
    path: str
    family: str
    title: str
    parameters: float
    licence: str
    trained_on: tuple[str, ...]
    prompts: str = "letters"
    revision: str | None = None
    suffix: str = ""
    system: str = ""
    lora_folder: str | None = None

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
