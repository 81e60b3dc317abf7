"""Objects known by name: those in the modules of one package, then those of installed packages' entry points."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from alm_bench.core.errors import UsageError, describe_error, known_first

T = TypeVar("T")

Check = Callable[[object], str | None]
"""Says what was expected of an object that does not fit; None for one that does."""


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """Registry of one kind of object: built-in ones and those of installed packages."""

    kind: str
    """The kind's name in messages, such as `metric`."""

    entries: Mapping[str, T]
    """Objects by name: built-in ones in the order of their modules, then those of entry points."""

    broken: Mapping[str, str]
    """Reasons by name of the entry points that gave no such object."""

    def get(self, name: str) -> T:
        """Return an object by its name. Raises UsageError for an unknown one, with the known names."""
        if name not in self.entries:
            raise UsageError(self.unknown(name, self.entries))
        return self.entries[name]

    def unknown(self, name: str, known: Iterable[str]) -> str:
        """Return the message for an unknown name: why its plug-in is broken if it is, and the names nearest to it."""
        reason = f" (its plug-in is broken: {self.broken[name]})" if name in self.broken else ""
        return f"unknown {self.kind} {name!r}{reason}; known: {known_first(name, known)}"


def load_registry(
    kind: str,
    package: str,
    attribute: str,
    group: str,
    name_of: Callable[[T], str],
    check: Callable[[object], str | None],
) -> Registry[T]:
    """Collect the tuples called `attribute` of a package's modules and the entry points of `group`.

    An entry point that raises or gives an object that `check` does not accept is listed as broken, with the reason.
    Raises UsageError for a name that is defined twice.
    """
    entries: dict[str, T] = {}
    broken: dict[str, str] = {}

    def add(entry: T, where: str) -> None:
        name = name_of(entry)
        if name in entries:
            raise UsageError(f"{kind} {name!r} is defined twice, the second time by {where}: uninstall one")
        entries[name] = entry

    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        path = f"{package}.{module.name}"
        for entry in getattr(importlib.import_module(path), attribute, ()):
            add(entry, path)
    for point in entry_points(group=group):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001  a plug-in's code may raise anything: its reason is listed
            broken[point.name] = describe_error(error)
            continue
        if (expected := check(loaded)) is None:
            add(loaded, point.value)
        else:
            broken[point.name] = f"{point.value} is {_describe(loaded)}, expected {expected}"
    return Registry(kind, entries, broken)


def check_subclass(base: type) -> Check:
    """Return a check that an object is a proper subclass of `base`."""

    def check(entry: object) -> str | None:
        fits = isinstance(entry, type) and issubclass(entry, base) and entry is not base
        return None if fits else f"a subclass of {base.__module__}.{base.__name__}"

    return check


def check_instance(cls: type) -> Check:
    """Return a check that an object is an instance of `cls`."""
    return lambda entry: None if isinstance(entry, cls) else f"a {cls.__name__}"


def _describe(entry: object) -> str:
    return f"the class {entry.__name__}" if isinstance(entry, type) else f"a {type(entry).__name__}"
