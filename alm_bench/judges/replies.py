"""Reading of a judge's reply: the fields of a JSON object, or a line such as `verdict: right`.

Nothing is guessed. A reply that does not state its verdict in one of these two forms, or states two different ones, has
none.
"""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]
"""Values of a reply by lower-case name."""

PROSE, BROKEN, OTHER_SCALE, CONTRADICTION, EMPTY = (
    "prose without a verdict",
    "broken JSON",
    "a verdict outside the scale",
    "several different verdicts",
    "an empty reply",
)
"""Reasons why a reply has no verdict."""

_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_OPEN_REASONING = re.compile(r".*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_BRACES = re.compile(r"\{[^{}]*\}")


class ReplyError(ValueError):
    """A reply has no readable verdict; the message is the reason."""


def read_fields(reply: str, key: str) -> Fields:
    """Return the fields of a judge's reply, among them `key`.

    They are the fields of the last JSON object (or Python dictionary) that has `key`. If no object has it, the
    only field is `key`, with the value in the last line of the form `KEY: VALUE`. Raises ReplyError if there is no such
    line either, or if two objects or lines have different values of `key`.
    """
    text = _OPEN_REASONING.sub("", _REASONING.sub("", reply)).strip()
    if not text:
        raise ReplyError(EMPTY)
    found = [fields for fields in _list_objects(text) if key in fields] or list(_list_lines(text, key))
    if not found:
        raise ReplyError(BROKEN if "{" in text else PROSE)
    if len({str(fields[key]).strip().lower() for fields in found}) > 1:
        raise ReplyError(CONTRADICTION)
    return found[-1]


def read_number(value: object, low: float, high: float, whole: bool = False) -> float:
    """Return a number from `low` to `high`. Raises ReplyError for anything else; if `whole`, also for decimals.

    `value` may be a number or a text: `4`, a fraction whose denominator is `high`, such as `4/5`, or, if `high` is 100,
    a percentage.
    """
    if isinstance(value, str):
        unit = rf"/\s*{high:g}" + ("|%" if high == 100 else "")
        written = re.fullmatch(rf"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:{unit})?\s*", value)
        value = float(written[1]) if written else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ReplyError(OTHER_SCALE)
    if whole and value != int(value):
        raise ReplyError(OTHER_SCALE)
    return float(value)


def _list_objects(text: str) -> Iterator[Fields]:
    """Yield the objects of a text, in order: JSON, or Python dictionaries as some models write them."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            written = _BRACES.match(text, start)
            value = None if written is None else _parse_python(written[0])
            end = end if written is None or value is None else written.end()
        if isinstance(value, dict):
            yield {str(name).strip().lower(): one for name, one in value.items()}
        start = text.find("{", end)


def _parse_python(text: str) -> object:
    """Return the value of a Python literal; None if it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _list_lines(text: str, key: str) -> Iterator[Fields]:
    """Yield {key: value} for each line of the form `KEY: VALUE` or `KEY = VALUE`, without markup around the value."""
    pattern = re.compile(rf"^[\s>*_#\"'-]*{re.escape(key)}[\s*_\"']*[:=]\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
    for match in pattern.finditer(text):
        yield {key: match[1].strip("*_`\"'. ")}
