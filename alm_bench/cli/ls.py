"""`alm-bench ls`: list installed tasks, models and other extensions, and runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer, complete_tasks
from alm_bench.cli.output import print_blocks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.options import check_choice
from alm_bench.records.find import RUNS
from alm_bench.resolve import select_tasks

if TYPE_CHECKING:
    from alm_bench.records.run import SkippedFolder
    from alm_bench.runner.conditions import Condition


KINDS = ("tasks", "models", "runs", "conditions", "metrics", "judges", "objectives", "rewards")
Row = dict[str, Any]


def ls(
    what: Annotated[
        str,
        typer.Argument(
            metavar=f"[{'|'.join(KINDS)}]", help="What to list.", autocompletion=build_choices_completer(*KINDS)
        ),
    ] = "tasks",
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="T[,T]", help="Only these tasks or collections, and their runs.", autocompletion=complete_tasks
        ),
    ] = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """List tasks, models, runs and what else is installed.

    Conditions are those of `noise-ablation`, judges the presets of `--judge-preset`, objectives and rewards those of
    `train`. Lists include installed plug-ins; those that cannot be loaded are named on standard error.
    """
    check_choice(what, KINDS, "ls")
    left_out: list[Any] = []
    broken: Mapping[str, str] = {}
    if what == "runs":
        rows, left_out = _list_runs(out)
    else:
        rows, broken = _INSTALLED[what]()
    if tasks is not None:
        if what not in ("tasks", "runs"):
            raise UsageError(f"--tasks goes with tasks and runs, found ls {what}")
        names = {entry.card.name for entry in select_tasks(tasks, "--tasks")}
        rows = [row for row in rows if row["task"].removesuffix(" (demo)") in names]
    common.print_skipped_folders(left_out)
    for name, reason in broken.items():
        print_notice(f"plug-in {name} is broken: {reason}")
    if json_:
        listed = [{key: value for key, value in row.items() if key != "result"} for row in rows]
        beside = {"left_out": [one.as_json() for one in left_out]} if what == "runs" else {"broken": dict(broken)}
        common.print_json({what: listed, **beside})
        return
    from alm_bench.reports.listing import build_listing

    if rows:
        print_blocks([build_listing(what, rows)])
    else:
        print(f"no {what}")


def _list_tasks() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per task, and the reasons why plug-ins could not be loaded, by plug-in name."""
    from alm_bench.plugins import catalogue

    rows = [
        {
            "task": name,
            "kind": entry.card.kind,
            "splits": ", ".join(entry.card.splits),
            "what": entry.card.summary,
            "source": entry.card.source,
        }
        for name, entry in sorted(catalogue().tasks.items())
    ] + [
        {
            "task": name,
            "kind": "ablation",
            "splits": "-",
            "what": f"{card.summary} (of {', '.join(card.bases)}; alm-bench noise-ablation)",
            "source": card.paper,
        }
        for name, card in sorted(catalogue().ablations.items())
    ]
    return rows, catalogue().broken


def _list_models() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per model, and the reasons why plug-ins could not be loaded, by plug-in name."""
    import dataclasses

    from alm_bench.plugins import catalogue

    rows = []
    for name, entry in sorted(catalogue().adapters.items()):
        known = [field.name for field in dataclasses.fields(entry.options)]
        scores = "yes" if entry.abilities.loglikelihood else "no"
        rows.append(
            {
                "model": name,
                "options": ", ".join(known) or "-",
                "prompts": entry.prompts,
                "scores options": scores,
                "what": entry.summary,
            }
        )
    return rows, catalogue().broken  # read after loading, which reveals the broken ones


def _list_conditions() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per condition, and the reasons why plug-ins could not be loaded, by plug-in name."""
    from alm_bench.plugins import catalogue
    from alm_bench.runner.conditions import CLEAN, load_condition_classes

    registry = load_condition_classes()
    defaults = [name for card in catalogue().ablations.values() for name in card.conditions]
    rows = [
        {
            "condition": name,
            "audio": "no evidence" if cls.silent else "changed" if _changes_clips(cls) else "as it is",
            "random": "yes" if cls.random else "no",
            "default": ", ".join(one for one in defaults if one.partition(":")[0] == cls.kind) or "-",
            "what": cls.title or (cls.__doc__ or "").strip().partition("\n")[0],
        }
        for cls in registry.entries.values()
        for name in cls.examples or (cls.kind,)
        if name != CLEAN
    ]
    return rows, registry.broken


