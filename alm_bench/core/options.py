"""Conversion of `key=value` options from the command line into one frozen dataclass."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from alm_bench.core.errors import UsageError, format_similar_names


@dataclass(frozen=True, slots=True)
class PluginOption:
    """Name of a plug-in with all its options. It is the value of an option of another plug-in: `llm=text` with
    `llm.path=FILE` names the plug-in `text`."""

    name: str
    """Name of the plug-in."""

    options: Mapping[str, str] = field(default_factory=dict)
    """Options of that plug-in."""


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def _convert_text(text: str, kind: Any) -> Any:
    """Convert a text to the type of an option. Raises ValueError with a description of what was expected."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _convert_text(text, next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        if text not in arguments:
            raise ValueError("one of " + ", ".join(map(str, arguments)))
        return text
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError("true or false")
        return text.lower() in _TRUE
    if kind is Path:
        return Path(text).expanduser()
    if kind is PluginOption:
        return PluginOption(text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as error:
            raise ValueError("a whole number" if kind is int else "a number") from error
    return text


def split_pair(pair: str, flag: str) -> tuple[str, str]:
    """Split a text `key=value`. Raises UsageError, which names the option `flag`, if it is not of this form."""
    key, equals, value = pair.partition("=")
    if not equals or not key:
        raise UsageError(f"{flag} takes key=value, found {pair!r}")
    return key.strip(), value


def fill_options(cls: type[Any], pairs: Mapping[str, str], owner: str) -> Any:
    """Create the options dataclass `cls` from texts. Raises UsageError for an unknown key, an invalid value or a
    missing one.

    A field of type `PluginOption` names a plug-in, which has options of its own: if `llm` is such a field, the pair
    `llm.path=FILE` sets the option `path` of the plug-in. `owner` is the name of the task or model, for error messages.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    nested: dict[str, dict[str, str]] = {}
    for key, text in pairs.items():
        head, dot, rest = key.partition(".")
        if dot and rest and hints.get(head) is PluginOption:
            nested.setdefault(head, {})[rest] = text
            continue
        if key not in fields:
            known = format_similar_names(key, fields) if fields else "none"
            raise UsageError(f"{owner} has no option {key!r}; known: {known}")
        try:
            values[key] = _convert_text(text, hints[key])
        except ValueError as error:
            raise UsageError(f"{owner}: option {key} takes {error}, found {text!r}") from error
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"{owner} needs the option {missing[0]}=..., none was given")
    filled = cls(**values)
    own = {name: dataclasses.replace(getattr(filled, name), options=options) for name, options in nested.items()}
    return dataclasses.replace(filled, **own) if own else filled


def parse_pairs(values: Iterable[str] | None, flag: str) -> dict[str, str]:
    """Return the texts `key=value` as a mapping. Raises UsageError, which names the option `flag`, for any other
    text."""
    return dict(split_pair(value, flag) for value in values or ())


def check_choice(value: str, known_values: Iterable[str], flag: str) -> str:
    """Return `value` if it is among the known values. Raises UsageError, which names the option `flag`, if it is
    not."""
    known_values = list(known_values)
    if value not in known_values:
        raise UsageError(f"{flag} {value!r} is unknown; known: {format_similar_names(value, known_values)}")
    return value


def parse_answer_tags(names: list[str] | None) -> tuple[str, ...]:
    """Return the tag names of `--answer-tag` without brackets. Raises UsageError for an invalid name."""
    found = tuple(name.strip().strip("<>[]/") for name in names or ())
    for given, name in zip(names or (), found, strict=True):
        if not re.fullmatch(r"[^\W\d][\w -]{0,39}", name):
            raise UsageError(f"--answer-tag takes a tag's name such as verdict, found {given!r}")
    return found
