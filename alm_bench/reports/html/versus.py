"""Comparisons of the runs of one task in pairs, with the items that changed, and a matrix of three or more runs."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from alm_bench.core import UsageError
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Column, Row, Table
from alm_bench.reports.comparison import (
    OVERALL,
    MetricComparison,
    build_comparison_report,
    check_comparability,
    compare_runs,
    format_conclusion,
)
from alm_bench.reports.figures import build_difference_cell, get_title
from alm_bench.reports.html.document import ReportRun, shorten
from alm_bench.reports.html.links import LinkedTable, link_table, make_address
from alm_bench.reports.html.rows import Entry

MOST_PAIRED = 6
"""Largest number of runs of a task that are all compared with one another. Of more, each is compared with the first."""


def build_comparisons(
    runs: Sequence[ReportRun], comparison_runs: Mapping[str, Run], names: Mapping[str, str]
) -> tuple[list[Entry], list[LinkedTable]]:
    """Return the comparisons of the runs of each task, and a matrix for each task with at least three runs.

    The second argument holds the same runs by the name of their folder, in the type that `compare` takes. `names` holds
    their names on the page, by the name of their folder, too.
    """
    entries: list[Entry] = []
    matrices = []
    for task in dict.fromkeys(run.summary.task for run in runs):
        those = [run for run in runs if run.summary.task == task]
        pairs = list(combinations(those, 2)) if len(those) <= MOST_PAIRED else [(those[0], run) for run in those[1:]]
        made = [entry for pair in pairs if (entry := _build_comparison(*pair, comparison_runs, names)) is not None]
        entries += made
        if len(those) > 2 and made:
            matrices.append(_build_difference_matrix(those, made, names))
    return entries, matrices


def _build_comparison(
    first: ReportRun, second: ReportRun, comparison_runs: Mapping[str, Run], names: Mapping[str, str]
) -> Entry | None:
    """Return the comparison of two runs as a JSON object; None if they have no item or no score in common."""
    if first.task is None:
        return None
    ids = first.summary.run, second.summary.run
    both = [comparison_runs[name] for name in ids]
    warnings = []
    try:
        check_comparability(both)
    except UsageError as error:
        warnings.append(shorten(str(error).replace("; pass --different to compare anyway", ""), 400))
    try:
        check_comparability(both, allow_differences=True)
        cells = compare_runs(both, first.task)
    except UsageError:
        return None
    blocks = build_comparison_report(both, cells)
    tables = [_link_rows(block, cells, ids) for block in blocks if isinstance(block, Table)]
    overall = next((c for c in cells if (c.score, c.grouping) == (first.summary.main, OVERALL)), None)
    return {
        "key": "~".join(name[-16:] for name in ids),
        "ids": ids,
        "title": f"{shorten(names[ids[1]])} against {shorten(names[ids[0]])}",
        "warnings": warnings,
        "conclusion": format_conclusion(both, cells, both[1]),
        "links": _build_links(ids, overall),
        "tables": tables,
        "overall": overall,
    }


def _make_versus_address(run_names: tuple[str, str], **filters: str) -> str:
    """Return the address of the items of two runs, given by their folders' names, side by side, with filters."""
    return make_address("items", run=run_names[1], versus=run_names[0], sort="change", **filters)


def _build_links(run_names: tuple[str, str], overall: MetricComparison | None) -> list[tuple[str, str]]:
    """Return pairs of text and address: the items that the second run gained or lost, and that both have wrong."""
    difference = None if overall is None else overall.difference
    gained, lost = (
        (" gained", " lost")
        if difference is None or difference.won is None
        else (f"{difference.won:,} gained", f"{difference.lost:,} lost")
    )
    return [
        (gained.strip(), _make_versus_address(run_names, change="gained")),
        (lost.strip(), _make_versus_address(run_names, change="lost")),
        ("both wrong", _make_versus_address(run_names, change="both wrong")),
        ("all, the largest change first", _make_versus_address(run_names)),
    ]


def _link_rows(table: Table, comparisons: Sequence[MetricComparison], run_names: tuple[str, str]) -> LinkedTable:
    """Return the table of a comparison; each row links to its items in both runs."""

    def make_cell_address(row: int, column: int) -> str:
        cell = comparisons[row]
        return _make_versus_address(run_names, **({} if cell.grouping == OVERALL else {f"g.{cell.grouping}": cell.key}))

    return link_table(table, make_cell_address)


def _build_difference_matrix(
    runs: Sequence[ReportRun], entries: Sequence[Entry], names: Mapping[str, str]
) -> LinkedTable:
    """Return a table of the differences of the main metric between all runs, row minus column, with links to `entries`.

    `names` maps the runs' folders to their names on the page.
    """
    main = runs[0].summary.main
    found = {entry["ids"]: entry for entry in entries}
    rows: list[Row] = []
    links: dict[tuple[int, int], str] = {}
    for row, ours in enumerate(runs):
        cells = [names[ours.summary.run]]
        for column, theirs in enumerate(runs):
            entry = found.get((theirs.summary.run, ours.summary.run))
            mirrored = found.get((ours.summary.run, theirs.summary.run))
            cells.append(_format_difference(entry, mirrored, main))
            if (known := entry or mirrored) is not None:
                links[row, column + 1] = make_address("compare", pair=known["key"])
        rows.append(cells)
    columns = [Column("row minus column"), *(Column(names[run.summary.run]) for run in runs)]
    title = f"{runs[0].summary.task}: paired differences of {get_title(main)}"
    notes = ["95 % intervals, paired by item; *: p < 0.05, not corrected for the number of comparisons."]
    return link_table(Table(columns, rows, notes), lambda row, column: links.get((row, column)), title)


def _format_difference(entry: Entry | None, mirrored: Entry | None, main: str) -> str:
    """Return the difference of the main metric between two runs, marked with a star if it is significant.

    `entry` is the comparison of the first run with the second. If it is None, the difference is taken from `mirrored`,
    the comparison of the second run with the first, with the opposite sign.
    """
    known = entry or mirrored
    cell: MetricComparison | None = None if known is None else known["overall"]
    if cell is None:
        return "-"
    metric = cell.difference.difference
    if entry is None and metric.value is not None:
        low, high = metric.low, metric.high
        metric = type(metric)(
            -metric.value, None if high is None else -high, None if low is None else -low, metric.n, metric.reason
        )
    return build_difference_cell(metric, main).text + (" *" if cell.p < 0.05 else "")
