"""Tags that enclose a model's reasoning or its answer. Their names are in tags.toml; callers can add names."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from alm_bench.parsing.text import Span, fold


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag in a text."""

    name: str
    """Name of the tag, as `normalise_tag_name` returns it."""

    answers: bool
    """True for an answer tag, False for a reasoning tag."""

    closes: bool
    """True for a closing tag, False for an opening tag."""

    span: Span
    """Start and end of the tag in the text."""


TAG_SIGNS = "<[◁"
"""Characters that a tag begins with."""


@cache
def load_tag_table() -> dict[str, Any]:
    """Return the content of tags.toml."""
    return tomllib.loads(files(__package__).joinpath("tags.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _compile_tag_pattern(further_names: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of a tag whose name is in tags.toml or in `further_names`."""
    table = load_tag_table()
    names = "|".join(
        sorted(
            (_build_loose_pattern(name) for name in (*table["answer"], *table["reasoning"], *further_names)), key=len
        )[::-1]
    )
    return re.compile(
        rf"(?:<\s*\|?|\[|◁)\s*(/?)\s*(?:(begin|start|end)[_\s-]?of[_\s-])?({names})(?:[_\s-](begin|start|end))?"
        r"(?:\s[^<>\n]{0,60})?\s*(/?)(?:\|?\s*>|\]|▷)"
    )


def _build_loose_pattern(name: str) -> str:
    """Return the source of a pattern for a name; a space, a hyphen, an underscore or nothing may separate its words."""
    return r"[\s_-]?".join(re.escape(part) for part in re.split(r"[\s_-]+", fold(name.strip())))


def normalise_tag_name(name: str) -> str:
    """Return a tag's name normalised with `fold`, without spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "", fold(name))


@lru_cache(maxsize=64)
def list_answer_names(further_names: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the normalised names of all answer tags: those in tags.toml and those in `further_names`."""
    return frozenset(normalise_tag_name(name) for name in (*load_tag_table()["answer"], *further_names))


def find_tags(plain: str, further_names: Sequence[str] = ()) -> Iterator[Tag]:
    """Yield the tags of a normalised text, in order.

    `further_names` are names of further answer tags.
    """
    if not any(sign in plain for sign in TAG_SIGNS):
        return
    names = list_answer_names(tuple(further_names))
    for match in _compile_tag_pattern(tuple(further_names)).finditer(plain):
        name = normalise_tag_name(match[3])
        closes = bool(match[1] or match[5]) or "end" in (match[2], match[4])
        yield Tag(name, name in names, closes, match.span())
