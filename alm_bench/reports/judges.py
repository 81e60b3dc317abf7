"""Tables of a run's judges: how far they agree with people, and the scores that they give to the answers."""

from collections.abc import Sequence

import msgspec

from alm_bench.core import Metric
from alm_bench.records.judgement import JudgedTable
from alm_bench.records.models import RunSummary as Summary
from alm_bench.reports.blocks import Block, Cell, Column, Row, Table, convert_to_cell
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.calibration import SHARE, build_correlation_cell
from alm_bench.reports.figures import build_metric_cell, format_value
from alm_bench.scoring.judged import JUDGED, describe_reliability

NOT_CALIBRATED = "not calibrated"
"""Mark of a judge whose agreement with people was not measured."""


def read_judges(summary: Summary) -> list[JudgedTable]:
    """Return the results of the judges of a run; empty without one."""
    return msgspec.convert(summary.tables.get("judges", []), list[JudgedTable])


def describe_calibration(table: JudgedTable) -> str:
    """Return in words how far a judge agrees with people, with a warning if the agreement is low.

    The text begins with `not calibrated` if no agreement was measured.
    """
    known = table.calibration
    if known is None:
        return f"{NOT_CALIBRATED}: how far it agrees with people is not known (alm-bench judge-check)"
    kappa = known.kappa
    value = "not computed" if kappa.value is None else f"{kappa.value:.2f}"
    warning = describe_reliability(kappa)
    return f"kappa {value} with people on {known.source} (n = {known.n:,})" + (f"; {warning}" if warning else "")


def format_judges(summary: Summary) -> list[str]:
    """Return one line per judge for the short report of a run."""
    lines = []
    for table in read_judges(summary):
        metric = table.metrics[JUDGED]
        value = build_metric_cell(metric, SHARE).text
        unjudged = f", {table.items - table.judged:,} unjudged" if table.judged < table.items else ""
        corrected = table.corrected
        people = f"; by people's standard {build_metric_cell(corrected, SHARE).text}" if corrected is not None else ""
        lines.append(
            f"{value} of {table.items:,} by {table.judge}, preset {table.preset}{unjudged}{people}; "
            f"{describe_calibration(table)}"
        )
    return lines


def add_judge_name(summary: Summary, name: str, cell: Cell) -> Cell:
    """Return the cell of a metric, with the judge's name added for metrics of a judge, as runs may have different
    judges."""
    tables = read_judges(summary) if name.startswith(JUDGED) else []
    if not tables or name not in tables[0].metrics:
        return cell
    mark = "" if tables[0].calibration is not None else f", {NOT_CALIBRATED}"
    by = f" by {tables[0].judge} ({tables[0].preset}{mark})"
    return Cell(tuple(form + by for form in cell.forms), cell.note, cell.style)


def build_judge_tables(summary: Summary) -> list[Block]:
    """Return the tables of a run's judges; none without a judge."""
    tables = read_judges(summary)
    if not tables:
        return []
    blocks: list[Block] = [_build_agreement_table(tables), _build_score_table(summary, tables)]
    return blocks + [_build_group_score_table(tables, name) for name in tables[0].groups]


def _build_agreement_table(tables: Sequence[JudgedTable]) -> Table:
    """Return the table of agreement with people, with one row per judge."""
    rows: list[Row] = []
    for table in tables:
        known = table.calibration
        name = _format_name(table)
        if known is None:
            rows.append([name, NOT_CALIBRATED, "-", "-", "-", "-", "-"])
            continue
        rows.append(
            [
                name,
                known.source,
                f"{known.n:,}" + (f" ({known.unjudged:,} unjudged)" if known.unjudged else ""),
                build_metric_cell(known.accuracy, SHARE),
                build_correlation_cell(known.kappa),
                build_correlation_cell(known.spearman),
                ", ".join(f"{key} {_format_kappa(kappa)}" for key, kappa in known.by_type.items()) or "-",
            ]
        )
    columns = [
        Column("judge's agreement with people", overflow="middle"),
        Column("labelled file", 1, overflow="middle"),
        Column("n", 2),
        Column("accuracy"),
        Column("kappa"),
        Column("Spearman", 3),
        Column("kappa by type", 4, overflow="end"),
    ]
    return Table(columns, rows, notes=[f"{_format_name(table)}: {describe_calibration(table)}." for table in tables])


