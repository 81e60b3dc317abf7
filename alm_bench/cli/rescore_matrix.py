"""`alm-bench rescore-matrix`: score one file of outputs under the parsing rules of several programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.output import print_blocks
from alm_bench.core.options import check_choice, parse_answer_tags


def rescore_matrix(
    outputs: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUTS", help="File of outputs: JSON, JSONL, CSV, TSV, .xlsx or .eval (docs/replay.md)."
        ),
    ],
    annotations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Questions with `choices` and `answer`, if OUTPUTS does not contain them."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Column of the text, or a dotted path (x.0.y)."),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="PATH", help="Column of the id, or a dotted path.")] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(metavar="first|last|each", help="Which output counts if an id repeats. [default: error]"),
    ] = None,
    label: common.Label = None,
    answer_tag: common.AnswerTag = None,
    json_: common.Json = False,
) -> None:
    """Score outputs by the parsing rules of other programs.

    Shows why published scores of the same outputs differ.
    """
    from alm_bench.data import OutputColumns, check_references, pair_outputs, read_stored_outputs
    from alm_bench.reports.rescoring import build_rescore_matrix
    from alm_bench.scoring.other_parsers import Answer, compute_rule_accuracies

    which: Any = "error" if duplicates is None else check_choice(duplicates, ("first", "last", "each"), "--duplicates")
    tags = parse_answer_tags(answer_tag)
    stored = read_stored_outputs(outputs, OutputColumns(column, id_, which))
    answers = [Answer(sample, text, tags) for sample, text in pair_outputs(stored, annotations)]
    check_references([answer.sample for answer in answers], annotations or outputs)
    rows = compute_rule_accuracies(answers)
    model = label or outputs.stem
    if json_:
        figures = ("accuracy", "empty", "refused")
        found = [{"rule": row.rule.name, **{name: asdict(getattr(row, name)) for name in figures}} for row in rows]
        common.print_json({"model": model, "format": stored.format, "rules": found})
        return
    questions = f"the questions of {annotations.name}" if annotations else "the questions that it holds"
    print_blocks(build_rescore_matrix(model, len(stored.items), stored.label, questions, rows))
