"""Tables whose cells link to the items behind them, as addresses within the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from msgspec import convert

from alm_bench.records.models import RunSummary
from alm_bench.reports.blocks import Cell, Column, Table, convert_to_cell
from alm_bench.reports.breakdowns import (
    build_confusion_table,
    build_group_table,
    build_metric_table,
    build_option_rate_table,
    build_position_table,
    get_metric_heading,
)
from alm_bench.reports.figures import get_title, sort_group_keys
from alm_bench.scoring.position import PositionBias


def make_address(view: str, **parameters: str) -> str:
    """Return the address of a view of the page with its filters, such as `#view=items&run=...&status=ok`.

    The names of groupings begin with `g.`.
    """
    return "#" + urlencode({"view": view, **parameters})


@dataclass(frozen=True, slots=True)
class LinkedCell:
    """Cell of a table on the page."""

    text: str
    note: str | None
    style: str
    link: str | None
    """Address of the items behind the cell; None without one."""


@dataclass(frozen=True, slots=True)
class LinkedTable:
    """Table with an address for each cell that has items behind it."""

    titles: Sequence[str]
    rows: Sequence[Sequence[LinkedCell]]
    notes: Sequence[str] = ()
    title: str | None = None


Link = Callable[[int, int], str | None]
"""Function from the indices of row and column to the address of the items behind the cell."""


def link_table(table: Table, link: Link | None = None, title: str | None = None) -> LinkedTable:
    """Return a table whose cells have the addresses that `link(row, column)` returns; empty cells (`-`) get none."""
    rows = []
    for number, row in enumerate(table.rows):
        cells = [convert_to_cell(value) for value in row]
        rows.append([_link_cell(cell, link, number, column) for column, cell in enumerate(cells)])
    return LinkedTable([column.title for column in table.columns], rows, table.notes, title or table.title)


def _link_cell(cell: Cell, link: Link | None, row: int, column: int) -> LinkedCell:
    address = None if link is None or cell.text in ("-", "") else link(row, column)
    return LinkedCell(cell.text, cell.note, cell.style, address)


def _make_metric_address(summary: RunSummary, title: str, filters: Mapping[str, str]) -> str:
    """Return the address of the items that explain a metric, whose title in the table is `title`.

    For accuracy these are the wrong items, for the share of answered items those without an answer, else all items.
    """
    extra: dict[str, str] = {}
    if title == get_title("answered"):
        extra = {"status": "not ok"}
    elif summary.main == "accuracy" and title == get_metric_heading("accuracy"):
        extra = {"result": "wrong"}
    return make_address("items", run=summary.run, **filters, **extra)


def build_run_tables(summary: RunSummary) -> list[LinkedTable]:
    """Return the tables of `--details` for one run, with links to items."""
    tables = [_link_metric_table(summary)]
    tables += [_link_group_table(summary, grouping) for grouping, parts in summary.groups.items() if parts]
    if "confusion" in summary.tables:
        tables.append(_link_confusion_table(summary))
    if "positions" in summary.tables:
        tables.append(_link_position_table(summary))
    if "options" in summary.tables:
        tables.append(link_table(build_option_rate_table(summary.tables["options"])))
    if summary.reasons:
        tables.append(_link_reason_table(summary))
    return tables


def _link_metric_table(summary: RunSummary) -> LinkedTable:
    table = build_metric_table(summary)
    titles = [column.title for column in table.columns]
    return link_table(
        table, lambda row, column: _make_metric_address(summary, titles[column], {}) if row == 0 else None
    )


def _link_group_table(summary: RunSummary, grouping: str) -> LinkedTable:
    table = build_group_table(summary, grouping)
    titles = [column.title for column in table.columns]
    keys = sort_group_keys(summary.groups[grouping])
    return link_table(
        table,
        lambda row, column: _make_metric_address(summary, titles[column], {f"g.{grouping}": keys[row]}),
        f"by {grouping}",
    )


def _link_confusion_table(summary: RunSummary) -> LinkedTable:
    matrix: Mapping[str, Any] = summary.tables["confusion"]

    def make_cell_address(row: int, column: int) -> str:
        filters = {"g.label": str(matrix["rows"][row])}
        if column:
            filters["label"] = str(matrix["columns"][column - 1])
        return make_address("items", run=summary.run, **filters)

    return link_table(build_confusion_table(matrix), make_cell_address, "confusion matrix")


def _link_position_table(summary: RunSummary) -> LinkedTable:
    positions = convert(summary.tables["positions"], PositionBias)

    def make_cell_address(row: int, column: int) -> str:
        where = "answer" if column == 2 else "reference"
        filters = {"options": str(positions.options), where: positions.positions[row].letter}
        if column == 3:
            filters["result"] = "wrong"
        return make_address("items", run=summary.run, **filters)

    return link_table(build_position_table(positions), make_cell_address, "option positions")


def _link_reason_table(summary: RunSummary) -> LinkedTable:
    reasons = list(summary.reasons.items())
    table = Table([Column("why an item did not end as ok"), Column("items")], [[reason, n] for reason, n in reasons])
    return link_table(table, lambda row, _: make_address("items", run=summary.run, status="not ok"))
