"""`alm-bench rescore-matrix`: one file of outputs under every known program's rule."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common


def rescore_matrix(
    outputs: Annotated[Path, typer.Argument(help="JSON, JSONL or CSV with each item's output.")],
    annotations: Annotated[
        Path | None, typer.Option(help="The questions with `choices` and `answer`, where OUTPUTS does not hold them.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Where OUTPUTS has the texts.")] = None,
    json_: common.Json = False,
) -> None:
    """Show why published numbers disagree: the accuracy of the same outputs by the rules of other programs."""
    from alm_bench.data import read_answered
    from alm_bench.records.tables import cell, markdown
    from alm_bench.scoring.rules import REFUSAL, Answer, matrix

    rows = matrix([Answer(sample, text) for sample, text in read_answered(outputs, annotations, column)])
    if json_:
        figures = ("accuracy", "empty", "refused")
        found = [{"rule": row.rule.name, **{name: asdict(getattr(row, name)) for name in figures}} for row in rows]
        common.print_json({"rules": found})
        return
    table = [
        [row.rule.name, row.rule.says, row.accuracy.n]
        + [cell(asdict(metric), "accuracy") for metric in (row.accuracy, row.empty, row.refused)]
        for row in rows
    ]
    print(markdown(["rule", "reads", "n", "accuracy", "if all were empty", f'if all were "{REFUSAL}"'], table))
