"""Review of marks that people set on items: a list of them, scores with corrected labels, cases for parser tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.core import AlmBenchError, Parsed, UsageError
from alm_bench.core.files import write_atomically
from alm_bench.core.foreign import dump_json
from alm_bench.progress import Watch
from alm_bench.records.find import find_run
from alm_bench.records.grading import grade_record
from alm_bench.records.marks import LABEL_KINDS, LabelChange, Mark, relabel_records
from alm_bench.records.models import RunSummary
from alm_bench.records.reparse import find_parser_version, reparse
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header, read_records
from alm_bench.records.summary import summarise_run
from alm_bench.rescoring import configure_task

if TYPE_CHECKING:
    from alm_bench.core import Task


@dataclass(frozen=True, slots=True)
class ReviewedMark:
    """A mark with the item that it is about."""

    mark: Mark
    """The mark."""

    record: Record | None = None
    """Stored record of the item; None if it was not found."""

    parsed: Parsed | None = None
    """Answer as the current parser parses it; None if the item has no text."""

    parser: str | None = None
    """Version of the current parser."""

    problem: str | None = None
    """Reason why the item was not found; None if it was."""

    @property
    def is_solved(self) -> bool:
        """True if the mark corrects how a text was parsed, and the current parser returns the corrected value."""
        if self.mark.kind != "parsed-wrongly" or self.parsed is None:
            return False
        value = self.parsed.value
        if self.mark.answer is None or value is None:
            return value is self.mark.answer
        return value.casefold() == self.mark.answer.casefold()


def review_marks(marks: Sequence[Mark], out: Path) -> list[ReviewedMark]:
    """Return each mark with its item, or with the reason why the item was not found.

    The runs are searched in the folder `out`; each run is read once.
    """
    runs: dict[str, _MarkedRun | str] = {}
    for mark in marks:
        if mark.run not in runs:
            try:
                runs[mark.run] = _MarkedRun(find_run(mark.run, out))
            except AlmBenchError as error:  # the run is gone or damaged: the mark is listed all the same
                runs[mark.run] = str(error)
    return [_review_mark(mark, runs[mark.run]) for mark in marks]


class _MarkedRun:
    """Records of a run by id, and its task."""

    def __init__(self, folder: Path) -> None:
        header = read_header(folder)
        records, _ = read_records(folder)
        self.records = {record.sample.id: record for record in records}
        self.name = folder.name
        self.task_name = header.task.name
        self.task: Task = configure_task(header)[1]


def _review_mark(mark: Mark, run: "_MarkedRun | str") -> ReviewedMark:
    """Return a mark with the item that it is about. `run` is the marked run, or the reason why it cannot be read."""
    if isinstance(run, str):
        return ReviewedMark(mark, problem=run)
    if mark.task != run.task_name:
        return ReviewedMark(mark, problem=f"{run.name} is a run of {run.task_name}, not of {mark.task}")
    if (record := run.records.get(mark.id)) is None:
        return ReviewedMark(mark, problem=f"{run.name} has no item {mark.id!r}")
    parsed = None if record.text is None else run.task.parse(record.sample, record.text)
    return ReviewedMark(mark, record, parsed, run.task.parser)


def write_label_patch(reviewed: Sequence[ReviewedMark], path: Path) -> int:
    """Write the corrected labels for the maintainers of the benchmarks, as JSON. Returns their number.

    Raises UsageError for marks that contradict each other or whose answer is not an option.
    """
    labels: list[dict[str, Any]] = []
    found = [one for one in reviewed if one.record is not None and one.mark.kind in LABEL_KINDS]
    for task in dict.fromkeys(one.mark.task for one in found):
        ours = [one for one in found if one.mark.task == task]
        records = {one.mark.id: one.record for one in ours if one.record is not None}
        changed = relabel_records(list(records.values()), [one.mark for one in ours], task)
        labels += [_build_patch_entry(task, change, records) for change in changed.changes]
    write_atomically(path, dump_json({"alm_bench_labels": 1, "labels": labels}, indent=1) + "\n", "--labels")
    return len(labels)


def _build_patch_entry(task: str, change: LabelChange, records: dict[str, Record]) -> dict[str, Any]:
    """Return the entry of the label patch for a changed label."""
    record = next(record for record in records.values() if record.sample.question == change.id)
    return {
        "task": task,
        "id": change.id,
        "kind": change.kind,
        "question": record.sample.fields.get("question"),
        "options": list(record.sample.choices),
        "reference": change.before,
        "corrected": change.after,
        "note": change.note,
    }


def write_parser_cases(reviewed: Sequence[ReviewedMark], path: Path) -> int:
    """Write one case for tests of the parser per wrongly parsed answer, as JSON Lines. Returns their number."""
    cases = [
        {
            "text": one.record.text,
            "choices": list(one.record.sample.choices),
            "question": one.record.sample.fields.get("question"),
            "expected": one.mark.answer,
            "parsed": None if one.parsed is None else one.parsed.value,
            "rule": None if one.parsed is None else one.parsed.rule,
            "parser": one.parser,
            "task": one.mark.task,
            "id": one.mark.id,
            "note": one.mark.note,
        }
        for one in reviewed
        if one.mark.kind == "parsed-wrongly" and one.record is not None and one.record.text is not None
    ]
    write_atomically(path, "".join(dump_json(case) + "\n" for case in cases), "--cases")
    return len(cases)


@dataclass(frozen=True, slots=True)
class RelabelledRun:
    """Scores of a run with the labels of the data, and with corrected ones. Neither is stored."""

    before: RunSummary
    """Summary with the labels of the data."""

    after: RunSummary
    """Summary with corrected labels."""

    changes: Sequence[LabelChange]
    """Changed labels."""

    unknown: int
    """Number of marks on questions that the run does not have."""


def relabel_run(
    folder: Path, marks: Sequence[Mark], metrics: str | None, tags: tuple[str, ...], watch: Watch
) -> RelabelledRun:
    """Score the stored texts of a run with the labels of the data and with corrected ones. Writes nothing.

    `metrics` and `tags` replace the metrics and answer tags of the run; `watch` displays the progress.
    Raises StoreError, and UsageError for marks that cannot be applied or if none concerns the run.
    """
    from alm_bench.scoring.spice import report_progress_to

    header, task = configure_task(read_header(folder), metrics, tags)
    stored, _ = read_records(folder)
    records, _ = reparse(stored, task, find_parser_version(header, folder))
    changed = relabel_records(records, marks, header.task.name)
    if not changed.changes:
        raise UsageError(
            f"no mark changes a label of {folder.name}: expected marks {' or '.join(LABEL_KINDS)} on items of "
            f"{header.task.name}"
        )
    corrected = [
        _grade_relabelled(new, task) if new is not old else old
        for new, old in zip(changed.records, records, strict=True)
    ]
    with watch.track_captions() as counting, report_progress_to(counting.update):
        before = summarise_run(header, task, records, folder.name)
        after = summarise_run(header, task, corrected, folder.name)
    return RelabelledRun(before, after, changed.changes, changed.unknown)


def _grade_relabelled(record: Record, task: "Task") -> Record:
    """Grade a record with a corrected label.

    If the corrected label excludes the item from the metrics (`sample.skip`), the record gets the status `skipped`,
    even if its call had failed.
    """
    if record.sample.skip is not None and record.status == "error":
        return replace(record, status="skipped", reason=record.sample.skip)
    return grade_record(record, task)
