"""`alm-bench judge-check`: agreement of a judge model with people on a file of texts that people judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.metric_check import pick_labelled_file
from alm_bench.cli.output import print_blocks
from alm_bench.cli.run import print_forecasts
from alm_bench.core import UsageError
from alm_bench.core.escape import print_error
from alm_bench.records.find import RUNS

if TYPE_CHECKING:
    from alm_bench.judges.check import JudgeCheck

DEFAULT_SAMPLE = 300
"""Number of answers of AQEval that are judged if neither a file nor --sample is given."""


def judge_check(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Answers with people's labels (AQEval, your own CSV, JSON or JSONL, marks of a report), or pairs of "
            "captions (Clotho-Eval, AudioCaps-Eval). [default: a sample of aqeval/val.csv of the data folder]",
        ),
    ] = None,
    judge: common.JudgeModel = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as FILE.")] = None,
    judge_preset: common.JudgePresetName = "qa",
    judge_repeats: common.JudgeRepeats = 1,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Judge about N answers, all those about randomly drawn clips. [default: all of FILE; "
            f"{DEFAULT_SAMPLE} without one]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of --sample.")] = 0,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="Name of a column: label, answer, references, question, model, type, clip or id (repeatable).",
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Send no more requests once they have cost this much (USD)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate calls, tokens and cost; send no request.")
    ] = False,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    out: common.Out = RUNS,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Measure how well a judge model agrees with people.

    Prints accuracy, kappa and rank correlations with 95 % intervals over clips, by type of answer and by model, and
    whether the judge puts models in people's order. Tables of later runs with the same judge and prompt show the
    result. Replies are cached: a second call asks only what is missing.
    """
    from alm_bench.cli.progress import CountProgress
    from alm_bench.core.device import make_runtime
    from alm_bench.data.outputs.labelled import read_labelled
    from alm_bench.judges.check import check_judges, draw_answers, forecast_check
    from alm_bench.judges.labels import holds_marks, read_labels
    from alm_bench.judges.load import JudgeOptions, open_judges
    from alm_bench.runner.budget import Budget

    if not judge:
        raise UsageError("judge-check takes --judge MODEL, found none")
    path = pick_labelled_file(file, labels)
    if sample is None and file is None and labels is None:
        sample = DEFAULT_SAMPLE
    items: Any = read_labels(path, out) if holds_marks(path) else read_labelled(path, column or ())
    items = draw_answers(items, sample, seed) if hasattr(items[0], "label") else items[:sample]
    budget = Budget() if max_cost is None else Budget(max_cost)
    with (
        open_judges(JudgeOptions(tuple(judge), judge_preset, judge_repeats), make_runtime(device, dtype)) as judges,
        common.redirect_model_output(),
    ):
        if dry_run:
            forecasts = [forecast_check(judges, items, path)]
        else:
            with CountProgress("judge") as progress:
                found = check_judges(judges, items, path, budget, progress.update)
    if dry_run:
        print_forecasts(forecasts, json_)
    else:
        _print(found, path, details, json_)


def _print(result: "JudgeCheck", path: Path, details: bool, json_: bool) -> None:
    """Print the result. Exits with status 1 if a call of a judge failed."""
    from alm_bench.records.models import to_json
    from alm_bench.reports.judge_check import build_judge_check, build_judge_check_json

    if json_:
        notes = {
            key: {
                "judge": one.judge.label,
                "key": one.judge.key,
                "preset": one.judge.preset.name,
                "version": one.judge.preset.version,
                "prompt_hash": one.judge.preset.hash,
                **to_json(one.judge.create_notes()),
            }
            for key, one in result.outcomes.items()
        }
        common.print_json(build_judge_check_json(result.agreement, result.outcomes, result.kappa, notes, str(path)))
    else:
        print_blocks(build_judge_check(result.agreement, result.outcomes, result.kappa, path.name, details))
    if result.failure_note is not None:
        print_error(f"alm-bench: {result.failure_note}")
        raise typer.Exit(1)
