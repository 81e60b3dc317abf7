"""Sequence of filters over the rows of a data set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from alm_bench.core import UsageError
from alm_bench.synthesis.filters import Action, FilterSettings, Finding, RowFilter, load_filter_classes
from alm_bench.synthesis.rows import QuestionRow


@dataclass(frozen=True, slots=True)
class FilterStep:
    """A filter with its action."""

    filter: RowFilter
    """The filter."""

    action: Action
    """Treatment of rows in which it finds a fault."""


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A row that was removed."""

    row: QuestionRow
    """The row."""

    filter: str
    """Name of the filter that removed it."""

    finding: Finding
    """Fault."""


@dataclass(slots=True)
class StepResult:
    """Numbers of rows that one filter checked, removed, marked and repaired."""

    name: str
    """Name of the filter."""

    action: Action
    """Its action."""

    rows: int
    """Number of rows that it checked."""

    reasons: Counter[str] = field(default_factory=Counter)
    """Number of faulty rows by reason."""

    dropped: int = 0
    """Number of rows that it removed."""

    flagged: int = 0
    """Number of rows that it marked."""

    repaired: int = 0
    """Number of rows that it repaired."""


@dataclass(slots=True)
class FilterResult:
    """Result of a sequence of filters."""

    rows: list[QuestionRow]
    """Remaining rows, repaired and flagged, in their order."""

    dropped: list[DroppedRow] = field(default_factory=list)
    """Removed rows."""

    steps: list[StepResult] = field(default_factory=list)
    """Counts by filter, in the order of the filters."""


def parse_steps(text: str | None) -> list[FilterStep]:
    """Parse the value of `--filters`. Return its filters with their actions, in the order in which they run.

    `text` is a comma-separated list of `NAME[=drop|flag|repair]`, or `none` for no filter. If `text` is None, all
    filters are returned with their default actions. Raises UsageError.
    """
    registry = load_filter_classes()
    given = ["all"] if text is None else [part.strip() for part in text.split(",") if part.strip()]
    actions: dict[str, Action] = {}
    for part in given:
        name, _, action = part.partition("=")
        if name == "none":
            continue
        if name == "all":
            actions |= {key: cls.action for key, cls in registry.entries.items()}
            continue
        cls = registry.get(name)
        actions[name] = _parse_action(action, part) if action else cls.action
    steps = [FilterStep(registry.get(name)(), action) for name, action in actions.items()]
    return sorted(steps, key=lambda step: (step.filter.order, step.filter.name))


def _parse_action(text: str, part: str) -> Action:
    """Return the action with the name `text`. Raises UsageError for an unknown one, with the `part` of `--filters` that
    contains it."""
    for action in get_args(Action):
        if text == action:
            known: Action = action
            return known
    raise UsageError(f"--filters {part}: {text!r} is unknown; known: {', '.join(get_args(Action))}")


def run_filters(rows: Sequence[QuestionRow], steps: Sequence[FilterStep], settings: FilterSettings) -> FilterResult:
    """Run filters in order. Each gets the rows that those before it have left.

    A flagged row has the names of the filters in its key `flags`. Raises ValueError if rows have equal ids.
    """
    if len({row.id for row in rows}) < len(rows):
        raise ValueError("rows must have different ids")
    result = FilterResult(list(rows))
    for step in steps:
        findings = {one.row: one for one in step.filter.check(result.rows, settings)}
        counts = StepResult(step.filter.name, step.action, len(result.rows))
        left: list[QuestionRow] = []
        for row in result.rows:
            finding = findings.get(row.id)
            if finding is None:
                left.append(row)
                continue
            counts.reasons[finding.reason] += 1
            if step.action == "repair" and finding.repaired is not None:
                counts.repaired += 1
                left.append(finding.repaired)
            elif step.action == "flag":
                counts.flagged += 1
                flags = [*row.other.get("flags", ()), step.filter.name]
                left.append(replace(row, other={**row.other, "flags": flags}))
            else:
                counts.dropped += 1
                result.dropped.append(DroppedRow(row, step.filter.name, finding))
        result.rows = left
        result.steps.append(counts)
    return result
