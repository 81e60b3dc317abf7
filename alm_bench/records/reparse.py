"""Parse stored texts again: what a newer parser changes in a run that an older one read."""

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
from alm_bench.scoring.blind import with_reference
from alm_bench.scoring.main_score import has_main_score, main_scores
from alm_bench.scoring.multiple_choice import mean


@dataclass(frozen=True, slots=True)
class Reparsed:
    """What changed between two parsings of the same texts.

    `parser_before` is None where the run does not name its parser. `changed` counts the items whose status or value
    differs. `before` and `after` are the task's per-item score `score`, both None where it has no such score.
    """

    parser_before: str | None
    parser: str
    items: int
    changed: int
    score: str
    before: Metric | None
    after: Metric | None

    @property
    def is_news(self) -> bool:
        return self.changed > 0 or self.parser != self.parser_before

    def line(self) -> str:
        """One line for the user."""
        old = self.parser_before or "an earlier version"
        said = f"parsed again by {self.parser} (before: {old}): {self.changed:,} of {self.items:,} items changed"
        if self.before is None or self.after is None or self.before.value is None or self.after.value is None:
            return said
        name = self.score.replace("_", " ")
        return f"{said}, {name} {100 * self.before.value:.1f} -> {100 * self.after.value:.1f}"


def reparse(records: Sequence[Record], task: Task, parser_before: str | None) -> tuple[list[Record], Reparsed]:
    """Parse and grade the texts of `records` again; returns them in the task's order, and what changed."""
    before = sorted(records, key=lambda record: record.index)
    after = [grade_record(record, task) for record in before]
    changed = sum(_reading(a) != _reading(b) for a, b in zip(before, after, strict=True))
    score, old = _score(before, task)
    _, new = _score(after, task)
    return after, Reparsed(parser_before, task.parser, len(after), changed, score, old, new)


def reparse_older(store: RunStore, task: Task) -> Reparsed | None:
    """Parse the kept items of an open run again where another version of the parser read them; None where none did.

    A resumed run would otherwise mix the readings of two versions under the name of one.
    """
    before = parser_of(store.header, store.folder)
    if not store.kept or before == task.parser:
        return None
    store.kept, found = reparse(store.kept, task, before)
    store.rewrite(store.kept)
    store.note(parser=task.parser)
    return found


def parser_of(header: RunHeader, folder: Path) -> str | None:
    """Return the parser that read a run: as its header says, else its summary; None if neither does."""
    if header.parser is not None:
        return header.parser
    try:
        return read_summary(folder)[0].parser
    except StoreError:  # no summary, or not a whole one
        return None


def _reading(record: Record) -> tuple[Any, ...]:
    parsed = record.parsed
    return (record.status, *(() if parsed is None else (parsed.value, parsed.index, parsed.indices)))


def _score(records: Sequence[Record], task: Task) -> tuple[str, Metric | None]:
    """The mean of the task's per-item score over the items that have it."""
    if isinstance(task, ScoresItems):
        return "", None
    rows = [row for row in with_reference([record.scored() for record in records]) if has_main_score(task, row.sample)]
    if not rows:
        return "", None
    name, values = main_scores(task, rows)
    return name, mean(rows, values)
