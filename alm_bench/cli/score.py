"""`alm-bench score`: parse and score the stored answers of runs again, without a model."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_metrics, complete_runs
from alm_bench.cli.output import print_blocks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.options import answer_tags
from alm_bench.records.find import RUNS, find_run


def score(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs by folder, name, a part of it, or `latest`.",
            autocompletion=complete_runs,
        ),
    ],
    solvable_by: common.SolvableBy = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M[,M]|all",
            help="Metrics for captioning and open-ended tasks. [default: those of the run]",
            autocompletion=complete_metrics,
        ),
    ] = None,
    answer_tag: common.AnswerTag = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="MARKS.json",
            help="Compute scores with and without the corrected labels of these marks (see `review`); store nothing.",
        ),
    ] = None,
    out: common.Out = RUNS,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Parse and score the stored text of runs again. No model is loaded.

    If the parser has changed, one line reports how many items changed and the accuracy before and after.
    """
    from alm_bench.cli.progress import Bars
    from alm_bench.evaluation import rescore_run
    from alm_bench.records.models import build_runs_json
    from alm_bench.reports import find_screen
    from alm_bench.reports.run_report import build_run

    folders = [find_run(run, out) for run in runs]  # unknown names raise an error before anything is written
    solver = None if solvable_by is None else find_run(solvable_by, out)
    tags = answer_tags(answer_tag)
    if labels is not None:
        if solver is not None:
            raise UsageError("score takes either --labels or --solvable-by, found both")
        _score_relabelled(folders, labels, metrics, tags, json_)
        return
    summaries = []
    for folder in folders:
        run, reparsed = rescore_run(folder, solver, metrics, tags, Bars())
        if reparsed.has_changes:
            print_notice(f"{folder.name}: {reparsed.describe()}")
        summaries.append(run.summary)
        if not json_:
            blocks = build_run(summaries[-1], find_screen(sys.stdout).form, details=details, out=folder.parent)
            print_blocks(blocks, end="\n\n" if folder != folders[-1] else "\n")
    if json_:
        common.print_json(build_runs_json(summaries))


def _score_relabelled(
    folders: Sequence[Path], labels: Path, metrics: str | None, tags: tuple[str, ...], json_: bool
) -> None:
    """Print the scores of runs with the labels of the data and with the corrected labels of a file of marks."""
    from alm_bench.cli.progress import Bars
    from alm_bench.records.marks import read_marks
    from alm_bench.records.models import build_runs_json, to_json
    from alm_bench.reports.review import build_relabelling
    from alm_bench.review import relabel_run

    marks = read_marks(labels)
    found = [relabel_run(folder, marks, metrics, tags, Bars()) for folder in folders]
    if json_:
        relabelled = [
            {
                "run": one.before.run,
                "changes": [asdict(change) for change in one.changes],
                "unknown": one.unknown,
                "corrected": to_json(one.after),
            }
            for one in found
        ]
        common.print_json({**build_runs_json([one.before for one in found]), "relabelled": relabelled})
        return
    for one in found:
        print_blocks(
            build_relabelling(one.before, one.after, one.changes, one.unknown), end="\n\n" if one != found[-1] else "\n"
        )