def _changes_clips(condition: "type[Condition]") -> bool:
    from alm_bench.runner.conditions.base import Condition

    return condition.change is not Condition.change or condition.requests is not Condition.requests


def _list_metrics() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per metric, and the reasons why plug-ins could not be loaded, by plug-in name."""
    from alm_bench.scoring.metrics import OPEN, list_broken_metrics, list_metric_specs

    specs = list_metric_specs()
    rows = [
        {
            "metric": name,
            "title": spec.title,
            "better": "higher" if spec.higher_is_better else "lower",
            "scale": spec.scale,
            "computed": "by tasks" if spec.compute is None else "by default" if spec.by_default else "if named",
            "what": spec.description,
        }
        for name, spec in specs.items()
        if name.removeprefix(OPEN) == name or name.removeprefix(OPEN) not in specs
    ]
    return rows, list_broken_metrics()


def _list_objectives() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per objective, and the reasons why plug-ins could not be loaded, by plug-in name."""
    try:
        from alm_bench.train.objectives import load_objective_classes
    except ModuleNotFoundError as error:
        raise UsageError(
            f"ls objectives needs {error.name}, which is not installed: pip install {error.name}"
        ) from error
    registry = load_objective_classes()
    return [{"objective": name, "what": cls.title} for name, cls in registry.entries.items()], registry.broken


def _list_rewards() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per reward, and the reasons why plug-ins could not be loaded, by plug-in name."""
    from alm_bench.train.rewards import load_reward_classes

    registry = load_reward_classes()
    return [{"reward": name, "what": cls.title} for name, cls in registry.entries.items()], registry.broken


def _list_judges() -> tuple[list[Row], Mapping[str, str]]:
    """Return one table row per judge preset, and the reasons why plug-ins could not be loaded, by plug-in name."""
    from alm_bench.judges import load_presets

    registry = load_presets()
    rows = [
        {"preset": name, "version": preset.version, "prompt": preset.hash, "what": preset.title}
        for name, preset in registry.entries.items()
    ]
    return rows, registry.broken


_INSTALLED = {
    "tasks": _list_tasks,
    "models": _list_models,
    "conditions": _list_conditions,
    "metrics": _list_metrics,
    "judges": _list_judges,
    "objectives": _list_objectives,
    "rewards": _list_rewards,
}


def _list_runs(out: Path) -> tuple[list[dict[str, Any]], "list[SkippedFolder]"]:
    """Return one row per run in the folder `out`, and the folders that cannot be read."""
    from alm_bench.records.run import find_run_folders, read_folders

    folders, closed = find_run_folders(out)
    rows, damaged = read_folders(folders, _build_run_row)
    return rows, [*closed, *damaged]


def _build_run_row(folder: Path) -> dict[str, Any]:
    from alm_bench.records.run import is_finished
    from alm_bench.records.store import read_header, read_summary
    from alm_bench.reports.figures import build_metric_cell
    from alm_bench.reports.listing import build_result_cell
    from alm_bench.reports.provenance import format_task, format_task_with_revision

    header = read_header(folder)
    run = read_summary(folder)[0] if is_finished(folder) else None
    return {
        "run": folder.name,
        "task": format_task(format_task_with_revision(header.task.name, header.data.revision), header.data.kind),
        "model": header.identity.label,
        "items": header.items,
        "accuracy": "not finished" if run is None else build_metric_cell(run.metrics.get("accuracy"), "accuracy").text,
        "result": build_result_cell(run),
    }
