"""Suites: models x tasks x options from a TOML file, which is checked as a whole before any run. See docs/suites.md."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from alm_bench.core import AlmBenchError, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.jobs import resolve_jobs
from alm_bench.plugins import catalogue
from alm_bench.runner.options import RunOptions

COMMAND_OPTIONS = ("model", "tasks", "adapter", "out", "fresh")
"""Options of a run that no table of a suite may set: names are keys of tables, the others belong to the command
line."""

OPTIONS = tuple(field.name for field in fields(RunOptions) if field.name not in COMMAND_OPTIONS)
"""Options that the tables of a suite may set."""

TABLES = ("defaults", "models", "tasks", "overrides")
"""Top-level tables of a suite."""

SUITE_WIDE_OPTIONS = ("max_cost", "max_failures")
"""Options that apply to all runs together, and may therefore be set only in [defaults]."""

PAIRS = ("model_arg", "task_arg")
"""Options whose value is a table."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """Tables of a suite as they are in the file. Models and tasks are in the order of the file."""

    defaults: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]
    overrides: Sequence[Mapping[str, Any]]


class _ErrorList(list[str]):
    """List of all errors in a suite, one line per error, without duplicates."""

    fatal = False
    """True if, because of an error, the list of runs cannot be determined."""

    def add(self, fault: str) -> None:
        """Add an error unless it is already listed."""
        if fault not in self:
            self.append(fault)


def read_suite(path: Path, out: Path, fresh: bool = False) -> list[RunOptions]:
    """Return the options of all runs of a suite, model by model.

    Raises UsageError, whose message lists all errors of the suite in one line.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    faults = _ErrorList()
    tables = _read_tables(document, faults)
    members = [] if faults.fatal else _expand_members(tables, out, fresh, faults)
    if faults:
        _check_names(tables, faults)
    else:
        _check_members(members, faults)
    if faults:
        count = f"{len(faults)} errors" if len(faults) > 1 else "1 error"
        raise UsageError(f"{path.name}: {count}: {'; '.join(faults)}")
    return members


def _read_tables(document: Mapping[str, Any], faults: _ErrorList) -> _Tables:
    """Return the tables of a suite, and report malformed ones."""
    for key in document:
        if key not in TABLES:
            faults.add(f"unknown table or key {key!r}, known: {format_similar_names(key, TABLES)}")
    tables = {name: document.get(name, {}) for name in ("defaults", "models", "tasks")}
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            faults.add(f"{name} is not a table, expected [{name}]")
            tables[name] = {}
    overrides = document.get("overrides", [])
    if not isinstance(overrides, list) or not all(isinstance(one, Mapping) for one in overrides):
        faults.add("overrides are not tables, expected [[overrides]]")
        overrides = []
    for name in ("models", "tasks"):
        if not tables[name]:
            faults.add(f"found no [{name}.NAME], expected one or more")
        for key, table in tables[name].items():
            if not isinstance(table, Mapping):
                faults.add(f"{name}.{key} is not a table, expected [{name}.{key}]")
        tables[name] = {key: table for key, table in tables[name].items() if isinstance(table, Mapping)}
    found = _Tables(tables["defaults"], tables["models"], tables["tasks"], overrides)
    _check_keys(found, faults)
    return found


def _check_keys(tables: _Tables, faults: _ErrorList) -> None:
    """Report unknown keys, invalid seeds, and overrides for models or tasks that are not in the suite."""
    own = tuple(name for name in OPTIONS if name not in SUITE_WIDE_OPTIONS)
    places = [("defaults", tables.defaults, (*OPTIONS, "seeds"))]
    places += [(f"models.{key}", table, (*own, "seeds", "model")) for key, table in tables.models.items()]
    places += [(f"tasks.{key}", table, (*own, "seeds", "task")) for key, table in tables.tasks.items()]
    places += [(f"overrides[{i}]", one, (*own, "model", "task")) for i, one in enumerate(tables.overrides, 1)]
    for place, table, takes in places:
        for key in table:
            if key.replace("-", "_") not in takes:
                faults.add(f"{place}: unknown key {key!r}, known: {format_similar_names(key, takes, limit=4)}")
    for place, table, _ in places:
        seeds = _as_list(table.get("seeds", [0]))
        whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
        if not seeds or not whole or len(set(seeds)) < len(seeds):
            faults.fatal = True
            faults.add(f"{place}: seeds takes different whole numbers, one or more, found {table['seeds']!r:.60}")
        key = place.partition("s.")[0]
        if key in ("model", "task") and not isinstance(table.get(key, ""), str):
            faults.fatal = True
            faults.add(f"{place}: {key} takes a name, found {table[key]!r:.60}")
    for number, one in enumerate(tables.overrides, 1):
        for key, names in (("model", tables.models), ("task", tables.tasks)):
            for name in _as_list(one.get(key, [])):
                if not isinstance(name, str) or name not in names:
                    known = format_similar_names(str(name), names)
                    faults.add(f"overrides[{number}]: {key} {name!r} is not in the suite, known: {known}")


