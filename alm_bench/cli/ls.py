"""`alm-bench ls`: what is installed and what was run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.output import print_blocks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.options import one_of
from alm_bench.records.find import RUNS
from alm_bench.resolve import task_entries

if TYPE_CHECKING:
    from alm_bench.records.run import LeftOut


def ls(
    what: Annotated[str, typer.Argument(metavar="tasks|models|runs", help="What to list.")] = "tasks",
    tasks: Annotated[
        str | None, typer.Option(metavar="T[,T]", help="Only these tasks or collections, and their runs.")
    ] = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """List tasks, models or runs."""
    one_of(what, ("tasks", "models", "runs"), "ls")
    rows, left_out = _runs(out) if what == "runs" else ({"tasks": _tasks, "models": _models}[what](), [])
    if tasks is not None:
        if what == "models":
            raise UsageError("--tasks goes with tasks and runs, found ls models")
        names = {entry.card.name for entry in task_entries(tasks, "--tasks")}
        rows = [row for row in rows if row["task"].removesuffix(" (demo)") in names]
    common.report_left_out(left_out)
    if json_:
        listed = [{key: value for key, value in row.items() if key != "result"} for row in rows]
        beside = {"left_out": [one.as_json() for one in left_out]} if what == "runs" else {}
        common.print_json({what: listed, **beside})
        return
    from alm_bench.reports.listing import build_listing

    if rows:
        print_blocks([build_listing(what, rows)])
    else:
        print(f"no {what}")


def _broken() -> None:
    from alm_bench.plugins import catalogue

    for name, reason in catalogue().broken.items():
        print_notice(f"plug-in {name} is broken: {reason}")


def _tasks() -> list[dict[str, Any]]:
    from alm_bench.plugins import catalogue

    _broken()
    return [
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


def _models() -> list[dict[str, Any]]:
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
    _broken()  # after they were loaded: until then nobody knows which of them cannot be
    return rows


def _runs(out: Path) -> tuple[list[dict[str, Any]], "list[LeftOut]"]:
    from alm_bench.records.run import find_run_folders, read_each

    folders, closed = find_run_folders(out)
    rows, damaged = read_each(folders, _row_of_run)
    return rows, [*closed, *damaged]


def _row_of_run(folder: Path) -> dict[str, Any]:
    from alm_bench.records.run import finished
    from alm_bench.records.store import read_header, read_summary
    from alm_bench.reports.figures import metric_cell
    from alm_bench.reports.listing import result_cell
    from alm_bench.reports.provenance import format_task

    header = read_header(folder)
    run = read_summary(folder)[0] if finished(folder) else None
    return {
        "run": folder.name,
        "task": format_task(header.task.name, header.data.kind),
        "model": header.identity.label,
        "items": header.items,
        "accuracy": "not finished" if run is None else metric_cell(run.metrics.get("accuracy"), "accuracy").text,
        "result": result_cell(run),
    }