def _format_kappa(kappa: Metric) -> str:
    return "-" if kappa.value is None else f"{kappa.value:.2f}"


def _build_score_table(summary: Summary, tables: Sequence[JudgedTable]) -> Table:
    """Return the table of mean scores, with one row per judge."""
    extra = list(dict.fromkeys(name for table in tables for name in table.metrics if name != JUDGED))
    has_labels = any(table.corrected is not None for table in tables)
    rows: list[Row] = []
    for table in tables:
        cells = [build_metric_cell(table.metrics.get(name), SHARE) for name in extra]
        corrected = [build_metric_cell(table.corrected, SHARE)] if has_labels else []
        rows.append(
            [
                f"{summary.model}, by {_format_name(table)}",
                table.items,
                table.items - table.judged,
                build_metric_cell(table.metrics[JUDGED], SHARE),
                _build_bounds_cell(table),
                *cells,
                *corrected,
            ]
        )
    columns = [
        Column("judged answers", overflow="middle"),
        Column("n", 1),
        Column("unjudged", 2),
        Column("mean score"),
        Column("bounds", 3),
        *(Column(get_metric_heading(name), 4) for name in extra),
        *([Column("by people's standard", 1)] if has_labels else []),
    ]
    return Table(columns, rows, notes=[note for table in tables for note in _list_notes(table, has_labels)])


def _list_notes(table: JudgedTable, has_labels: bool) -> list[str]:
    """Return the notes below the scores of one judge. `has_labels`: True if means by people's labels are shown."""
    notes = []
    if table.problems:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in table.problems.items())
        notes.append(f"{_format_name(table)}: without a verdict: {listed}. The interval includes them as 0 and as 1.")
    if table.no_answer:
        notes.append(f"{_format_name(table)}: {table.no_answer:,} items without an answer count as wrong.")
    if has_labels and table.corrected is not None:
        notes.append(
            f"By people's standard: mean label of all items, estimated from {table.corrected.n:,} labels and the "
            "verdicts (prediction-powered inference, arXiv 2301.09633); valid if the labelled items are a random "
            "sample."
        )
    for metric, text in ((table.repeats_agree, "all repeats agree"), (table.orders_agree, "both orders agree")):
        if metric is not None:
            notes.append(f"{_format_name(table)}: {text} on {build_metric_cell(metric, SHARE).text} % of the items.")
    for key, kappa in table.kappa.items():
        other = key.partition("#")[0]
        notes.append(f"{_format_name(table)} and {other}: kappa {build_correlation_cell(kappa).text}.")
    if table.usage.get("cost"):
        notes.append(f"{_format_name(table)}: the last command spent {table.usage['cost']:.4f} USD on this judge.")
    return notes


def _build_bounds_cell(table: JudgedTable) -> Cell:
    """Return the smallest and the largest possible mean score, with all missing verdicts as 0 and as 1."""
    if table.low is None or table.high is None:
        return convert_to_cell("-")
    return convert_to_cell(f"{format_value(table.low, SHARE)} to {format_value(table.high, SHARE)}")


def _build_group_score_table(tables: Sequence[JudgedTable], grouping: str) -> Table:
    """Return the mean scores by one grouping, with a column per judge."""
    keys = list(tables[0].groups[grouping])
    rows: list[Row] = [
        [
            key,
            tables[0].groups[grouping][key].n,
            *(build_metric_cell(table.groups.get(grouping, {}).get(key), SHARE) for table in tables),
        ]
        for key in keys
    ]
    return Table(
        [Column(grouping, overflow="end"), Column("n", 1), *(Column(_format_name(one)) for one in tables)], rows
    )


def _format_name(table: JudgedTable) -> str:
    return f"{table.judge} ({table.preset}@{table.prompt_hash[:8]})"
