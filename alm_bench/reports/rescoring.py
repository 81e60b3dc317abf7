"""Rescore matrix: accuracy of the same outputs under the parsing rules of other programs."""

from collections.abc import Sequence

from alm_bench.reports.blocks import Block, Column, Row, Table, Text
from alm_bench.reports.figures import build_metric_cell
from alm_bench.scoring.other_parsers import REFUSAL, RuleAccuracy


def build_rescore_matrix(
    model: str, outputs: int, source: str, questions: str, rows: Sequence[RuleAccuracy]
) -> list[Block]:
    """Return a table of accuracies with one row per parsing rule, and a line that says what was scored.

    `outputs` is the number of outputs. `source` names the file of outputs, `questions` the data that the questions come
    from.
    """
    columns = [
        Column("rule", overflow="end"),
        Column("parsing", 1, overflow="wrap", least=20),
        Column("n", 3),
        Column("accuracy"),
        Column("if all were empty", 2),
        Column(f'if all were "{REFUSAL}"', 2),
    ]
    cells: list[Row] = []
    for row in rows:
        figures = [build_metric_cell(metric, "accuracy") for metric in (row.accuracy, row.empty, row.refused)]
        cells.append([row.rule.name, row.rule.description, row.accuracy.n, *figures])
    return [Table(columns, cells), Text(f"{model}: {outputs} outputs of {source}, scored by {questions}.")]
