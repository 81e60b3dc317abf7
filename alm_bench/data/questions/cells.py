"""Conversion of the cells of a question file: texts, option lists in all usual forms, and separators of lists."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alm_bench.core.foreign import parse_json
from alm_bench.data.inline_options import normalise_option, split_options, strip_letters
from alm_bench.data.outputs.row import parse_list_text
from alm_bench.data.questions.names import find_column_series

SEPARATORS = (";", "|", "\n", "/", ",")
"""Separators of lists in a text that a file can prove by its answers."""

_TEXT_KEYS = ("text", "value", "content", "option", "choice", "answer", "label")
_NAME_KEYS = ("label", "key", "letter", "id", "index", "name")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ARRAY = re.compile(rf"\[\s*(?:{_QUOTED.pattern})(?:\s+(?:{_QUOTED.pattern}))+\s*\]")
_PLACEHOLDER = r"(?:\s*<\|?/?(?:audio|sound|speech|au)\w*(?::[^>\n]*)?\|?>)+\s*"
_OUTER_PLACEHOLDERS = re.compile(rf"^{_PLACEHOLDER}|{_PLACEHOLDER}$", re.IGNORECASE | re.MULTILINE)
_NUMBER_KEY = re.compile(r"\d{1,2}")


def is_empty(value: Any) -> bool:
    """Return True for a cell without content: null, NaN, blank text, an empty list or object."""
    if isinstance(value, str):
        return not value or value.isspace()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, (list, dict, tuple)) and not value


def to_text(value: Any) -> str:
    """Return a single value as text without surrounding blanks. Whole numbers have no decimal point; JSON's true and
    false become `True` and `False`."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def remove_placeholders(text: str) -> str:
    """Return a question without the placeholders of clips (`<audio>`) at the beginning and end of its lines.

    Placeholders within a line are kept, because they are part of a sentence.
    """
    return _OUTER_PLACEHOLDERS.sub("", text).strip() if "<" in text else text


def parse_choices(value: Any, separator: str | None = None) -> tuple[str, ...] | None:
    """Return the options in one cell, without their letters; None if the cell has no list of options.

    Such a list may be:
    - a list of values, or of objects that have a text each;
    - an object that maps letters, numbers or names such as `option_a` to texts;
    - an object with the two lists `text` and `label`;
    - one of these written as JSON or as a Python literal;
    - a lettered text (`(A) x (B) y`);
    - if `separator` is given, a text with the separator between options.

    Empty values at the end of a list are padding and are removed. A list with an empty value before an option is not
    accepted as a list of options.
    """
    if isinstance(value, str):
        array = _parse_array_text(value)
        listed = parse_list_text(value) if array is None else array
        if isinstance(listed, str):
            return _split_text(value, separator)
        value = listed
    if isinstance(value, Mapping):
        return _parse_mapping(value)
    if isinstance(value, (list, tuple)):
        return _parse_list(value)
    return None


def _parse_list(values: Sequence[Any]) -> tuple[str, ...] | None:
    """Return the options of a list, without the empty values at its end; None if any other value has no text."""
    count = max((number for number, value in enumerate(values, 1) if not is_empty(value)), default=0)
    texts = [None if is_empty(value) else _extract_text(value) for value in values[:count]]
    present = [text for text in texts if text is not None]
    return strip_letters(present) if len(present) == len(texts) else None


def _parse_array_text(text: str) -> list[str] | None:
    """Return the texts of an array as numpy prints it, without commas (`['dog' 'cat']`); None for other text."""
    if _ARRAY.fullmatch(text.strip()) is None:
        return None
    return [one[1:-1] for one in _QUOTED.findall(text)]


def _split_text(text: str, separator: str | None) -> tuple[str, ...] | None:
    """Split a text into options: at `separator`, or else at their letters. None without two lettered options."""
    if separator is not None:
        return strip_letters([part.strip() for part in text.strip().split(separator)])
    found = split_options(f"? {text}", None).choices
    return found if len(found) > 1 else None


def _parse_mapping(value: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """Return the options of an object; None if it does not hold options.

    The object maps letters, numbers or names such as `option_a` to texts, or has the lists `text` and `label`.
    """
    if isinstance(value.get("text"), (list, tuple)):
        return _parse_list([one if is_empty(one) else to_text(one) for one in value["text"]])
    if any(isinstance(one, (list, dict)) for one in value.values()):
        return None
    present = {str(key).strip(): one for key, one in value.items() if not is_empty(one)}
    names = find_column_series(list(present), "choices")
    if len(names) == len(present):
        return tuple(to_text(present[name]) for name in names)
    numbers = sorted((key for key in present if _NUMBER_KEY.fullmatch(key)), key=int)
    if len(numbers) == len(present) and [int(key) for key in numbers] in (
        _build_range(0, numbers),
        _build_range(1, numbers),
    ):
        return tuple(to_text(present[key]) for key in numbers)
    return None


def _build_range(start: int, keys: Sequence[str]) -> list[int]:
    """Return consecutive numbers from `start`, one per key."""
    return list(range(start, start + len(keys)))


def _extract_text(value: Any) -> str | None:
    """Return the text of an option: a single value, or the text of an object such as `{"label": "A", "text": "x"}`.

    A single text keeps its surrounding blanks. Returns None for values without a text.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, (Mapping, list, tuple)):
        return None if value is None else to_text(value)
    if isinstance(value, Mapping):
        lower = {str(key).lower(): one for key, one in value.items()}
        names = [key for key in _TEXT_KEYS if key in lower and not isinstance(lower[key], (Mapping, list))]
        if names:
            return to_text(lower[names[0]])
        if len(lower) == 1:  # {"A": "x"}
            (only,) = lower.values()
            return None if isinstance(only, (Mapping, list)) or only is None else to_text(only)
    return None


def parse_references(value: Any) -> tuple[str, ...]:
    """Return the reference answers in one cell, without duplicates; empty if a value has no text.

    The cell is a single value, or a list of values or of objects that have a text each. A list may be written as JSON
    or as a Python literal.
    """
    if isinstance(value, str):
        listed = parse_list_text(value)
        value = listed if isinstance(listed, list) else value
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):  # as in SQuAD's `answers`
        value = value["text"]
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = [_extract_text(one) for one in values if not is_empty(one)]
    return () if None in texts else tuple(dict.fromkeys(text.strip() for text in texts if text))


def find_separators(cells: Iterable[tuple[Any, Any]]) -> list[str]:
    """Return the separators that split every text into two or more options, one of which is the answer.

    `cells` holds pairs of a text with options and the answer to the question; pairs without a text are ignored.
    """
    pairs = [(value, answer) for value, answer in cells if isinstance(value, str)]

    def splits_every_text(separator: str) -> bool:
        """Return True if the separator splits every text, and a part of each is the answer."""
        for value, answer in pairs:
            parts = [normalise_option(part) for part in value.strip().split(separator)]
            if len(parts) < 2 or not all(parts) or normalise_option(to_text(answer)) not in parts:
                return False
        return bool(pairs)

    return [separator for separator in SEPARATORS if splits_every_text(separator)]


def is_option_list(value: Any) -> bool:
    """Return True if a cell holds two or more options as a list or an object, possibly written as text."""
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.lstrip()[:1] in ("[", "{") else value
        except ValueError:
            value = parse_list_text(value)
    return not isinstance(value, str) and len(parse_choices(value) or ()) > 1
