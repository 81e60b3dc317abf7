"""Models that are given as Python objects: an adapter that is made already, or a plain function."""

import hashlib
import inspect
import re
from collections.abc import Callable
from typing import Any, cast

from alm_bench.core import Adapter, AdapterIdentity, BaseAdapter, NoOptions, Request, Runtime, UsageError

Model = str | Adapter | Callable[[Request], str]
"""A name that the catalogue knows, an adapter, or a function from a request to the model's raw text."""


class FunctionAdapter(BaseAdapter):
    """A plain function as a model. Clips come decoded in `request.waves`, at 16 kHz, mono.

    Its identity is its name and the sha256 of its source; a function without source text (built in, typed into a
    console that keeps none) is known by its name alone, which its note says.
    """

    summary = "a plain function"

    def __init__(self, function: Callable[[Request], str]) -> None:
        super().__init__(NoOptions(), Runtime())
        self._function = function
        name = getattr(function, "__name__", type(function).__name__).strip("<>")
        source = hash_source(function)
        note = None if source else "known by its name alone: runs of another function of this name are the same runs"
        self.identity = AdapterIdentity(label=name, family="function", weights=source, note=note)

    def answer(self, request: Request) -> str:
        return self._function(request)


def hash_source(function: Callable[..., Any]) -> str | None:
    """The sha256 of the source text of a function, or of the class of a callable object; None where there is none."""
    try:
        text = inspect.getsource(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        return None
    return hashlib.sha256(inspect.cleandoc(text).encode()).hexdigest()


def take_model(model: Model) -> tuple[str, Adapter | None]:
    """The model's name, and the adapter where it is made already. Raises UsageError for what is no model."""
    if isinstance(model, str):
        return model, None
    if isinstance(model, type):
        raise UsageError(f"a model is a name, an adapter or a function, found the class {model.__name__}: make one")
    if hasattr(model, "generate"):
        for name in ("identity", "audio"):
            if not hasattr(model, name):
                raise UsageError(f"{type(model).__name__} has generate() and no {name}: derive it from BaseAdapter")
        made = cast(Adapter, model)
        return _name(made.identity.label), made
    if callable(model):
        adapter = FunctionAdapter(model)
        return _name(adapter.identity.label), adapter
    raise UsageError(f"a model is a name, an adapter or a function, found {model!r:.80}")


def _name(label: str) -> str:
    return re.sub(r"\s+", " ", label).strip()
