"""Reading of people's labels of answers: from a labelled file, or from marks that people set in a report."""

from pathlib import Path

from alm_bench.core import DataError, UsageError
from alm_bench.data.outputs.labelled import CaptionPair, LabelledAnswer, read_labelled
from alm_bench.data.readers import read_json
from alm_bench.judges.run_items import list_references, remove_reasoning
from alm_bench.records.find import find_run
from alm_bench.records.marks import ANSWER_LABELS, Mark, read_marks
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header, read_records


def read_labels(path: Path, out: Path, columns: "tuple[str, ...] | list[str]" = ()) -> list[LabelledAnswer]:
    """Read labelled answers from a file, or from the marks of a report (`answer-right`, `answer-partly`,
    `answer-wrong`), whose runs are searched in `out`.

    `columns` says under which names a file has its columns: `label=mark` reads the labels from the column `mark`.
    Raises DataError and UsageError.
    """
    if holds_marks(path):
        return _read_marked_answers(path, out)
    items = read_labelled(path, columns)
    answers = [item for item in items if isinstance(item, LabelledAnswer)]
    if any(isinstance(item, CaptionPair) for item in items):
        raise DataError(f"{path}: pairs of captions, expected answers with labels")
    return answers


def holds_marks(path: Path) -> bool:
    """Return True for a JSON file of marks that a report has saved. Raises DataError for a file that is not JSON."""
    document = read_json(path) if path.suffix.lower() == ".json" else None
    return isinstance(document, dict) and "alm_bench_marks" in document


def _read_marked_answers(path: Path, out: Path) -> list[LabelledAnswer]:
    """Return the answers that people have labelled by marks in reports of runs. `path` is the file of marks, `out` the
    folder with the runs.

    Raises DataError if no mark labels an answer, and UsageError if a run does not have the marked item.
    """
    marks = [mark for mark in read_marks(path) if mark.kind in ANSWER_LABELS]
    if not marks:
        raise DataError(f"{path}: no mark labels an answer, expected {', '.join(ANSWER_LABELS)}")
    runs: dict[str, tuple[str, dict[str, Record]]] = {}
    answers = []
    for mark in marks:
        if mark.run not in runs:
            folder = find_run(mark.run, out)
            records, _ = read_records(folder)
            runs[mark.run] = read_header(folder).identity.label, {record.sample.id: record for record in records}
        model, by_id = runs[mark.run]
        if mark.id not in by_id:
            raise UsageError(f"{path}: {mark.run} has no item {mark.id!r}")
        answers.append(_build_labelled_answer(mark, by_id[mark.id], model))
    return answers


def _build_labelled_answer(mark: Mark, record: Record, model: str) -> LabelledAnswer:
    question = record.sample.fields.get("question") or record.sample.metadata.get("question")
    return LabelledAnswer(
        answer=remove_reasoning(record.text or ""),
        references=list_references(record),
        label=ANSWER_LABELS[mark.kind],
        question=None if question is None else str(question),
        model=model,
        type=mark.task,
        clip=record.sample.groups.get("clip"),
        id=mark.id,
    )
