"""What standard output is: a terminal of some width, or a pipe or file that gets markdown."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alm_bench.reports.renderers import Form

WIDTH = 80
"""Columns of a terminal that does not say how many it has."""

NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Screen:
    """How blocks are printed."""

    form: Form = "markdown"
    width: int | None = None
    """Columns of a terminal; None where lines may be as long as they are."""
    styled: bool = False
    """Whether bold and italics are shown."""
    ascii_only: bool = False


def find_screen(stream: Any, environment: Mapping[str, str] = os.environ) -> Screen:
    """Return the screen behind a text stream. `COLUMNS`, `NO_COLOR` and `TERM` are respected."""
    if stream is None or not stream.isatty():
        return Screen()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    styled = not environment.get("NO_COLOR") and environment.get("TERM", "dumb") not in ("dumb", "unknown")
    return Screen("terminal", _width(stream, environment), styled, not encoding.startswith("utf"))


def _width(stream: Any, environment: Mapping[str, str]) -> int:
    named = environment.get("COLUMNS", "")
    if named.isascii() and named.isdecimal() and int(named) > 0:
        return max(NARROWEST, int(named))
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(NARROWEST, columns) if columns else WIDTH
