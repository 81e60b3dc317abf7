"""`alm-bench data`: what of a task's data is there, and where the rest comes from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common, data_get
from alm_bench.core import DataRoot
from alm_bench.core.escape import escape_terminal

if TYPE_CHECKING:
    from alm_bench.data import DataReport
    from alm_bench.plugins import TaskEntry

app = typer.Typer(help="Show, verify and download the data of tasks.", no_args_is_help=True)
app.command("get")(data_get.get)

TaskArgument = Annotated[
    str | None, typer.Argument(metavar="[TASK[,TASK]]", help="Tasks or collections (cld). [default: all]")
]
Split = Annotated[str | None, typer.Option(help="Split. [default: each task's first]")]


@app.command()
def info(
    task: TaskArgument = None, data: common.DataChoice = "auto", split: Split = None, json_: common.Json = False
) -> None:
    """Show the folder layout that a task expects, which files are present, and where to get the others."""
    _print([_report(entry, data, split, headers=False) for entry in common.task_entries(task, "data info")], json_)


@app.command()
def verify(
    task: TaskArgument = None, data: common.DataChoice = "auto", split: Split = None, json_: common.Json = False
) -> None:
    """Like info, and open every clip. Exits 1 if something that a run needs is missing or unreadable."""
    reports = [_report(entry, data, split, headers=True) for entry in common.task_entries(task, "data verify")]
    _print(reports, json_)
    if not all(report["complete"] for report in reports):
        raise typer.Exit(1)


def _report(entry: "TaskEntry", choice: str, named: str | None, headers: bool) -> dict[str, Any]:
    from alm_bench.data import inspect

    split = common.pick_split(entry, named)
    root = common.resolve_data(entry, split, common.named_folder(choice), {})
    needed = [file for file in entry.card.files if file.split == split]
    clips = common.clips(entry, root, split) if any(root.has(file) for file in needed) else []
    return _as_json(entry, split, root, inspect(entry.card, root, clips, split=split, headers=headers))


def _as_json(entry: "TaskEntry", split: str, root: DataRoot, report: "DataReport") -> dict[str, Any]:
    return {
        "task": report.task,
        "split": split,
        "data": root.kind,
        "folder": str(report.root),
        "complete": report.complete and report.clips.total > 0,
        "files": [
            {
                "role": found.file.role,
                "split": found.file.split,
                "place": found.file.names[0],
                "optional": found.file.optional,
                "path": None if found.path is None else str(found.path),
                "bytes": found.size,
                "sha256": found.sha256,
                "revision": found.path and (root.version() or found.revision),
                "source": found.file.source,
            }
            for found in report.files
        ],
        "clips": {
            "layout": [place.replace("<split>", split) for place in entry.card.audio],
            "source": entry.card.audio_source or entry.card.source,
            "total": report.clips.total,
            "present": report.clips.present,
            "missing": list(report.clips.missing),
            "missing_paths": [str(path) for path in report.clips.missing_paths],
            "unreadable": dict(report.clips.unreadable),
        },
    }


def _print(reports: list[dict[str, Any]], json_: bool) -> None:
    from alm_bench.reports.tables import markdown

    if json_:
        common.print_json({"tasks": reports})
        return
    rows = [row for report in reports for row in _rows(report)]
    print(markdown(["task", "place below the data folder", "there", "revision", "sha256", "where it comes from"], rows))
    for report in reports:
        print("\n" + "\n".join(map(escape_terminal, _lines(report))))


SHOWN = 5
"""Missing and unreadable clips that are named, of each kind."""


def _lines(report: dict[str, Any]) -> list[str]:
    """Where everything was found, and where what is missing was looked for."""
    demo = "the built-in demo world, " if report["data"] == "demo" else ""
    lines = [f"{report['task']}: {demo}{report['folder']}"]
    for file in report["files"]:
        place = file["path"] or f"missing: {Path(report['folder']) / file['place']}"
        lines.append(f"  {file['role']}: {place}{' (optional)' if file['optional'] else ''}")
    clips = report["clips"]
    pairs = list(zip(clips["missing"], clips["missing_paths"], strict=True))
    lines += [f"  missing clip {clip}: {path}" for clip, path in pairs[:SHOWN]]
    if len(pairs) > SHOWN:
        lines.append(f"  ... {len(pairs) - SHOWN} more clips are missing")
    lines += [f"  unreadable clip {clip}: {reason}" for clip, reason in list(clips["unreadable"].items())[:SHOWN]]
    return lines


def _rows(report: dict[str, Any]) -> list[list[str]]:
    rows = []
    for file in report["files"]:
        there = f"{file['bytes']:,} bytes" if file["path"] else ("no (optional)" if file["optional"] else "NO")
        digest = (file["sha256"] or "-")[:12]
        rows.append([report["task"], file["place"], there, file["revision"] or "-", digest, file["source"]])
    clips = report["clips"]
    there = f"{clips['present']} of {clips['total']} clips" if clips["total"] else "not looked for"
    rows.append([report["task"], " or ".join(clips["layout"]), there, "-", "-", clips["source"]])
    return rows
