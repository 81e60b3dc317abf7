"""Properties of standard output: a terminal with its width, or a pipe or file, which gets markdown."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alm_bench.reports.renderers import Form

WIDTH = 80
"""Number of columns of a terminal that does not report it."""

NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Screen:
    """Output format and the terminal's properties."""

    form: Form = "markdown"
    width: int | None = None
    """Number of columns of a terminal; None for lines of any length."""
    styled: bool = False
    """True if bold and italics are shown."""
    ascii_only: bool = False


def detect_screen(stream: Any, environment: Mapping[str, str] = os.environ) -> Screen:
    """Return the properties of a text stream. The variables `COLUMNS`, `NO_COLOR` and `TERM` are respected."""
    if stream is None or not stream.isatty():
        return Screen()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    styled = not environment.get("NO_COLOR") and environment.get("TERM", "dumb") not in ("dumb", "unknown")
    return Screen("terminal", _get_width(stream, environment), styled, not encoding.startswith("utf"))


def _get_width(stream: Any, environment: Mapping[str, str]) -> int:
    named = environment.get("COLUMNS", "")
    if named.isascii() and named.isdecimal() and int(named) > 0:
        return max(NARROWEST, int(named))
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(NARROWEST, columns) if columns else WIDTH
