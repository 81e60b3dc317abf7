"""Models that are given as Python objects: an adapter, or a plain function."""

import functools
import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from alm_bench.core import Adapter, AdapterIdentity, BaseAdapter, NoOptions, Request, Runtime, UsageError
from alm_bench.core.adapter import find_missing_attribute, read_abilities, wrap_as_adapter
from alm_bench.core.files import hash_json

Model = str | Adapter | Callable[[Request], str]
"""A name in the catalogue, an adapter, or a function from a request to the raw text of the model."""


class FunctionAdapter(BaseAdapter):
    """Adapter that calls a plain function. Clips are decoded to `request.waves`, mono at 16 kHz.

    Its identity is the name of the function, with a hash of its source and of the plain values that it is bound to (see
    `hash_function`). A function without a hash, such as one that is bound to other objects, has a new identity in every
    process, and its runs cannot be resumed.

    A function that continues a given beginning of its answer (`request.prefix`) declares it as an adapter does:
    `function.abilities = Abilities(continuation=True)`.
    """

    summary = "a plain function"

    def __init__(self, function: Callable[[Request], str]) -> None:
        super().__init__(NoOptions(), Runtime())
        self._function = function
        self.abilities = replace(self.abilities, continuation=read_abilities(function).continuation)
        inner = function.func if isinstance(function, functools.partial) else function
        name = getattr(inner, "__name__", type(inner).__name__).strip("<>")
        known = hash_function(function)
        note = None if known else "a function that depends on objects: its runs cannot be resumed"
        self.identity = AdapterIdentity(label=name, family="function", weights=known or uuid.uuid4().hex, note=note)

    def answer(self, request: Request) -> str:
        return self._function(request)


def hash_function(function: Callable[..., Any]) -> str | None:
    """Return a hash of a function's source and of the values that it is bound to.

    These values are its defaults, the variables of its closure, the arguments of a `functools.partial`, and the
    attributes of a callable object or of a method's object. Returns None if there is no source, or if any value is not
    plain. Plain values are texts, numbers, paths, None, and lists, tuples and mappings of them; other objects cannot be
    distinguished by their printed form.
    """
    parts = _describe_function(function)
    return None if parts is None else hash_json(parts)


def _describe_function(function: Any) -> list[Any] | None:
    """Return a function's source and the values that it is bound to, as plain values; None if there is no source, or if
    any value is not plain."""
    if isinstance(function, functools.partial):
        inner = _describe_function(function.func)
        bound: list[Any] = [list(function.args), dict(function.keywords)]
    else:
        routine = inspect.isroutine(function)
        owner = getattr(function, "__self__", None) if routine else function
        try:
            inner = [inspect.cleandoc(inspect.getsource(function if routine else type(function)))]
            cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        except (OSError, TypeError, ValueError):  # no source; a cell that is still empty
            return None
        state = {} if owner is None else getattr(owner, "__dict__", None)
        defaults = [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
        bound = [cells, state, defaults]
    return None if inner is None or not _is_plain(bound) else [inner, bound]


def _is_plain(value: Any) -> bool:
    """Return True if a value is a text, number, path, None, or a list, tuple or mapping of such values."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | bool | PurePath)


def resolve_model(model: Model) -> tuple[str, Adapter | None]:
    """Return the name of a model and, if it was given as an object or a function, its adapter.

    Raises UsageError for anything else.
    """
    if isinstance(model, str):
        return model, None
    if isinstance(model, type):
        raise UsageError(f"a model is a name, an adapter or a function, found the class {model.__name__}: make one")
    if hasattr(model, "generate"):
        if (missing := find_missing_attribute(model)) is not None:
            raise UsageError(f"{type(model).__name__} has generate() and no {missing}: derive it from BaseAdapter")
        made = wrap_as_adapter(model)
        return _clean_label(made.identity.label), made
    if callable(model):
        adapter = FunctionAdapter(model)
        return _clean_label(adapter.identity.label), adapter
    raise UsageError(f"a model is a name, an adapter or a function, found {model!r:.80}")


def _clean_label(label: str) -> str:
    """Return a label as one line: white space, such as a line break, becomes one space."""
    return re.sub(r"\s+", " ", label).strip()
