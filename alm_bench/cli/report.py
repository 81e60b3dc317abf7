"""`alm-bench report`: write one HTML file with scores, items and clips of runs, which works offline."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_runs
from alm_bench.cli.run import check_report_name
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.find import RUNS, find_run
from alm_bench.reports.html import BUDGET_MB, CLIPS_BY_DEFAULT

REPORT = Path("report.html")


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs by folder, name, a part of it, or `latest`; those of one task are compared with the first.",
            autocompletion=complete_runs,
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="FILE", help="HTML file.")] = REPORT,
    clips: Annotated[
        str,
        typer.Option(
            metavar="wrong|changed|sample:N|all|none",
            help="Items whose clips are embedded, comma-separated, the most important first; changed: right in one "
            "run and wrong in another; sample:N: N random items per task.",
        ),
    ] = CLIPS_BY_DEFAULT,
    mb: Annotated[float, typer.Option(min=0, metavar="MB", help="Largest size of all embedded clips.")] = BUDGET_MB,
    folder: Annotated[
        bool, typer.Option("--folder", help="Write all other clips to a folder beside the file.")
    ] = False,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="Show the sound events that the model's event head finds in each clip, and mark the words of its "
            "sentences that name absent ones. Loads the model.",
        ),
    ] = False,
    event_names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of the event classes: AudioSet's class_labels_indices.csv."),
    ] = None,
    data: common.DataChoice = "auto",
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Write an offline HTML report of runs.

    One file with scores, every item with its clips, and comparisons of models; it opens in any browser without a
    network.
    """
    from alm_bench.html_report import ReportOptions, write_report

    check_report_name(to, "--to")
    if event_names is not None and not events:
        raise UsageError("--event-names goes with --events")
    options = ReportOptions(clips, mb, folder, data, events, event_names)
    with common.redirect_model_output():
        written = write_report([find_run(run, out) for run in runs], to, options)
    if json_:
        common.print_json(
            {
                "report": str(written.path),
                "bytes": written.size,
                "embedded": written.embedded,
                "beside": written.beside,
                "left_out": written.left_out,
            }
        )
        return
    where = f", {written.beside:,} beside it" if written.beside else ""
    print_notice(
        f"{written.size / 1e6:.1f} MB, {written.embedded:,} clips embedded{where}, {written.left_out:,} left out"
    )
    print(written.path)
