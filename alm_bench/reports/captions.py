"""Table of caption metrics of a file, on the same scales as all other tables."""

from collections.abc import Mapping

from alm_bench.core import Metric
from alm_bench.reports.blocks import Block, Column, Row, Table, Text
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.figures import build_metric_cell


def build_caption_metrics(corpus: Mapping[str, Metric], items: str, tokenizer: str) -> list[Block]:
    """Return a table with one row per metric and a note. `items` describes the scored items, `tokenizer` the word
    splitting.
    """
    rows: list[Row] = [
        [get_metric_heading(name), metric.n or "-", build_metric_cell(metric, name)] for name, metric in corpus.items()
    ]
    columns = [Column("metric"), Column("n"), Column("value")]
    note = f"{items}: percentages with 95 % intervals (100 is a CIDEr-D of 1.0); words split by {tokenizer}."
    return [Table(columns, rows), Text(note)]
