"""Text-only runs as baselines of other runs: items that a text-only run answers correctly are solvable from text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from alm_bench.core import UsageError
from alm_bench.records.models import RunHeader
from alm_bench.records.schema import Baseline, PlannedItem, Record
from alm_bench.records.store import read_header, read_records
from alm_bench.scoring.multiple_choice import normalise_choice

Item = TypeVar("Item", PlannedItem, Record)


def add_text_baseline(folder: Path, items: Sequence[Item], header: RunHeader) -> list[Item]:
    """Return `items` with the answers of the run in `folder` added as their first text-only baseline.

    `header` is the header of the run that `items` belong to. Options are matched by their text, since either run may
    have reordered them.
    Raises UsageError if the run in `folder` is the same run, a run of another task, has several option orders per
    question, or lacks items, and for questions with several correct options. Raises StoreError for a folder without a
    run.
    """
    other, task = read_header(folder), header.task.name
    if other.task.name != task:
        raise UsageError(f"--solvable-by {folder.name}: a run of {other.task.name}, expected one of {task}")
    if other.fingerprint == header.fingerprint:
        raise UsageError(f"--solvable-by {folder.name} is the run itself, expected a run that heard nothing")
    if any(item.sample.targets is not None for item in items):
        raise UsageError(f"--solvable-by: questions of {task} may have several right options, expected one each")
    found, _ = read_records(folder)
    by_question = {record.sample.question: record for record in found}
    if len(by_question) < len(found):
        raise UsageError(f"--solvable-by {folder.name} asked several orders of each question, expected one")
    missing = [item.sample.question for item in items if item.sample.question not in by_question]
    if missing:
        raise UsageError(
            f"--solvable-by {folder.name} has no answer for {len(missing)} of {len(items)} items, as {missing[0]!r}: "
            "run it on the same items"
        )
    name = f"text only: {other.identity.label} ({other.fingerprint[:8]})"
    return [_add_baseline(item, name, by_question[item.sample.question]) for item in items]


def describe_missing_baseline(records: Sequence[Record]) -> str | None:
    """Return one line if only some of the records have the answer of a `--solvable-by` run; None otherwise.

    This happens if a run was resumed without the option.
    """
    had = Counter(baseline.name for record in records for baseline in record.baselines if baseline.is_run)
    for name, count in had.items():
        if count < len(records):
            missing = len(records) - count
            return f"{missing} of {len(records)} items have no prediction of {name!r}: name its run with --solvable-by"
    return None


def _add_baseline(item: Item, name: str, other_record: Record) -> Item:
    """Return the item with the answer in `other_record`, the other run's record, as its first baseline."""
    solver = Baseline(name=name, option=_find_chosen_option(item, other_record), is_run=True)
    return replace(item, baselines=(solver, *(other for other in item.baselines if other.name != name)))


def _find_chosen_option(item: PlannedItem | Record, other_record: Record) -> int | None:
    """Return the index of the option that the other run chose; None if it chose none.

    Raises UsageError if the item does not have that option.
    """
    index = other_record.parsed.index if other_record.parsed is not None else None
    if index is None:
        return None
    chosen = normalise_choice(other_record.sample, index)
    same = [option for option in range(len(item.sample.choices)) if normalise_choice(item.sample, option) == chosen]
    if not same:
        raise UsageError(
            f"--solvable-by: item {item.sample.question!r} has other options there "
            f"({other_record.sample.choices[index]!r} is none of these): run it on the same data revision"
        )
    return same[0]
