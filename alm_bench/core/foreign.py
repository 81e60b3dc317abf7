"""Text, numbers and JSON from outside (servers, workers, files): read without trust, written as valid UTF-8."""

import json
from typing import Any

from alm_bench.core.errors import get_first_line

MAX_DIGITS = 18
"""Largest number of digits of a whole number that is accepted. It fits into 64 bits, and no count, size or port is
longer."""


def parse_whole_number(text: str) -> int | None:
    """Return the whole number of 0 or more that the text writes in ASCII digits; None for any other text.

    Python's own functions accept more: `str.isdigit` is true for `²`, which `int` rejects, and `int` accepts signs,
    underscores and the digits of any script.
    """
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= MAX_DIGITS else None


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError for invalid JSON, including brackets that are nested too deeply for Python."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deeply") from error


def dump_json(value: Any, indent: int | None = None) -> str:
    """Return JSON that every parser accepts and UTF-8 can encode.

    A value that JSON does not support is replaced by its `str`. Raises ValueError for NaN, Infinity, numbers of
    thousands of digits, keys that are not texts, and nesting that is too deep for Python.
    """
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=str)
        # An unpaired surrogate becomes its JSON escape sequence, which is parsed to the same character.
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    except (TypeError, RecursionError) as error:
        raise ValueError(get_first_line(error)) from error


def replace_surrogates(text: str) -> str:
    """Return the text with unpaired surrogates, which UTF-8 cannot encode, replaced by `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
