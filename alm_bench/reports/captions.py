"""Table of caption metrics of a file, on the same scales as all other tables."""

from alm_bench.reports.blocks import Block, Column, Row, Table, Text
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.figures import build_metric_cell
from alm_bench.scoring.captions import CaptionMetrics
from alm_bench.scoring.known_agreement import describe_agreement


def build_caption_report(item_description: str, metrics: CaptionMetrics) -> list[Block]:
    """Return a table with one row per metric, and a note that begins with a description of the scored items."""
    rows: list[Row] = [
        [
            get_metric_heading(name) + (f" ({metrics.weights[name]})" if name in metrics.weights else ""),
            metric.n or "-",
            build_metric_cell(metric, name),
            describe_agreement(name) or "-",
        ]
        for name, metric in metrics.corpus.items()
    ]
    columns = [Column("metric"), Column("n"), Column("value"), Column("agreement with people", 1, overflow="wrap")]
    note = f"{item_description}: percentages with 95 % intervals (100 is a CIDEr-D of 1.0)"
    words = f"; words split by {metrics.tokenizer}" if metrics.tokenizer else ""
    return [Table(columns, rows), Text(f"{note}{words}.")]
