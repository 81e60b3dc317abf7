"""`alm-bench export`: write a run in a format of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_export_formats
from alm_bench.core.escape import print_notice
from alm_bench.records.find import RUNS, find_run


def export(
    run: common.RunArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="csv|parquet|dataset|hf-eval|model-card",
            help="Format (docs/export.md).",
            autocompletion=complete_export_formats,
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File or folder to write. [default: in the run's folder]"),
    ] = None,
    dataset: common.HubDataset = None,
    task_id: common.HubTaskId = "default",
    source: common.HubSource = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Write a run as a table of items, or for the hub."""
    from alm_bench.export.format import HubTarget, find_format
    from alm_bench.records.run import read_run

    form = find_format(to)
    found = read_run(find_run(run, out))
    path = file or found.folder / form.path.format(task=found.summary.task)
    count = form.write(found, path, HubTarget(dataset, task_id, source))
    if json_:
        common.print_json({"run": found.folder.name, "format": form.name, "file": str(path), "count": count})
    else:
        what = "items" if form.is_table else "results"
        print_notice(f"{count} {what if count != 1 else what[:-1]} written to {path}")
