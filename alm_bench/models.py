"""Models that are given as Python objects: an adapter that is made already, or a plain function."""

import functools
import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from alm_bench.core import Adapter, AdapterIdentity, BaseAdapter, NoOptions, Request, Runtime, UsageError
from alm_bench.core.adapter import adopt, find_missing
from alm_bench.core.files import hash_json

Model = str | Adapter | Callable[[Request], str]
"""A name that the catalogue knows, an adapter, or a function from a request to the model's raw text."""


class FunctionAdapter(BaseAdapter):
    """A plain function as a model. Clips come decoded in `request.waves`, at 16 kHz, mono.

    Its identity is its name and a hash of its source and of the plain values that it is bound to (see `hash_function`).
    A function that depends on anything else is another model in every process: its runs are resumed by none.
    """

    summary = "a plain function"

    def __init__(self, function: Callable[[Request], str]) -> None:
        super().__init__(NoOptions(), Runtime())
        self._function = function
        inner = function.func if isinstance(function, functools.partial) else function
        name = getattr(inner, "__name__", type(inner).__name__).strip("<>")
        known = hash_function(function)
        note = None if known else "a function that depends on objects: its runs cannot be resumed"
        self.identity = AdapterIdentity(label=name, family="function", weights=known or uuid.uuid4().hex, note=note)

    def answer(self, request: Request) -> str:
        return self._function(request)


def hash_function(function: Callable[..., Any]) -> str | None:
    """Hash the source of a function and the values that it is bound to.

    Those are its defaults, its closure's cells, the arguments of a `functools.partial`, and the attributes of a
    callable object or of a method's object. None where there is no source, or where one of them is no plain value
    (text, number, path, None, or a list, tuple or mapping of such): objects cannot be told apart by what they print.
    """
    parts = _describe_function(function)
    return None if parts is None else hash_json(parts)


def _describe_function(function: Any) -> list[Any] | None:
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
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | bool | PurePath)


def take_model(model: Model) -> tuple[str, Adapter | None]:
    """The model's name, and the adapter where it is made already. Raises UsageError for what is no model."""
    if isinstance(model, str):
        return model, None
    if isinstance(model, type):
        raise UsageError(f"a model is a name, an adapter or a function, found the class {model.__name__}: make one")
    if hasattr(model, "generate"):
        if (missing := find_missing(model)) is not None:
            raise UsageError(f"{type(model).__name__} has generate() and no {missing}: derive it from BaseAdapter")
        made = adopt(model)
        return _name(made.identity.label), made
    if callable(model):
        adapter = FunctionAdapter(model)
        return _name(adapter.identity.label), adapter
    raise UsageError(f"a model is a name, an adapter or a function, found {model!r:.80}")


def _name(label: str) -> str:
    return re.sub(r"\s+", " ", label).strip()
