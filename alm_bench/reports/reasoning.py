"""Reports on the reasoning of outputs: of one run, and of runs that are compared on the same items."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from alm_bench.core import Metric
from alm_bench.records.models import RunSummary
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Column, Row, Table
from alm_bench.reports.figures import SHARE, build_metric_cell, format_interval
from alm_bench.scoring.reasoning import ReasoningMetrics, compute_reasoning


def read_reasoning(summary: RunSummary) -> ReasoningMetrics | None:
    """Return the metrics of a run's reasoning; None if the run has no reasoning."""
    table = summary.tables.get("reasoning")
    return None if table is None else msgspec.convert(table, ReasoningMetrics)


def describe_reasoning(metrics: ReasoningMetrics) -> str:
    """Return the metrics in one line: `98.7 % of outputs, 45.3 words [42.1, 48.8]; form kept 97.0 % [95.8, 97.9]`."""
    parts = []
    if metrics.share.value:
        parts.append(f"{_format_share(metrics.share)} of outputs, {format_length(metrics.words, 'words')}")
        if metrics.tokens.value is not None:
            parts[-1] += f", {format_length(metrics.tokens, 'tokens')}"
        if metrics.unfinished.value:
            parts.append(f"unfinished {_format_share(metrics.unfinished)}")
    else:
        parts.append("none")
    if metrics.format is not None:
        parts.append(f"form {metrics.format} kept {_format_share(metrics.format_kept)}")
    return "; ".join(parts)


def format_length(length: Metric, unit: str) -> str:
    """Format a mean length with its interval, such as `45.3 words [42.1, 48.8]`."""
    interval = "" if length.low is None or length.high is None else f" [{length.low:.1f}, {length.high:.1f}]"
    return f"{length.value:.1f} {unit}{interval}"


def _format_share(share: Metric) -> str:
    return f"{100 * (share.value or 0.0):.1f} %{format_interval(share, SHARE.name)}"


def compare_reasoning(runs: Sequence[Run]) -> list[ReasoningMetrics | None]:
    """Return the reasoning metrics of each run, over the items that all runs have; [] if no run has reasoning."""
    common = set.intersection(*(set(run.records) for run in runs))
    found = []
    for run in runs:
        answered = [(record.to_scored(), record.extra) for name, record in run.records.items() if name in common]
        found.append(compute_reasoning(answered, run.summary.prompt.format))
    return found if any(one is not None for one in found) else []


def build_reasoning_comparison(names: Sequence[str], reasoning_metrics: Sequence[ReasoningMetrics | None]) -> Table:
    """Return a table on reasoning with one row per run: share of outputs with reasoning, length, share of unfinished
    ones.

    `names` are the names of the runs. A run without reasoning has None as its metrics, and `none` in its row.
    """
    rows: list[Row] = []
    for name, found in zip(names, reasoning_metrics, strict=True):
        if found is None:
            rows.append([name, "none", "-", "-", "-"])
            continue
        words = "-" if found.words.value is None else format_length(found.words, "words")
        shares = (found.share, found.unfinished, found.format_kept)
        share, unfinished, kept = (build_metric_cell(metric, SHARE.name) for metric in shares)
        rows.append([name, share, words, unfinished, kept if found.format is not None else "-"])
    columns = [
        Column("reasoning", overflow="middle", is_name=True),
        Column("share of outputs"),
        Column("length", 1),
        Column("unfinished", 3),
        Column("form kept", 2),
    ]
    return Table(columns, rows, ["Over the items that all runs have."])


def convert_reasoning_to_json(reasoning_metrics: Sequence[ReasoningMetrics | None]) -> list[Mapping[str, Any] | None]:
    """Return the reasoning metrics of each run as a JSON object; None for a run without reasoning."""
    return [None if found is None else asdict(found) for found in reasoning_metrics]
