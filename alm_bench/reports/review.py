"""Reports on marks, a user's notes on faulty items: the marks with their items, and scores with corrected labels."""

from collections.abc import Sequence

from alm_bench.core import Metric, Parsed
from alm_bench.records.marks import LabelChange, Mark
from alm_bench.records.models import RunSummary
from alm_bench.records.schema import Record
from alm_bench.reports.blocks import Block, Cell, Column, Fields, Heading, Row, Table, Text
from alm_bench.reports.breakdowns import is_metric_shown, order_metrics
from alm_bench.reports.figures import build_difference_cell, build_metric_cell, get_title
from alm_bench.reports.provenance import build_task_title


def build_mark_block(
    mark: Mark, record: Record | None, parsed: Parsed | None, problem: str | None, is_solved: bool
) -> Block:
    """Return one mark with its item as labelled lines.

    `record` is the marked item. If it was not found, `record` is None and `problem` is the reason. `parsed` is the
    result of the current parser; `is_solved` is True if that result agrees with the mark.
    """
    lines: list[tuple[str, str]] = [("kind", mark.kind)]
    if mark.note:
        lines.append(("note", mark.note))
    if record is None:
        return Fields([*lines, ("not found", problem or "unknown")], title=_format_title(mark))
    sample = record.sample
    if question := sample.fields.get("question"):
        lines.append(("question", str(question)))
    lines += [(f"  ({chr(97 + index)})", str(choice)) for index, choice in enumerate(sample.choices)]
    lines.append(("text", "(none)" if record.text is None else repr(record.text)))
    lines.append(("reference", "(withheld)" if (told := sample.describe_reference()) is None else told))
    if mark.kind == "reference-wrong":
        lines.append(("corrected", "(no right answer)" if mark.answer is None else mark.answer))
    if parsed is not None:
        value = "nothing" if parsed.value is None else repr(parsed.value)
        solved = "; as marked" if is_solved else ""
        lines.append(("parsed as", f"{value} (status {parsed.status}, rule {parsed.rule}{solved})"))
    if mark.kind == "parsed-wrongly":
        lines.append(("meant", "(no option)" if mark.answer is None else mark.answer))
    return Fields(lines, title=_format_title(mark))


def _format_title(mark: Mark) -> str:
    return f"── {mark.id} · {mark.task} · {mark.run}"


def build_relabelling(
    before: RunSummary, after: RunSummary, changes: Sequence[LabelChange], unknown: int
) -> list[Block]:
    """Return a table of a run's metrics with the labels of the data and with corrected labels, and the changed labels.

    `unknown` is the number of marks on items that the run does not have.
    """
    names = [name for name in order_metrics(before) if is_metric_shown(before, name)]
    rows: list[Row] = [["n", str(before.n), str(after.n), f"{after.n - before.n:+d}"]]
    for name in names:
        old, new = before.metrics.get(name), after.metrics.get(name)
        cells = [build_metric_cell(metric, name) for metric in (old, new)]
        rows.append([get_title(name), *cells, _build_difference(old, new, name)])
    columns = [Column("metric"), Column("labels of the data"), Column("corrected labels"), Column("difference")]
    heading = Heading(f"{build_task_title(before)} · {before.model} · corrected labels", name=before.model)
    left_out = sum(change.after is None for change in changes)
    note = f"{len(changes)} labels changed, {left_out} of them left out. Nothing is stored."
    if unknown:
        note += f" {unknown} marks are on items that this run does not have."
    changed: list[Row] = [
        [change.id, change.kind, change.before or "-", change.after or "(left out)", change.note or "-"]
        for change in changes
    ]
    listed = Table(
        [
            Column("item", overflow="middle"),
            Column("kind", 1),
            Column("reference", overflow="wrap"),
            Column("corrected", overflow="wrap"),
            Column("note", 2, overflow="wrap"),
        ],
        changed,
    )
    return [heading, Table(columns, rows), Text(note), listed]


def _build_difference(old: Metric | None, new: Metric | None, name: str) -> Cell:
    if old is None or new is None or old.value is None or new.value is None:
        return Cell(("-",))
    return build_difference_cell(Metric(new.value - old.value, n=new.n), name)
