"""Registries of named objects, from the modules of one package and from the entry points of installed packages."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from alm_bench.core.errors import UsageError, describe_error, format_similar_names
from alm_bench.core.files import compute_sha256, hash_json

T = TypeVar("T")

Check = Callable[[object], str | None]
"""Function that returns a description of what was expected if an object is invalid, and None if it is valid."""


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """Registry of objects of one kind, both built-in ones and those of installed packages."""

    kind: str
    """Name of the kind in messages, such as `metric`."""

    entries: Mapping[str, T]
    """Objects by name: the built-in ones in the order of their modules, then those of entry points."""

    broken: Mapping[str, str]
    """Reasons why entry points gave no valid object, by the entry point's name."""

    versions: Mapping[str, str]
    """Versions by name, for objects of entry points and for built-in ones that declare a `version`. They are stored
    with results, since another version of an object may give another result.
    """

    def get(self, name: str) -> T:
        """Return the object of this name. Raises UsageError with the known names if there is none."""
        if name not in self.entries:
            raise UsageError(self.build_unknown_name_message(name, self.entries))
        return self.entries[name]

    def build_unknown_name_message(self, name: str, known_names: Iterable[str]) -> str:
        """Return the error message for an unknown name, with the most similar names and, for a broken plug-in, the
        reason."""
        reason = f" (its plug-in is broken: {self.broken[name]})" if name in self.broken else ""
        return f"unknown {self.kind} {name!r}{reason}; known: {format_similar_names(name, known_names)}"


def load_registry(
    kind: str,
    package: str,
    attribute: str,
    group: str,
    get_name: Callable[[T], str],
    check: Callable[[object], str | None],
) -> Registry[T]:
    """Build a registry from the tuples called `attribute` in a package's modules and from the entry points of `group`.

    `get_name` returns the name of an object. An entry point that raises an exception, or whose object `check` does not
    accept, is listed as broken with the reason. Raises UsageError if a name is defined twice.
    """
    entries: dict[str, T] = {}
    broken: dict[str, str] = {}
    versions: dict[str, str] = {}

    def add_entry(entry: T, origin: str, version: str | None) -> None:
        name = get_name(entry)
        if name in entries:
            raise UsageError(f"{kind} {name!r} is defined twice, the second time by {origin}: uninstall one")
        entries[name] = entry
        if version is not None:
            versions[name] = version

    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        path = f"{package}.{module.name}"
        for entry in getattr(importlib.import_module(path), attribute, ()):
            add_entry(entry, path, _get_declared_version(entry))
    for point in entry_points(group=group):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001  a plug-in's code may raise anything: its reason is listed
            broken[point.name] = describe_error(error)
            continue
        if (expected := check(loaded)) is None:
            add_entry(loaded, point.value, _get_declared_version(loaded) or _hash_source(loaded, point))
        else:
            broken[point.name] = f"{point.value} is {_describe_object(loaded)}, expected {expected}"
    return Registry(kind, entries, broken, versions)


def _get_declared_version(entry: object) -> str | None:
    """Return the `version` of a class or object as a text; None if it has none."""
    version = getattr(entry, "version", None)
    return None if version is None else str(version)


def _hash_source(entry: object, point: EntryPoint) -> str:
    """Return a hash of the source files that define the object of an entry point.

    The files are the module of the entry point and, for a class, the modules of its base classes, except modules of
    this package. Without source files, returns the version of the package that defines the entry point.
    """
    own = __name__.partition(".")[0]
    classes = entry.__mro__ if isinstance(entry, type) else ()
    names = {point.module, *(cls.__module__ for cls in classes if cls.__module__.partition(".")[0] != own)}
    modules = (sys.modules.get(name) for name in sorted(names - {"builtins", "abc", "typing"}))
    files = [Path(file) for module in modules if (file := getattr(module, "__file__", None)) is not None]
    hashes = [compute_sha256(file) for file in files if file.suffix == ".py" and file.is_file()]
    package = point.dist.version if point.dist is not None else "unknown"
    return hash_json(hashes)[:12] if hashes else package


def make_subclass_check(base: type) -> Check:
    """Return a function that checks an object of an entry point: it must be a proper subclass of `base`.

    The function returns None for a valid object, else a text that says what was expected.
    """

    def check(entry: object) -> str | None:
        fits = isinstance(entry, type) and issubclass(entry, base) and entry is not base
        return None if fits else f"a subclass of {base.__module__}.{base.__name__}"

    return check


def make_instance_check(cls: type) -> Check:
    """Return a function that checks an object of an entry point: it must be an instance of `cls`.

    The function returns None for a valid object, else a text that says what was expected.
    """
    return lambda entry: None if isinstance(entry, cls) else f"a {cls.__name__}"


def _describe_object(entry: object) -> str:
    """Return a text that names a class, or the type of an object, for error messages."""
    return f"the class {entry.__name__}" if isinstance(entry, type) else f"a {type(entry).__name__}"
