"""Conditions that ask for the answer alone, or for a cross-lingual chain of thought in four parts before it (XS-CoT,
arXiv 2504.20835)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from alm_bench.runner.conditions.base import Condition

INSTRUCTIONS = Path(__file__).with_suffix(".toml")
"""File of the instructions."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """Text that a condition adds to every prompt."""

    version: int
    """Version of the text."""

    output_format: str
    """Format of answers in several parts that the text asks for; "" for the answer alone."""

    text: str
    """Text that is added after the prompt, and is never spoken."""


class AnswerParts(Condition):
    """Ask for the answer alone (`parts:direct`), for all four parts (`parts:full`), or for four parts of which the
    first three are shortened (`parts:semi`). The clips stay as they are."""

    kind: ClassVar = "parts"
    title: ClassVar = "The answer alone, or after transcript, translation and response, in full or shortened."
    examples: ClassVar = ("parts:direct", "parts:full", "parts:semi")

    def problem(self) -> str | None:
        known = _read_instructions()
        return None if self.parameter in known else f"takes one of {', '.join(known)}"

    @property
    def instruction(self) -> str:
        return _read_instructions()[self.parameter].text

    @property
    def output_format(self) -> str:
        return _read_instructions()[self.parameter].output_format


@cache
def _read_instructions() -> Mapping[str, Instruction]:
    tables = tomllib.loads(INSTRUCTIONS.read_text(encoding="utf-8"))
    return {name: Instruction(**table) for name, table in tables.items()}


CONDITIONS = (AnswerParts,)
