"""Tables of installed tasks, models and other extensions, and of runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alm_bench.reports.blocks import Cell, Column, Table

if TYPE_CHECKING:
    from alm_bench.records.models import RunSummary

Rows = Sequence[Mapping[str, Any]]

_COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "tasks": {
        "task": Column("task", overflow="end"),
        "kind": Column("kind", 2),
        "splits": Column("splits", 3, overflow="end"),
        "what": Column("summary", 1, overflow="end", least=40),
        "source": Column("source", 4, overflow="end"),
    },
    "models": {
        "model": Column("model", overflow="end"),
        "options": Column("options", 3, overflow="end", least=30),
        "prompts": Column("prompts", 2),
        "scores options": Column("option log-likelihoods", 4),
        "what": Column("summary", 1, overflow="end", least=40),
    },
    "conditions": {
        "condition": Column("condition"),
        "what": Column("change", 1, overflow="end", least=40),
        "random": Column("random draws", 3),
        "default": Column("default", 2),
        "audio": Column("audio", 4),
    },
    "metrics": {
        "metric": Column("metric"),
        "what": Column("summary", 1, overflow="end", least=40),
        "title": Column("heading", 5),
        "better": Column("better", 2),
        "scale": Column("scale", 4),
        "computed": Column("computed", 3),
    },
    "judges": {
        "preset": Column("preset"),
        "what": Column("scale", 1, overflow="end", least=40),
        "version": Column("version", 3),
        "prompt": Column("prompt hash", 2),
    },
    "objectives": {
        "objective": Column("objective"),
        "what": Column("minimises", 1, overflow="end", least=40),
    },
    "runs": {
        "run": Column("run", overflow="middle", least=40),
        "task": Column("task", 2, overflow="end"),
        "model": Column("model", 3, overflow="middle"),
        "items": Column("items", 2),
        "result": Column("main metric", 1),
    },
}
"""Columns of each listing, by the key of the row's value."""


def build_listing(kind: str, rows: Rows) -> Table:
    """Return a table of entries of one kind, such as tasks, with the columns of that kind in `_COLUMNS`.

    Each row has a value for the key of each column.
    """
    columns = _COLUMNS[kind]
    return Table(list(columns.values()), [[row[key] for key in columns] for row in rows])


def build_result_cell(summary: "RunSummary | None") -> Cell:
    """Return the cell of a run's main metric, which is named unless it is accuracy; `not finished` for None."""
    if summary is None:
        return Cell(("not finished",))
    from alm_bench.reports.figures import build_metric_cell, get_title  # loads numpy, which other lists do not need

    name = summary.main
    cell = build_metric_cell(summary.metrics.get(name), name)
    if name == "accuracy":
        return cell
    return Cell(tuple(f"{get_title(name)}: {form}" for form in cell.forms), cell.note)
