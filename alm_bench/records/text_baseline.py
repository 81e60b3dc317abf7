"""A text-only run as the solver of another: what it gets right needs no ears."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alm_bench.core import UsageError
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header, read_records
from alm_bench.scoring.multiple_choice import fold_choice


def solved_by(folder: Path, records: Sequence[Record], header: Mapping[str, Any]) -> list[Record]:
    """The records of the run of `header` with the options that the run in `folder` chose, as their last prediction.

    Options are matched by their text, since either run may have moved them. Raises UsageError for the run itself, a
    run of another task, of several arrangements of a question, or without some of the items; StoreError for a folder
    without a run.
    """
    other, task = read_header(folder), header["task"]["name"]
    if other["task"]["name"] != task:
        raise UsageError(f"--solvable-by {folder.name}: a run of {other['task']['name']}, expected one of {task}")
    if other["fingerprint"] == header["fingerprint"]:
        raise UsageError(f"--solvable-by {folder.name} is the run itself, expected a run that heard nothing")
    if any(record.sample.targets is not None for record in records):
        raise UsageError(f"--solvable-by: questions of {task} may have several right options, expected one each")
    found, _ = read_records(folder)
    by_question = {record.sample.question: record for record in found}
    if len(by_question) < len(found):
        raise UsageError(f"--solvable-by {folder.name} asked several orders of each question, expected one")
    missing = [record.sample.question for record in records if record.sample.question not in by_question]
    if missing:
        raise UsageError(
            f"--solvable-by {folder.name} has no answer for {len(missing)} of {len(records)} items, as {missing[0]!r}: "
            "run it on the same items"
        )
    row = f"{TEXT_ONLY}{other['identity']['label']} ({other['fingerprint'][:8]})"
    return [_with(record, row, by_question[record.sample.question]) for record in records]


TEXT_ONLY = "text only: "
"""What the name of a solver's row begins with; its model and the start of its run's fingerprint follow."""


def left_out(records: Sequence[Record]) -> str | None:
    """One line where some items have a solver's prediction and others, answered later, have none."""
    had = Counter(name for record in records for name in record.blind if name.startswith(TEXT_ONLY))
    for name, count in had.items():
        if count < len(records):
            missing = len(records) - count
            return f"{missing} of {len(records)} items have no prediction of {name!r}: name its run with --solvable-by"
    return None


def _with(record: Record, row: str, theirs: Record) -> Record:
    others = {name: place for name, place in record.blind.items() if name != row}
    return replace(record, blind={**others, row: _place(record, theirs)})


def _place(record: Record, theirs: Record) -> int | None:
    """Where the option that they chose stands here. Raises UsageError where it is none of these options."""
    index = theirs.parsed.index if theirs.parsed is not None else None
    if index is None:
        return None
    said = fold_choice(theirs.sample, index)
    places = [place for place in range(len(record.sample.choices)) if fold_choice(record.sample, place) == said]
    if not places:
        raise UsageError(
            f"--solvable-by: item {record.sample.question!r} has other options there "
            f"({theirs.sample.choices[index]!r} is none of these): run it on the same data revision"
        )
    return places[0]
