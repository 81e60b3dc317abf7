"""`alm-bench caption-metrics`: compute all caption metrics of a file, including SPICE, which runs on current Java."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_metrics
from alm_bench.cli.output import print_blocks

Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[ROLE=]NAME",
        help="Column of the candidate, or of another role: references=NAME, question=, audio=, id= (repeatable).",
    ),
]


def caption_metrics(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON, JSONL or CSV with `candidate` or `prediction`, and `references` or `ref1`, `ref2`, ...",
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M[,M]",
            help="Metrics, comma-separated (`alm-bench ls metrics`). [default: all]",
            autocompletion=complete_metrics,
        ),
    ] = None,
    column: Column = None,
    json_: common.Json = False,
) -> None:
    """Score captions against their references.

    BLEU, METEOR, ROUGE-L, CIDEr, SPICE, SPIDEr and metrics of installed plug-ins. No model is loaded.
    """
    from alm_bench.cli.progress import CountProgress
    from alm_bench.data import read_captions
    from alm_bench.records.models import to_json
    from alm_bench.reports.captions import build_caption_report
    from alm_bench.scoring.captions import compute_caption_scores
    from alm_bench.scoring.metrics import list_default_metrics
    from alm_bench.scoring.spice import report_progress_to

    chosen = list_default_metrics() if metrics is None else common.split_names(metrics, "--metrics")
    items = read_captions(file, column or ())
    with CountProgress("SPICE") as progress, report_progress_to(progress.update):
        found = compute_caption_scores(
            [item.candidate for item in items],
            [item.references for item in items],
            metrics=chosen,
            names=[item.id for item in items],
            questions=[item.question for item in items],
        )
    if json_:
        corpus = to_json(found.corpus)
        each = [
            {"id": item.id, **{name: values[number] for name, values in found.items.items()}}
            for number, item in enumerate(items)
        ]
        common.print_json({"corpus": corpus, "items": each, "tokenizer": found.tokenizer, "weights": found.weights})
        return
    print_blocks(build_caption_report(f"{len(items)} items of {file.name}", found))
