"""Objects known by name: those in the modules of one package, then those of installed packages' entry points."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from alm_bench.core.errors import UsageError, describe_error, known_first
from alm_bench.core.files import hash_json, sha256

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

    versions: Mapping[str, str]
    """Versions by name of the objects of entry points, and of built-in ones that declare a `version`: a result that an
    object of another version gave is another result."""

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
    versions: dict[str, str] = {}

    def add(entry: T, where: str, version: str | None) -> None:
        name = name_of(entry)
        if name in entries:
            raise UsageError(f"{kind} {name!r} is defined twice, the second time by {where}: uninstall one")
        entries[name] = entry
        if version is not None:
            versions[name] = version

    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        path = f"{package}.{module.name}"
        for entry in getattr(importlib.import_module(path), attribute, ()):
            add(entry, path, _declared_version(entry))
    for point in entry_points(group=group):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001  a plug-in's code may raise anything: its reason is listed
            broken[point.name] = describe_error(error)
            continue
        if (expected := check(loaded)) is None:
            add(loaded, point.value, _declared_version(loaded) or _hash_source(loaded, point))
        else:
            broken[point.name] = f"{point.value} is {_describe(loaded)}, expected {expected}"
    return Registry(kind, entries, broken, versions)


def _declared_version(entry: object) -> str | None:
    """Return the `version` of a class or of an object; None without one."""
    version = getattr(entry, "version", None)
    return None if version is None else str(version)


def _hash_source(entry: object, point: EntryPoint) -> str:
    """Return a hash of the modules that define an object: that of the entry point, and those of the classes that its
    class is made from. Without source files it is the version of the package."""
    own = __name__.partition(".")[0]
    classes = entry.__mro__ if isinstance(entry, type) else ()
    names = {point.module, *(cls.__module__ for cls in classes if cls.__module__.partition(".")[0] != own)}
    modules = (sys.modules.get(name) for name in sorted(names - {"builtins", "abc", "typing"}))
    files = [Path(file) for module in modules if (file := getattr(module, "__file__", None)) is not None]
    hashes = [sha256(file) for file in files if file.suffix == ".py" and file.is_file()]
    package = point.dist.version if point.dist is not None else "unknown"
    return hash_json(hashes)[:12] if hashes else package


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
