"""Marks that people set on items: wrong labels, broken clips, wrongly parsed answers; and corrected labels of records.

Marks change labels only while scores are computed. The stored records of a run do not change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from alm_bench.core import DataError, Sample, UsageError
from alm_bench.records.schema import Record

MARKS_VERSION = 1
"""Version of the layout of a file of marks."""

Kind = Literal["parsed-wrongly", "reference-wrong", "clip-broken", "answer-right", "answer-partly", "answer-wrong"]
"""Meaning of a mark."""

ANSWER_LABELS: Mapping[str, float] = {"answer-right": 1.0, "answer-partly": 0.5, "answer-wrong": 0.0}
"""Labels in 0..1 of the kinds of marks that grade an answer in free text. They calibrate judges (docs/judges.md)."""

LABEL_KINDS: tuple[Kind, ...] = ("reference-wrong", "clip-broken")
"""Kinds of marks that change labels."""


class Mark(Struct, frozen=True, kw_only=True):
    """Note of a person on one item of a run: a fault of reference, clip or parsed answer, or a grade of the answer."""

    run: str
    """Name of the run's folder."""

    task: str
    """Name of the task."""

    id: str
    """Id of the item."""

    kind: Kind
    """Meaning of the mark."""

    answer: str | None = None
    """Text of the right option: of the reference for `reference-wrong`, of the option that the model meant for
    `parsed-wrongly`. None if no option is right, or if the model chose none."""

    note: str = ""
    """Remark of the person."""


class _MarksFile(Struct, frozen=True):
    alm_bench_marks: int
    """Version of the file format."""
    marks: tuple[Mark, ...]


def read_marks(path: Path) -> tuple[Mark, ...]:
    """Read a JSON file of people's marks on items. Raises DataError if it is not such a file."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_MarksFile)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: not a file of marks: {error}; expected "
            '{"alm_bench_marks": 1, "marks": [{"run", "task", "id", "kind", "answer", "note"}]}'
        ) from error
    if found.alm_bench_marks != MARKS_VERSION:
        raise DataError(f"{path}: marks of version {found.alm_bench_marks}, this alm-bench reads {MARKS_VERSION}")
    return found.marks


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Change of the label (the reference answer) of one question."""

    id: str
    """Id of the question."""

    kind: Kind
    """Reason of the change."""

    before: str | None
    """Reference in the data; None if it was not known."""

    after: str | None
    """Corrected reference; None if the question is now skipped."""

    note: str
    """Remark of the person."""


@dataclass(frozen=True, slots=True)
class Relabelling:
    """Records of a run with corrected labels, which are not graded yet."""

    records: Sequence[Record]
    """Records in the given order. Records without a changed label are the same objects as before."""

    changes: Sequence[LabelChange]
    """Changes, in the order of the records."""

    unknown: int
    """Number of marks on questions of the task that the run does not have."""


def relabel_records(records: Sequence[Record], marks: Sequence[Mark], task: str) -> Relabelling:
    """Change the references of records as the marks on the task `task` say.

    A mark applies to the runs of every model, and to every option order of its question. An item with a broken clip, or
    without a right answer, is skipped, so it does not affect scores. Raises UsageError if marks contradict each other,
    or if an answer is none of the question's options.
    """
    questions = {record.sample.id: record.sample.question for record in records}
    questions |= {question: question for question in questions.values()}
    chosen: dict[str, Mark] = {}
    unknown = 0
    for mark in marks:
        if mark.task != task or mark.kind not in LABEL_KINDS:
            continue
        if mark.id not in questions:
            unknown += 1
            continue
        question = questions[mark.id]
        chosen[question] = _combine_marks(chosen.get(question), mark)
    changes: dict[str, LabelChange] = {}
    relabelled = []
    for record in records:
        mark_or_none = chosen.get(record.sample.question)
        if mark_or_none is None:
            relabelled.append(record)
            continue
        sample, change = _relabel_sample(record.sample, mark_or_none)
        changes.setdefault(record.sample.question, change)
        relabelled.append(replace(record, sample=sample))
    return Relabelling(relabelled, tuple(changes.values()), unknown)


def _combine_marks(earlier: Mark | None, mark: Mark) -> Mark:
    """Return the one of two marks on the same question that applies; `earlier` may be None.

    A broken clip outweighs a wrong reference. Raises UsageError for two marks with different answers.
    """
    if earlier is None or earlier.kind != mark.kind:
        return mark if earlier is None or mark.kind == "clip-broken" else earlier
    if mark.kind == "reference-wrong" and earlier.answer != mark.answer:
        raise UsageError(
            f"item {mark.id!r} has two marks with different answers: {earlier.answer!r} and {mark.answer!r}"
        )
    return earlier


def _relabel_sample(sample: Sample, mark: Mark) -> tuple[Sample, LabelChange]:
    """Return the sample with the reference that the mark gives it, or marked as skipped, and the change of its label.

    Raises UsageError if the mark's answer cannot be the reference of this sample.
    """
    before = sample.describe_reference()
    note = f": {mark.note}" if mark.note else ""
    if mark.kind == "clip-broken" or mark.answer is None:
        reason = "marked: broken clip" if mark.kind == "clip-broken" else "marked: no right answer"
        changed = replace(sample, skip=f"{reason}{note}")
        return changed, LabelChange(sample.question, mark.kind, before, None, mark.note)
    if sample.choices:
        changed = _select_reference(sample, mark.answer)
    elif isinstance(sample.target, list) or sample.target is None:
        changed = replace(sample, target=[mark.answer], gold=mark.answer, skip=None)
    else:
        raise UsageError(f"item {sample.id!r}: its reference cannot be replaced by a text; mark it without an answer")
    return changed, LabelChange(sample.question, mark.kind, before, changed.describe_reference(), mark.note)


def _select_reference(sample: Sample, answer: str) -> Sample:
    """Return the sample with the option `answer` as its reference. Raises UsageError if there is no such option.

    If the question may have several right options, `answer` may be several options joined by ` + `.
    """
    if sample.targets is not None:
        texts = [answer] if answer in sample.choices else answer.split(" + ")  # an option may contain the sign itself
        indices = tuple(_find_option(sample, text) for text in texts)
        return replace(sample, targets=indices, skip=None)
    index = _find_option(sample, answer)
    return replace(sample, target=index, gold=sample.choices[index], skip=None)


def _find_option(sample: Sample, answer: str) -> int:
    """Return the index of the option with the text `answer`. Case and spaces may differ. Raises UsageError."""
    if answer in sample.choices:
        return sample.choices.index(answer)
    folded = [" ".join(choice.casefold().split()) for choice in sample.choices]
    wanted = " ".join(answer.casefold().split())
    if folded.count(wanted) != 1:
        options = ", ".join(repr(choice) for choice in sample.choices)
        raise UsageError(
            f"item {sample.id!r} is marked with the answer {answer!r}, which is none of its options {options}"
        )
    return folded.index(wanted)
