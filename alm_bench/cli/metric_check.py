"""`alm-bench metric-check`: agreement of metrics with people on a file of texts that people judged."""

import os
from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_metrics
from alm_bench.cli.output import print_blocks
from alm_bench.core import DataError, UsageError

KNOWN_FILES = ("aqeval/val.csv", "aqeval/test.csv", "caption_preferences/clotho_eval.json")
"""Paths below the data folder where files of people's judgements are searched without a FILE."""

SOURCE = "GitHub satvik-dixit/aura (AQEval: val.csv, test.csv)"


def metric_check(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Answers with people's labels (AQEval's val.csv, or any CSV, JSON or JSONL with answer, reference and "
            "label), or pairs of captions (Clotho-Eval). [default: aqeval/val.csv of the data folder]",
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as FILE.")] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M[,M]",
            help="Metrics, comma-separated (`alm-bench ls metrics`). [default: all that this machine can compute]",
            autocompletion=complete_metrics,
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="Name of a column: label, answer, references, question, model, type or clip (repeatable).",
        ),
    ] = None,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Measure how well metrics agree with people.

    Prints rank correlations, kappa and balanced accuracy with 95 % intervals over clips, and whether each metric puts
    models in the order that people put them in. If only a part of the answers has labels, each model's mean
    label is estimated from the labels and the metric.
    """
    from alm_bench.calibration import check_metrics_on_answers, check_metrics_on_pairs, list_computable_metrics
    from alm_bench.cli.progress import CountProgress
    from alm_bench.data.outputs.labelled import CaptionPair, LabelledAnswer, read_labelled
    from alm_bench.reports.calibration import build_agreement_report, build_check_json
    from alm_bench.scoring.spice import report_progress_to

    path = pick_labelled_file(file, labels)
    chosen = list_computable_metrics() if metrics is None else common.split_names(metrics, "--metrics")
    items = read_labelled(path, column or ())
    with CountProgress("SPICE") as progress, report_progress_to(progress.update):
        pairs = [item for item in items if isinstance(item, CaptionPair)]
        answers = [item for item in items if isinstance(item, LabelledAnswer)]
        check = check_metrics_on_pairs(pairs, chosen) if pairs else check_metrics_on_answers(answers, chosen)
    if json_:
        common.print_json(build_check_json(check, str(path)))
        return
    print_blocks(build_agreement_report(check, path.name, details))


def pick_labelled_file(file: Path | None, labels: Path | None) -> Path:
    """Return the labelled file to read: `file` (the argument) or `labels` (the option).

    If both are None, return the first of `KNOWN_FILES` that exists in the data folder.
    Raises UsageError if both are given, DataError if none is given and the data folder has none.
    """
    if file is not None and labels is not None:
        raise UsageError(f"found the file {file} and --labels {labels}, expected one of them")
    if (named := file or labels) is not None:
        return named
    folder = Path(os.environ.get("ALM_BENCH_DATA") or "data")
    for name in KNOWN_FILES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"no file of people's judgements: looked for {', '.join(KNOWN_FILES)} below {folder}; get one from {SOURCE}, "
        "or name your own labelled file"
    )
