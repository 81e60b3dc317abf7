"""Catalogue of tasks and adapters, from the folders of this repository and the entry points of installed packages.

Task cards are read from `task.toml` without an import of task code. A name that is defined twice is an error. A plug-in
that cannot be loaded is listed with the reason, never omitted silently.
"""

import importlib
import importlib.util
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from alm_bench.core.adapter import (
    Abilities,
    Adapter,
    BaseAdapter,
    NoOptions,
    Runtime,
    find_missing_attribute,
    read_abilities,
    wrap_as_adapter,
)
from alm_bench.core.cards import FILE_PREFIX, AblationCard, DataFile, DownloadSource, PairSpec, TaskCard
from alm_bench.core.errors import UsageError, describe_error, format_similar_names
from alm_bench.core.files import TABLE_SUFFIXES, compute_sha256
from alm_bench.core.options import fill_options
from alm_bench.core.prompt import PromptTemplate, load_prompts
from alm_bench.core.protocols import Task
from alm_bench.core.rng import derive_integer

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/(?!.*\.py$)[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """Entry of a task in the catalogue."""

    card: TaskCard
    """Card of the task."""

    module: str
    """Package that contains the task's `plugin.py`."""

    implied_options: Mapping[str, str] = field(default_factory=dict)
    """Options that the name implies, such as the path of a file."""

    folder: Path | None = None
    """Folder of the plug-in, if it was named by a path; None for an installed one."""

    def load_prompts(self) -> dict[str, PromptTemplate]:
        """Return the prompt templates of the task by name."""
        return load_prompts(self.card.folder / self.card.prompts, self.card.name)

    def create(self, options: Mapping[str, str] | None = None, answer_tags: Sequence[str] = ()) -> Task:
        """Create the task. `answer_tags` are names of answer tags, in addition to the ones on its card."""
        given = {**(options or {}), **self.implied_options}
        parsed = fill_options(self._get_options_class(), given, f"task {self.card.name}")
        card = replace(self.card, answer_tags=tuple(dict.fromkeys((*self.card.answer_tags, *answer_tags))))
        task: Task = self._load_plugin().create(card, parsed)
        return task

    def list_option_names(self) -> list[str]:
        """Return the names of the task's options."""
        return [field.name for field in fields(self._get_options_class())]

    def load_demo(self) -> Any:
        """Return the recipe of the task's demo data (`DEMO` in the `demo.py` of its package), a `Demo`.

        Returns None if the task has no demo data.
        """
        name = f"{self.module}.demo"
        return None if importlib.util.find_spec(name) is None else importlib.import_module(name).DEMO

    def _load_plugin(self) -> Any:
        return importlib.import_module(f"{self.module}.plugin")

    def _get_options_class(self) -> Any:
        """Return the options dataclass of the task.

        A plug-in has one class for all its tasks, or a mapping of classes by task.
        """
        found = getattr(self._load_plugin(), "Options", NoOptions)
        return found.get(self.card.name, NoOptions) if isinstance(found, Mapping) else found


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """Entry of an adapter class in the catalogue. The class need not be a `BaseAdapter`."""

    name: str
    """Name in the catalogue; the name of the class if it was loaded by path."""

    cls: type[Any]
    """The adapter class."""

    file_hash: str | None = None
    """Sha256 of the Python file, if the class was named by the path of its file."""

    implied_options: Mapping[str, str] = field(default_factory=dict)
    """Options that the name implies, such as the repository of a hub name."""

    instance: Adapter | None = None
    """The adapter itself, if the user passed an object in place of a name."""

    @property
    def options(self) -> type[Any]:
        """Dataclass of the adapter's options."""
        options: type[Any] = getattr(self.cls, "Options", NoOptions)
        return options

    @property
    def summary(self) -> str:
        """Description in one line."""
        return str(getattr(self.cls, "summary", "") or (self.cls.__doc__ or "").strip().partition("\n")[0])

    @property
    def prompts(self) -> str:
        """Name of the adapter's default prompt set."""
        if self.instance is not None:
            return self.instance.prompts
        return str(getattr(self.cls, "prompts", BaseAdapter.prompts))

    @property
    def abilities(self) -> Abilities:
        """Abilities of `instance`, if there is one; else the abilities that objects of the class may have."""
        return read_abilities(self.cls) if self.instance is None else self.instance.abilities

    def complete_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options` together with the options that the entry's name implies (`implied_options`).

        Raises UsageError if they contradict each other.
        """
        for key, value in self.implied_options.items():
            if options.get(key, value) != value:
                raise UsageError(f"--model {value} stands for {key}={value}, found --model-arg {key}={options[key]}")
        return {**self.implied_options, **options}

    def create(self, options: Mapping[str, str], runtime: Runtime) -> Adapter:
        """Create the adapter. Raises UsageError for invalid options or an incomplete adapter."""
        parsed = fill_options(self.options, self.complete_options(options), f"model {self.name}")
        made = self.cls(parsed, runtime)
        if (missing := find_missing_attribute(made)) is not None:
            raise UsageError(f"model {self.name} has no {missing}: call super().__init__(options, runtime) in __init__")
        adapter = wrap_as_adapter(made)
        if self.file_hash is not None and adapter.identity.weights is None:
            adapter.identity = replace(adapter.identity, weights=self.file_hash)
        return adapter


@dataclass(slots=True)
class Catalogue:
    """All installed tasks, ablations and adapters."""

    tasks: dict[str, TaskEntry] = field(default_factory=dict)
    """Tasks by name."""

    ablations: dict[str, AblationCard] = field(default_factory=dict)
    """Ablations by name."""

    _adapters: dict[str, AdapterEntry] | None = None
    broken: dict[str, str] = field(default_factory=dict)
    """Reasons why plug-ins could not be loaded, by name."""

    @property
    def adapters(self) -> dict[str, AdapterEntry]:
        """Adapters by name. Their modules are imported on first access, since lists of tasks do not need them."""
        if self._adapters is None:
            self._adapters = {}
            _scan_adapters(self)
        return self._adapters

    def get_task(self, name: str) -> TaskEntry:
        """Return the entry of a task by its name, or of the task that reads a question file.

        A question file is named as `./birds.csv` or `hf:ORG/NAME`, in stored runs as `file:birds`. Raises UsageError
        for an unknown name and for an ablation, DataError for a file that is not a question file.
        """
        if is_question_file_name(name):
            return _make_file_entry(name)
        if name in self.ablations:
            raise UsageError(f"{name} is an ablation of other tasks: alm-bench noise-ablation runs it")
        if name not in self.tasks:
            path = f" (a file or folder is named by a path: ./{name})" if Path(name).exists() else ""
            raise UsageError(
                f"unknown task {name!r}{self._describe_broken(name)}; known: "
                f"{format_similar_names(name, self.tasks)}{path}"
            )
        return self.tasks[name]

    def find_task(self, name: str) -> TaskEntry | None:
        """Return the entry of a task by the name that a stored run has; None if the task's plug-in is not installed."""
        return self.get_task(name) if name in self.tasks or name.startswith(FILE_PREFIX) else None

    @property
    def collections(self) -> dict[str, list[str]]:
        """Names of the tasks of each collection."""
        found: dict[str, list[str]] = {}
        for name, entry in self.tasks.items():
            if entry.card.collection is not None:
                found.setdefault(entry.card.collection, []).append(name)
        return found

    def expand_names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the tasks that `names` stand for, each once, in order.

        A name of a collection stands for the tasks of the collection. A path of a plug-in's folder stands for the tasks
        of the plug-in, which are added to the catalogue. `mmau_pro` stands for `mmau-pro`, unless there is a task
        `mmau_pro`.
        """
        found = []
        for name in names:
            if is_question_file_name(name) and (cards := _find_plugin_cards(Path(name).expanduser())):
                found += [task for card in cards for task in self._add_folder(card, Path(name).expanduser())]
                continue
            hyphenated = name.replace("_", "-")
            single = hyphenated if name not in self.tasks and hyphenated in self.tasks else name
            found += self.collections.get(name) or [single]
        return list(dict.fromkeys(found))

    def get_adapter(self, name: str) -> AdapterEntry:
        """Return the entry of an adapter by its name.

        `name` is a name in the catalogue, `FILE.py:Class`, `package.module:Class`, or a hub repository (`ORG/NAME`).
        Raises UsageError if there is no such adapter.
        """
        if ":" in name:
            return _load_adapter_class(name)
        if name not in self.adapters and _HUB_ID.fullmatch(name) and (hub := self._find_hub_adapter()) is not None:
            entry, option = hub
            return replace(entry, implied_options={option: name})
        if name not in self.adapters:
            raise UsageError(
                f"unknown model {name!r}{self._describe_broken(name)}; known: "
                f"{format_similar_names(name, self.adapters)} (or ./file.py:Class for your own, ORG/NAME for "
                "one of the hub)"
            )
        return self.adapters[name]

    def _find_hub_adapter(self) -> tuple[AdapterEntry, str] | None:
        """Return the entry of the adapter that runs any hub repository, and the name of its repository option."""
        for entry in self.adapters.values():
            if issubclass(entry.cls, BaseAdapter) and entry.cls.hub_option is not None:
                return entry, entry.cls.hub_option
        return None

    def _add_folder(self, card: Path, folder: Path) -> list[str]:
        """Add the tasks of a plug-in that is not installed, and return their names.

        `card` is the path of its `task.toml`, `folder` the folder that the user named.
        """
        module = _import_folder(card.parent)
        names = []
        for one in read_cards(card):
            if isinstance(one, AblationCard):
                raise UsageError(f"{card}: {one.name} is an ablation: install its package to run it")
            if one.name not in self.tasks or self.tasks[one.name].module != module:
                self.add("tasks", one.name, TaskEntry(one, module, folder=folder), str(card))
            names.append(one.name)
        return names

    def _describe_broken(self, name: str) -> str:
        """Return the reason why a plug-in could not be loaded, as the end of a message; "" if it was loaded."""
        return f" (its plug-in is broken: {self.broken[name]})" if name in self.broken else ""

    def add(self, kind: str, name: str, entry: Any, location: str) -> None:
        """Add an entry to a table of the catalogue. Raises UsageError if the name is already in use.

        `kind` is the attribute that holds the table (`tasks`, `ablations`, `adapters`); `location` names the entry's
        source in errors.
        """
        table: dict[str, Any] = getattr(self, kind)
        if name in table:
            raise UsageError(
                f"{kind[:-1]} name {name!r} is claimed twice, the second time by {location}: uninstall one"
            )
        table[name] = entry


def _make_data_files(entries: Sequence[Mapping[str, Any]]) -> tuple[DataFile, ...]:
    """Convert the tables `files` of a task card."""
    return tuple(
        DataFile(
            role=entry["role"],
            names=tuple(entry["names"]),
            source=entry["source"],
            split=entry.get("split"),
            revisions=entry.get("revisions", {}),
            optional=entry.get("optional", False),
            fetch=_build_download_source(entry.get("fetch"), entry["names"][0]),
        )
        for entry in entries
    )


def _build_download_source(entry: Mapping[str, Any] | None, folder: str | None = None) -> DownloadSource | None:
    """Convert a table `fetch` of a task card to a download source; None without a table.

    `folder` is the target path (`to`) if the table names none.
    """
    return None if entry is None else DownloadSource(**({} if folder is None else {"to": folder}) | dict(entry))


def read_cards(path: Path) -> list[TaskCard | AblationCard]:
    """Return the cards of a `task.toml`. Each table below [tasks] is one card, with the table [card] as its defaults.

    Raises UsageError for an invalid file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        cards: list[TaskCard | AblationCard] = []
        for name, own in document["tasks"].items():
            table = {**document["card"], **own}
            if table.get("kind") == "ablation":
                cards.append(_make_ablation_card(name, table, path.parent))
                continue
            lists: dict[str, Any] = {key: tuple(table.pop(key)) for key in ("splits", "metrics", "groups", "audio")}
            lists["answer_tags"] = tuple(table.pop("answer_tags", ()))
            lists["pairs"] = tuple(PairSpec(**entry) for entry in table.pop("pairs", ()))
            files, audio = _make_data_files(table.pop("files")), _build_download_source(table.pop("audio_fetch", None))
            cards.append(TaskCard(name=name, files=files, folder=path.parent, audio_fetch=audio, **lists, **table))
    except KeyError as error:
        raise UsageError(f"{path}: not a task card: {error} is missing") from error
    except (OSError, ValueError, AttributeError, TypeError) as error:  # a TOMLDecodeError is a ValueError
        raise UsageError(f"{path}: not a task card: {error}") from error
    return cards


def _make_ablation_card(name: str, table: dict[str, Any], folder: Path) -> AblationCard:
    lists: dict[str, Any] = {key: tuple(table.pop(key)) for key in ("bases", "conditions")}
    return AblationCard(name=name, folder=folder, **lists, **{k: v for k, v in table.items() if k != "kind"})


def _find_package_folder(name: str) -> Path:
    """Return the folder of an installed package. Raises UsageError if it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"{name} is not installed: run `pip install -e .` in the checkout")
    return Path(next(iter(spec.submodule_search_locations)))


def _scan_tasks(catalogue: Catalogue) -> None:
    """Add all installed tasks and ablations to the catalogue; broken ones are added to `broken`."""
    homes = {
        f"alm_bench.tasks.{folder.name}": folder.name
        for folder in sorted(_find_package_folder("alm_bench.tasks").iterdir())
        if (folder / "task.toml").is_file()
    } | {point.value: point.name for point in entry_points(group="alm_bench.tasks")}
    for module, name in homes.items():
        try:
            cards = read_cards(_find_package_folder(module) / "task.toml")
        except Exception as error:  # noqa: BLE001  finding a package runs its parents' code
            catalogue.broken[name] = describe_error(error)
            continue
        for card in cards:
            if isinstance(card, AblationCard):
                catalogue.add("ablations", card.name, card, module)
            else:
                catalogue.add("tasks", card.name, TaskEntry(card, module), module)


_FILE_TASK = "alm_bench.tasks.own_file"


def is_question_file_name(name: str) -> bool:
    """Return True if a task's name stands for a question file instead of a task of the catalogue.

    Such names are paths (`./birds.csv`), hub data sets (`hf:ORG/NAME`), and names of such tasks in stored runs
    (`file:birds`).
    """
    if name.startswith((FILE_PREFIX, "hf:", "./", "../", "/", "~")):
        return True
    return "/" in name or name in (".", "..") or name.lower().endswith(TABLE_SUFFIXES)


def _make_file_entry(name: str) -> TaskEntry:
    """Return the entry of the task whose questions come from the file `name`. Raises DataError if it does not exist."""
    (card,) = read_cards(_find_package_folder(_FILE_TASK) / "card.toml")
    named: TaskCard = importlib.import_module(f"{_FILE_TASK}.plugin").make_card(card, name)
    return TaskEntry(named, _FILE_TASK, {} if name.startswith(FILE_PREFIX) else {"path": name})


def _find_plugin_cards(folder: Path) -> list[Path]:
    """Return the cards of the plug-ins in a folder: its own `task.toml`, or those of the packages in it."""
    own = folder / "task.toml"
    if own.is_file():
        return [own]
    return sorted([*folder.glob("*/task.toml"), *folder.glob("src/*/task.toml")]) if folder.is_dir() else []


def _import_folder(folder: Path) -> str:
    """Import the package in a folder that is not installed, and return the module's name. Raises UsageError."""
    folder = folder.resolve()
    name = f"alm_bench_folder_{derive_integer(str(folder)):016x}"
    if name in sys.modules:
        return name
    if not (folder / "plugin.py").is_file():
        raise UsageError(f"{folder} has a task.toml and no plugin.py: expected both (`alm-bench new task` writes them)")
    if (parent := str(folder.parent)) not in sys.path:
        sys.path.append(parent)  # last, so that the package finds itself and nothing is shadowed
    start = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, start) if start.is_file() else None
    spec = ModuleSpec(name, None, is_package=True) if spec is None else spec
    spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
        importlib.import_module(f"{name}.plugin")
    except Exception as error:  # its code may raise anything
        del sys.modules[name]
        raise UsageError(f"cannot import {folder}: {describe_error(error)}") from error
    return name


def _iterate_own_adapters() -> Iterator[tuple[str, type[Any], str]]:
    """Yield name, class and module of the adapters of this repository."""
    for found in pkgutil.iter_modules([str(_find_package_folder("alm_bench.adapters"))]):
        if not found.name.startswith("_"):
            module = importlib.import_module(f"alm_bench.adapters.{found.name}")
            yield from ((name, cls, module.__name__) for name, cls in module.ADAPTERS.items())


def list_adapter_names() -> list[str]:
    """Return the names of all adapters without importing those of other packages, which may take long."""
    return [
        *(name for name, _, _ in _iterate_own_adapters()),
        *(p.name for p in entry_points(group="alm_bench.adapters")),
    ]


def _scan_adapters(catalogue: Catalogue) -> None:
    """Add all installed adapters to the catalogue; broken ones are added to `broken`."""
    for name, cls, module in _iterate_own_adapters():
        catalogue.add("adapters", name, AdapterEntry(name, cls), module)
    for point in entry_points(group="alm_bench.adapters"):
        try:
            cls = _check_adapter_class(point.load(), point.value)
        except Exception as error:  # noqa: BLE001  whatever a plug-in's code raises is its reason in the list
            catalogue.broken[point.name] = describe_error(error)
            continue
        catalogue.add("adapters", point.name, AdapterEntry(point.name, cls), point.value)


def _check_adapter_class(value: Any, location: str) -> type[Any]:
    """Return `value` if it is an adapter class. Raises UsageError otherwise, or if its `Options` is not a dataclass."""
    if not isinstance(value, type) or not callable(getattr(value, "generate", None)):
        raise UsageError(f"{location} is no class with generate(): derive it from alm_bench.core.BaseAdapter")
    if not is_dataclass(getattr(value, "Options", NoOptions)):
        raise UsageError(f"{location}: Options is not a dataclass")
    return value


@cache
def catalogue() -> Catalogue:
    """Return the catalogue of everything that is installed. It is cached, since plug-ins do not change within a
    process."""
    found = Catalogue()
    _scan_tasks(found)
    return found


def _import_file(path: Path) -> ModuleType:
    """Import a Python file by its path. Raises UsageError if that is not possible."""
    if not path.is_file():
        raise UsageError(f"no such file: {path} (a model of your own is named as ./file.py:Class)")
    name = f"alm_bench_file_{path.stem}"  # the file may have the name of a library that it imports
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up by name
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)  # last, so that the file's neighbours are found and nothing is shadowed
    spec.loader.exec_module(module)
    return module


def _load_adapter_class(name: str) -> AdapterEntry:
    """Return the entry of an adapter class by `FILE.py:Class` or `package.module:Class`. Raises UsageError if there is
    none."""
    place, _, attribute = name.rpartition(":")
    is_file = place.endswith(".py") or "/" in place
    if not is_file and not all(part.isidentifier() for part in place.split(".")):
        raise UsageError(f"--model takes a name, ./file.py:Class or package.module:Class, found {name!r}")
    try:
        module = _import_file(Path(place).expanduser()) if is_file else importlib.import_module(place)
    except UsageError:
        raise
    except Exception as error:  # its code may raise anything
        raise UsageError(f"cannot import {place}: {describe_error(error)}") from error
    cls = getattr(module, attribute, None)
    if not isinstance(cls, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(f"{place} has no class {attribute!r}; it has: {format_similar_names(attribute, classes)}")
    _check_adapter_class(cls, name)
    source = compute_sha256(Path(place).expanduser()) if is_file else None
    return AdapterEntry(attribute, cls, source)