def _as_list(value: Any) -> list[Any]:
    """Return a value as a list."""
    return value if isinstance(value, list) else [value]


def _expand_members(tables: _Tables, out: Path, fresh: bool, faults: _ErrorList) -> list[RunOptions]:
    """Return the options of every model on every task with every seed.

    Options are taken from the suite's defaults, the model's table, the task's table and matching overrides. Options of
    later tables in this order replace those of earlier ones.
    """
    members = []
    for model, own in tables.models.items():
        for task, theirs in tables.tasks.items():
            chosen = [tables.defaults, own, theirs]
            chosen += [one for one in tables.overrides if _is_override_for(one, model, task)]
            values = _merge_tables(chosen)
            names = values.pop("model", model), values.pop("task", task)
            seeds = values.pop("seeds", None)
            for seed in [values.get("seed", 0)] if seeds is None else _as_list(seeds):
                found = _make_member(names, {**values, "seed": seed}, faults)
                members += [RunOptions(out=out, fresh=fresh, **found)]
    for member in members:
        for fault in member.find_wrong_types():
            faults.add(fault)
    # Runs of the same model and seed are grouped, so that each model is loaded once per seed.
    order = {name: number for number, name in enumerate(dict.fromkeys((one.model, one.seed) for one in members))}
    return sorted(members, key=lambda one: order[one.model, one.seed])


def _is_override_for(override: Mapping[str, Any], model: str, task: str) -> bool:
    """Return True if an override applies to a model and a task."""
    return all(
        name not in override or own in _as_list(override[name]) for name, own in (("model", model), ("task", task))
    )


def _merge_tables(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of several tables; later ones replace earlier ones.

    Options that are tables themselves are merged key by key. The keys `model` and `task` are read only from the tables
    of models and tasks (the second and third table).
    """
    values: dict[str, Any] = {}
    for number, table in enumerate(tables):
        for key, value in table.items():
            name = key.replace("-", "_")
            if name in ("model", "task") and number not in (1, 2):
                continue
            both = name in PAIRS and isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
            values[name] = {**values[name], **value} if both else value
    return values


def _make_member(names: tuple[Any, Any], values: Mapping[str, Any], faults: _ErrorList) -> dict[str, Any]:
    """Return the options of one member of a suite, which is one run; `names` are its model and its task.

    Tables and numbers of TOML are converted to the types of the options. Errors are added to `faults`."""
    model, task = names
    taken = {name: value for name, value in values.items() if name in OPTIONS}
    for name in PAIRS:
        given: Any = taken.get(name)
        if isinstance(given, Mapping):
            prefix = f"{task}." if name == "task_arg" else ""
            taken[name] = [f"{prefix}{key}={_as_text(value)}" for key, value in given.items()]
        elif taken.pop(name, None) is not None:
            faults.add(f"{name} takes a table of options, found {given!r:.60}")
    for name in ("batch_size", "max_failures"):
        if isinstance(taken.get(name), int) and not isinstance(taken[name], bool):
            taken[name] = str(taken[name])
    for name in ("answer_tag", "conditions"):
        if isinstance(taken.get(name), str):
            taken[name] = [taken[name]]
    return {"model": model, "tasks": task, **taken}


def _as_text(value: Any) -> str:
    """Return a TOML value as the text of an option."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_members(members: Sequence[RunOptions], faults: _ErrorList) -> None:
    """Report all unknown models and tasks, invalid values and missing data."""
    known = set(_iterate_known_models(members, faults))
    for member in members:
        if member.model not in known:
            continue
        try:
            resolve_jobs(member)
        except AlmBenchError as error:
            faults.add(str(error))


def _check_names(tables: _Tables, faults: _ErrorList) -> None:
    """Report unknown models and tasks even if the suite has other errors, so that all errors are reported together."""
    for kind, table, find in (
        ("model", tables.models, catalogue().get_adapter),
        ("task", tables.tasks, catalogue().get_task),
    ):
        for name, own in table.items():
            try:
                for each in (
                    [own.get(kind, name)] if kind == "model" else catalogue().expand_names([own.get(kind, name)])
                ):
                    find(each)
            except (UsageError, TypeError) as error:
                faults.add(str(error))


def _iterate_known_models(members: Sequence[RunOptions], faults: _ErrorList) -> Iterator[str]:
    """Yield the known models of the suite, and report the unknown ones."""
    for model in dict.fromkeys(member.model for member in members):
        try:
            catalogue().get_adapter(model)
        except UsageError as error:
            faults.add(str(error))
        else:
            yield model
