"""`alm-bench plot`: write the pictures of a report as files."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer, complete_runs
from alm_bench.core import UsageError
from alm_bench.records.find import RUNS, find_run


def plot(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs by folder, name, a part of it, or `latest`; those of one task share pictures.",
            autocompletion=complete_runs,
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the pictures.")] = Path("plots"),
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="png|pdf|svg",
            help="File formats, comma-separated.",
            autocompletion=build_choices_completer("png", "pdf", "svg", "png,svg"),
        ),
    ] = "png,svg",
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Draw the pictures of runs as PNG, PDF and SVG files.

    Scores by group and by condition, confusion matrices, option positions, reliability of option likelihoods, lengths
    of answers, and distributions of caption metrics.
    """
    from alm_bench.html_report import write_chart_files
    from alm_bench.reports.plots.files import FORMATS

    formats = [name for name in FORMATS if name in form.split(",")]
    if len(formats) != len(form.split(",")):
        raise UsageError(f"--format {form}: expected {', '.join(FORMATS)}, comma-separated")
    written = write_chart_files([find_run(run, out) for run in runs], to, formats)
    if json_:
        common.print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        print(path)
