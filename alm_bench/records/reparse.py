"""Parsing of a run's stored answers with the current parser, and comparison with the earlier parsing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import ScoresItems, StoreError, Task
from alm_bench.core.types import Metric
from alm_bench.records.grading import grade_record
from alm_bench.records.models import RunHeader
from alm_bench.records.schema import Record
from alm_bench.records.store import RunStore, read_summary
from alm_bench.scoring.blind import select_rows_with_reference
from alm_bench.scoring.main_score import compute_main_scores, has_main_score
from alm_bench.scoring.multiple_choice import compute_mean


@dataclass(frozen=True, slots=True)
class ReparseResult:
    """Differences between the earlier and the current parsing of the same answers.

    `parser_before` and `parser` are the versions of the two parsers; `parser_before` is None if the run does not name
    it. `items` is the number of items, `changed` the number of items whose status or value differs. `score` is the name
    of the task's per-item metric, `before` and `after` are its means; they are None if the task has no per-item metric.
    """

    parser_before: str | None
    parser: str
    items: int
    changed: int
    score: str
    before: Metric | None
    after: Metric | None

    @property
    def has_changes(self) -> bool:
        return self.changed > 0 or self.parser != self.parser_before

    def describe(self) -> str:
        """Return one line for the user that describes the changes."""
        old = self.parser_before or "an earlier version"
        said = f"parsed again by {self.parser} (before: {old}): {self.changed:,} of {self.items:,} items changed"
        if self.before is None or self.after is None or self.before.value is None or self.after.value is None:
            return said
        name = self.score.replace("_", " ")
        return f"{said}, {name} {100 * self.before.value:.1f} -> {100 * self.after.value:.1f}"


def reparse(records: Sequence[Record], task: Task, parser_before: str | None) -> tuple[list[Record], ReparseResult]:
    """Parse and grade the stored answers of `records` again.

    Returns the new records in the task's order, and the differences.
    """
    before = sorted(records, key=lambda record: record.index)
    after = [grade_record(record, task) for record in before]
    changed = sum(_list_parsed_values(a) != _list_parsed_values(b) for a, b in zip(before, after, strict=True))
    score, old = _compute_mean_score(before, task)
    _, new = _compute_mean_score(after, task)
    return after, ReparseResult(parser_before, task.parser, len(after), changed, score, old, new)


def reparse_outdated(store: RunStore, task: Task) -> ReparseResult | None:
    """Parse the stored items of an open run again if another version of the parser parsed them.

    Otherwise, a resumed run would mix the results of two parser versions. Returns the differences; None if there are no
    stored items or the parser is the same.
    """
    before = find_parser_version(store.header, store.folder)
    if not store.kept or before == task.parser:
        return None
    store.kept, found = reparse(store.kept, task, before)
    store.rewrite(store.kept)
    store.update_header(parser=task.parser)
    return found


def find_parser_version(header: RunHeader, folder: Path) -> str | None:
    """Return the version of the parser that parsed a run: from its header, or else from its summary.

    Returns None if neither contains it.
    """
    if header.parser is not None:
        return header.parser
    try:
        return read_summary(folder)[0].parser
    except StoreError:  # no summary, or an incomplete one
        return None


def _list_parsed_values(record: Record) -> tuple[Any, ...]:
    """Return status and parsed answer. An item is changed if one of these values differs."""
    parsed = record.parsed
    return (record.status, *(() if parsed is None else (parsed.value, parsed.index, parsed.indices)))


def _compute_mean_score(records: Sequence[Record], task: Task) -> tuple[str, Metric | None]:
    """Return the name of the task's per-item metric, and its mean over the items with a score. Without such a metric,
    returns "" and None.
    """
    if isinstance(task, ScoresItems):
        return "", None
    rows = [
        row
        for row in select_rows_with_reference([record.to_scored() for record in records])
        if has_main_score(task, row.sample)
    ]
    if not rows:
        return "", None
    name, values = compute_main_scores(task, rows)
    return name, compute_mean(rows, values)
