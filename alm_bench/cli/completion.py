"""Shell completion of names (tasks, models, runs, metrics, ...) and of paths.

Each function takes the text typed so far and returns the values that complete it. The shell starts a new process at
each press of Tab. Names are therefore found without loading models or data, and nothing is printed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from alm_bench.core import AlmBenchError
from alm_bench.records.find import LATEST, RUNS

Completer = Callable[[str], list[str]]


def _select_matching(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _complete_list_entry(names: Iterable[str], incomplete: str) -> list[str]:
    """Complete the last entry of the comma-separated list `incomplete`, with `names` that are not yet in it."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in _select_matching(names, last) if name not in taken]


def _list_task_names() -> list[str]:
    from alm_bench.plugins import catalogue

    tasks = catalogue().tasks
    return [*tasks, *(entry.card.collection for entry in tasks.values() if entry.card.collection)]


def complete_tasks(incomplete: str) -> list[str]:
    """Complete a comma-separated list of tasks and collections."""
    try:
        return _complete_list_entry(_list_task_names(), incomplete)
    except AlmBenchError:
        return []


def complete_data_get(incomplete: str) -> list[str]:
    """Complete the first argument of `data get`: tasks, collections, `all`, `spice` or `metric`."""
    return sorted({*complete_tasks(incomplete), *_select_matching(("all", "spice", "metric"), incomplete)})


def complete_models(incomplete: str) -> list[str]:
    """Complete names of models, and paths of the user's Python files."""
    from alm_bench.plugins import list_adapter_names

    try:
        return [
            *_select_matching(list_adapter_names(), incomplete),
            *(complete_files(incomplete, (".py",)) if incomplete else ()),
        ]
    except AlmBenchError:
        return []


def complete_data(incomplete: str) -> list[str]:
    """Complete the value of `--data`: `auto`, `demo`, `hub` or a folder."""
    return [*_select_matching(("auto", "demo", "hub"), incomplete), *complete_files(incomplete, ())]


def complete_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Complete names of runs in the folder given by `--out`, and paths of run folders."""
    out = Path(context.params.get("out") or RUNS)
    try:
        names = [folder.parent.name for folder in out.glob("*/run.json")]
    except OSError:
        names = []
    found = _select_matching([*names, *([LATEST] if names else ())], incomplete)
    return found or (complete_files(incomplete, ()) if "/" in incomplete else [])


def complete_suites(incomplete: str) -> list[str]:
    """Complete paths of TOML files."""
    return complete_files(incomplete, (".toml",))


def complete_recipes(incomplete: str) -> list[str]:
    """Complete names of bundled training recipes and paths of TOML files."""
    from alm_bench.train.config import CONFIGS

    return [*_select_matching([file.stem for file in CONFIGS.glob("*.toml")], incomplete), *complete_suites(incomplete)]


def complete_metrics(incomplete: str) -> list[str]:
    """Complete a comma-separated list of metrics that are computed from sentences."""
    from alm_bench.scoring.metrics import list_metric_specs

    try:
        return _complete_list_entry(
            [name for name, spec in list_metric_specs().items() if spec.compute is not None], incomplete
        )
    except AlmBenchError:
        return []


def complete_judge_presets(incomplete: str) -> list[str]:
    """Complete the name of a judge preset."""
    from alm_bench.judges import load_presets

    try:
        return [name for name in load_presets().entries if name.startswith(incomplete)]
    except AlmBenchError:
        return []


def complete_conditions(incomplete: str) -> list[str]:
    """Complete a comma-separated list of conditions."""
    from alm_bench.runner.conditions import CLEAN, load_condition_classes

    try:
        entries = load_condition_classes().entries
    except AlmBenchError:
        return []
    names = [name for cls in entries.values() for name in (cls.examples or (cls.kind,)) if name != CLEAN]
    return _complete_list_entry(names, incomplete)


def complete_trackers(incomplete: str) -> list[str]:
    """Complete names of experiment trackers."""
    from alm_bench.tracking import list_trackers

    return _select_matching(list_trackers(), incomplete)


def complete_export_formats(incomplete: str) -> list[str]:
    """Complete names of export formats."""
    from alm_bench.export.format import list_formats

    return _select_matching(list_formats(), incomplete)


def build_choices_completer(*known: str) -> Completer:
    """Return a completion function for an option whose only values are `known`."""
    return lambda incomplete: _select_matching(known, incomplete)


def complete_files(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    """Complete paths of folders, to which `/` is appended, and of files with one of `suffixes`."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        entries = sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
    except OSError:
        return []
    return [
        f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(start)
        and (start or not entry.name.startswith("."))
        and (entry.is_dir() or entry.suffix in suffixes)
    ]
