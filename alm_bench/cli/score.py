"""`alm-bench score`: parse and score the stored answers of runs again, without a model."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_metrics, complete_runs
from alm_bench.cli.output import print_blocks
from alm_bench.cli.run import print_forecasts
from alm_bench.core import UsageError
from alm_bench.core.escape import print_error, print_notice
from alm_bench.core.options import parse_answer_tags
from alm_bench.records.find import RUNS, find_run

if TYPE_CHECKING:
    from alm_bench.judges.jury import Jury


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
    judge: common.JudgeModel = None,
    judge_preset: common.JudgePresetName = "qa",
    judge_repeats: common.JudgeRepeats = 1,
    calibrate: common.Calibrate = None,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Ask judges no more once their calls have cost this much (USD)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --judge: estimate calls, tokens and cost; send no request.")
    ] = False,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    out: common.Out = RUNS,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Parse and score the stored text of runs again. The evaluated model is not loaded.

    With --judge, another model grades the answers in free text; its replies are cached. If the parser has changed, one
    line reports how many items changed and the accuracy before and after.
    """
    from alm_bench.core.device import make_runtime
    from alm_bench.judges.jury import check_judge_options, open_jury

    folders = [find_run(run, out) for run in runs]  # unknown names raise an error before anything is written
    check_judge_options(judge, calibrate, judge_repeats)
    if labels is not None and judge:
        raise UsageError("score takes either --labels or --judge, found both")
    if judge is None and (dry_run or max_cost is not None):
        raise UsageError("--dry-run and --max-cost of score go with --judge MODEL, which is not given")
    solver = None if solvable_by is None else find_run(solvable_by, out)
    tags = parse_answer_tags(answer_tag)
    if labels is not None:
        if solver is not None:
            raise UsageError("score takes either --labels or --solvable-by, found both")
        _score_relabelled(folders, labels, metrics, tags, json_)
        return
    runtime = make_runtime(device, dtype)
    with open_jury(judge, judge_preset, judge_repeats, calibrate, out, runtime) as jury:
        if jury is not None and dry_run:
            with common.redirect_model_output():
                forecasts = [jury.forecast_run(folder) for folder in folders]
            print_forecasts(forecasts, json_)
            return
        rescore = _RescoringOptions(solver, metrics, tags, jury, max_cost)
        rescore.run(folders, details, json_)


@dataclass(frozen=True, slots=True)
class _RescoringOptions:
    """Settings of the command by which runs are scored again."""

    solver: Path | None
    """Folder of a text-only run (`--solvable-by`): accuracy on the items that it gets wrong is reported, too."""

    metrics: str | None
    """Comma-separated metrics (`--metrics`); None for the metrics of each run."""

    tags: tuple[str, ...]
    """Further tags that enclose answers (`--answer-tag`)."""

    jury: "Jury | None"
    """Judge models (`--judge`); None if none grades."""

    max_cost: float | None
    """Cost limit of the judges' calls; None for no limit."""

    def run(self, folders: Sequence[Path], details: bool, json_: bool) -> None:
        """Score runs again and print them. Exits with status 1 if a call of a judge failed."""
        from alm_bench.cli.progress import ConsoleProgress
        from alm_bench.records.models import build_runs_json
        from alm_bench.reports import detect_screen
        from alm_bench.reports.run_report import build_run_report
        from alm_bench.rescoring import rescore_run
        from alm_bench.runner.budget import Budget

        budget = Budget() if self.max_cost is None else Budget(self.max_cost)
        summaries, failed = [], []
        for folder in folders:
            with common.redirect_model_output():
                run, reparsed, failures = rescore_run(
                    folder, self.solver, self.metrics, self.tags, ConsoleProgress(), self.jury, budget
                )
            if reparsed.has_changes:
                print_notice(f"{folder.name}: {reparsed.describe()}")
            failed += [failures] if failures is not None else []
            summaries.append(run.summary)
            if not json_:
                blocks = build_run_report(
                    summaries[-1], detect_screen(sys.stdout).form, details=details, out=folder.parent
                )
                print_blocks(blocks, end="\n\n" if folder != folders[-1] else "\n")
        if json_:
            common.print_json(build_runs_json(summaries))
        if failed:
            print_error(f"alm-bench: {'; '.join(failed)}")
            raise typer.Exit(1)


def _score_relabelled(
    folders: Sequence[Path], labels: Path, metrics: str | None, tags: tuple[str, ...], json_: bool
) -> None:
    """Print the scores of runs with the labels of the data and with the corrected labels of a file of marks."""
    from alm_bench.cli.progress import ConsoleProgress
    from alm_bench.records.marks import read_marks
    from alm_bench.records.models import build_runs_json, to_json
    from alm_bench.reports.review import build_relabelling
    from alm_bench.review import relabel_run

    marks = read_marks(labels)
    found = [relabel_run(folder, marks, metrics, tags, ConsoleProgress()) for folder in folders]
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
