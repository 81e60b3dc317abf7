"""`alm-bench data`: show which files of a task are present, check them, and download missing ones. The commands of
training rows are in `synthesize.py`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common, data_get, synthesize
from alm_bench.cli.output import print_blocks, print_text
from alm_bench.core import DataRoot, UsageError
from alm_bench.resolve import pick_split, resolve_data, resolve_data_choice, select_tasks

if TYPE_CHECKING:
    from alm_bench.data import DataReport
    from alm_bench.plugins import TaskEntry

app = typer.Typer(
    help="Show, verify and download data; write training rows.",
    no_args_is_help=True,
)
app.command("get")(data_get.get)
app.command("synthesize")(synthesize.synthesize)
app.command("filter")(synthesize.filter_rows)

Split = Annotated[str | None, typer.Option(metavar="NAME", help="Split. [default: each task's first]")]


@app.command()
def info(
    task: common.TaskArgument = None,
    data: common.DataChoice = "auto",
    split: Split = None,
    map_: common.ColumnMap = None,
    audio_root: common.AudioRoot = None,
    kind: common.Kind = None,
    group_by: common.GroupBy = None,
    json_: common.Json = False,
) -> None:
    """Show which files of a task are present.

    Also shows the folder layout that a task expects, and where to get missing files.
    """
    declared = common.collect_file_options(map_, audio_root, kind, group_by)
    _print(_build_reports(task, data, split, "data info", False, declared), json_)


@app.command()
def verify(
    task: common.TaskArgument = None,
    data: common.DataChoice = "auto",
    split: Split = None,
    map_: common.ColumnMap = None,
    audio_root: common.AudioRoot = None,
    kind: common.Kind = None,
    group_by: common.GroupBy = None,
    json_: common.Json = False,
) -> None:
    """Show what `data info` shows, and open every clip. Exits 1 if something that a run needs is missing or unreadable.

    For a question file of your own (./birds.csv), also lists faulty rows, duplicates, the scores of text-only
    baselines, and cues that give the right option away without the audio.
    """
    declared = common.collect_file_options(map_, audio_root, kind, group_by)
    reports = _build_reports(task, data, split, "data verify", True, declared)
    _print(reports, json_)
    if not all(report["complete"] for report in reports):
        raise typer.Exit(1)


def _build_reports(
    task: str | None,
    choice: str,
    split: str | None,
    command_name: str,
    decodes_headers: bool,
    file_options: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return one report per task or question file.

    `task` and `split` are the task and the split that the user named, if any. `choice` is the value of `--data`,
    `command_name` the command's name in messages. If `decodes_headers` is True, clips are opened. `file_options` are
    options that only question files have, such as `map`. Raises UsageError if there are any and `task` names no file.
    """
    from alm_bench.cli.own_file import build_file_report

    entries = select_tasks(task, command_name)
    if task is None and resolve_data_choice(choice) == "demo":  # of all tasks, those that have demo data
        entries = [entry for entry in entries if entry.load_demo() is not None]
    if file_options and not any("path" in entry.implied_options for entry in entries):
        raise UsageError(f"--{next(iter(file_options)).replace('_', '-')} goes with a file, such as ./birds.csv")
    return [
        build_file_report(entry, split, decodes_headers, file_options)
        if "path" in entry.implied_options
        else _build_task_report(entry, choice, split, decodes_headers)
        for entry in entries
    ]


def _build_task_report(
    entry: "TaskEntry", choice: str, split_name: str | None, decodes_headers: bool
) -> dict[str, Any]:
    """Return the report on the files and clips of a task.

    `choice` is the value of `--data`, `split_name` the split that the user named, if any. If `decodes_headers` is True,
    the header of every clip is decoded to find unreadable clips.
    """
    from alm_bench.data import inspect_task_data

    split = pick_split(entry, split_name)
    root = resolve_data(entry, split, resolve_data_choice(choice), {})
    needed = [file for file in entry.card.files if file.split == split]
    samples = list(entry.create().samples(root, split)) if any(root.has(file) for file in needed) else []
    clips = [ref for sample in samples for ref in sample.audio]
    report = inspect_task_data(entry.card, root, clips, split=split, headers=decodes_headers)
    return _convert_report_to_json(entry, split, root, report, len(samples))


def _convert_report_to_json(
    entry: "TaskEntry", split: str, root: DataRoot, report: "DataReport", items: int
) -> dict[str, Any]:
    """Return a report on files and clips as a JSON object. `items` is the number of items of the split."""
    part = entry.card.describe_part(split, items) if items and root.kind == "real" else None
    return {
        "task": report.task,
        "split": split,
        "data": root.kind,
        "folder": str(report.root),
        "complete": report.complete and report.clips.total > 0,
        "items": items,
        "part": part,
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
            "present": report.clips.present_count,
            "missing": list(report.clips.missing),
            "missing_paths": [str(path) for path in report.clips.missing_paths],
            "unreadable": dict(report.clips.unreadable),
        },
    }


def _print(reports: list[dict[str, Any]], json_: bool) -> None:
    from alm_bench.reports.data import build_data_paths, build_data_table
    from alm_bench.reports.own_file import build_file_check

    if json_:
        common.print_json({"tasks": reports})
        return
    print_blocks([build_data_table(reports)], end="\n\n")
    print_text([build_data_paths(report) for report in reports])
    for report in reports:
        if "problems" in report:
            print_blocks(build_file_check(report), end="\n\n")
