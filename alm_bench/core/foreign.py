"""Text, numbers and JSON that others wrote (servers, workers, files): read without trust, written as valid UTF-8."""

import json
from typing import Any

from alm_bench.core.errors import first_line

LONGEST_NUMBER = 18
"""Digits of a whole number that is read: no count, size or port is longer, and it fits into 64 bits."""


def whole_number(text: str) -> int | None:
    """Read a whole number of 0 or more that is written in ASCII digits; None for anything else.

    `str.isdigit` holds for `²`, which `int` refuses, and `int` takes signs, underscores and the digits of any script.
    """
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= LONGEST_NUMBER else None


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError for whatever is none, brackets nested too deeply for Python included."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deeply") from error


def dump_json(value: Any, indent: int | None = None) -> str:
    """Write JSON that every parser takes and UTF-8 can encode.

    Objects that JSON does not know become their text. Raises ValueError for NaN, Infinity, numbers of thousands of
    digits, keys that are no text and nesting too deep for Python.
    """
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=str)
        # Half of a surrogate pair becomes the escape by which JSON has it: it is read again as it was.
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    except (TypeError, RecursionError) as error:
        raise ValueError(first_line(error)) from error


def storable(text: str) -> str:
    """Replace halves of surrogate pairs, which UTF-8 does not have, by `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
