"""Rows of questions and answers about clips, as files in ReasonAQA's format hold them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from alm_bench.core import AudioRef, DataError, Sample
from alm_bench.core.foreign import dump_json
from alm_bench.data.inline_options import split_options
from alm_bench.data.readers import read_json

KEYS = (
    *("taskname", "filepath1", "filepath2", "caption1", "caption2"),
    *("input", "answer", "subtype", "question", "choices", "split"),
)
"""Keys of a row that `QuestionRow` has as fields. Other keys are preserved as they are."""

SPLITS = ("train", "val", "test")
"""Splits of data for training, in the order in which a clip may rather be lost: a clip of two splits stays in the last
of them."""


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question about one or two clips, with its answer."""

    id: str
    """Unique id within the rows of one command."""

    clips: tuple[str, ...]
    """Paths of the clips below the audio folder."""

    question: str
    """Text of the question, without options."""

    answer: str
    """Text of the answer; for multiple choice, the text of the right option as the source of the row gives it."""

    choices: tuple[str, ...] = ()
    """Texts of the options; empty for a question without options."""

    target: int | None = None
    """Index of the right option; None if there are no options, or if the answer is none of them."""

    captions: tuple[str, ...] = ()
    """Captions from which the row was made, one per clip; empty if they are not known."""

    subtype: str = ""
    """Part of the data to which the row belongs (`AudioCaps_MCQ.json`)."""

    split: str = "train"
    """Split of the clips."""

    other: Mapping[str, Any] = field(default_factory=dict)
    """Other keys of the row's JSON object, with their values, such as `flags`, which filters write."""

    @property
    def caption(self) -> str:
        """All captions as one text; empty if none is known."""
        return " ".join(self.captions)


def format_input(row: QuestionRow) -> str:
    """Return the prompt of a row: its question and lettered options in one line, in the format of ReasonAQA."""
    options = [f"{ascii_lowercase[index]}) {text}" for index, text in enumerate(row.choices)]
    return " ".join([row.question, *options])


def format_answer(row: QuestionRow) -> str:
    """Return the answer of a row; for multiple choice, with its letter."""
    return row.answer if row.target is None else f"{ascii_lowercase[row.target]}) {row.choices[row.target]}"


def convert_row_to_json(row: QuestionRow) -> dict[str, Any]:
    """Convert a row to a JSON object in ReasonAQA's format, which `alm-bench train` takes.

    The object also has keys that are not part of this format: `question`, `choices`, `split` and those of `row.other`.
    """
    return {
        "taskname": "audiocaps" if "audiocaps" in row.subtype.casefold() else "clothov21",
        "filepath1": row.clips[0],
        "filepath2": row.clips[1] if len(row.clips) > 1 else "",
        "caption1": row.captions[0] if row.captions else "",
        "caption2": row.captions[1] if len(row.captions) > 1 else "",
        "input": format_input(row),
        "answer": format_answer(row),
        "subtype": row.subtype,
        "split": row.split,
        "question": row.question,
        **({"choices": list(row.choices)} if row.choices else {}),
        **row.other,
    }


def dump_rows(rows: Iterable[QuestionRow]) -> str:
    """Return rows as the content of a JSON file in ReasonAQA's format, with one row per line."""
    return "[\n" + ",\n".join(dump_json(convert_row_to_json(row)) for row in rows) + "\n]\n"


def read_rows(path: Path, split: str = "train") -> list[QuestionRow]:
    """Read a JSON file in ReasonAQA's format. Options are read from the key `choices`, or from the prompt.

    `split` is the split of rows that do not name one. Raises DataError.
    """
    document = read_json(path)
    if not isinstance(document, list):
        raise DataError(f"{path}: found {type(document).__name__}, expected a list of rows as ReasonAQA has")
    return [_convert_row(item, f"{path}: row {number}", f"{number}", split) for number, item in enumerate(document)]


def _convert_row(item: Any, location: str, name: str, split: str) -> QuestionRow:
    """Convert an object in ReasonAQA's format to a row with the id `name`. `location` names it in error messages.

    Raises DataError.
    """
    if not isinstance(item, dict):
        raise DataError(f"{location} is {dump_json(item)[:40]}, expected an object")
    for key in ("filepath1", "input", "answer"):
        if not isinstance(item.get(key), str):
            raise DataError(f"{location}: field {key!r} is {item.get(key)!r}, expected text")
    subtype, choices = str(item.get("subtype") or ""), item.get("choices")
    row = QuestionRow(
        id=name,
        clips=tuple(str(item[key]) for key in ("filepath1", "filepath2") if item.get(key)),
        question=str(item.get("question") or item["input"]),
        answer=item["answer"],
        captions=tuple(str(item[key]) for key in ("caption1", "caption2") if item.get(key)),
        subtype=subtype,
        split=str(item.get("split") or split),
        other={key: value for key, value in item.items() if key not in KEYS},
    )
    if choices is not None:
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise DataError(f"{location}: field 'choices' is {choices!r:.60}, expected a list of texts")
        return set_options(row, choices, item["answer"])
    found = split_options(item["input"], item["answer"])
    if not found.choices:
        return row
    answer = item["answer"] if found.target is None else found.choices[found.target]
    return replace(row, question=found.question, answer=answer, choices=found.choices, target=found.target)


def set_options(row: QuestionRow, choices: Sequence[str], answer: str) -> QuestionRow:
    """Return a copy of the row with the options `choices`. `answer` names the right one by its letter, its text or
    both. If it names none of them, the row has no right option."""
    from alm_bench.data.inline_options import find_answer_index

    target = find_answer_index(answer, choices)
    text = answer if target is None else choices[target]
    return replace(row, choices=tuple(choices), target=target, answer=text)


def convert_row_to_sample(row: QuestionRow) -> Sample:
    """Convert a row to an item, for the text-only baselines of multiple choice."""
    clips = tuple(AudioRef(path, Path(path)) for path in row.clips)
    return Sample(
        row.id, {"question": row.question}, clips, row.choices, row.target, row.answer, {"clip": row.clips[0]}
    )


def convert_sample_to_row(sample: Sample) -> QuestionRow:
    """Convert an item of a task to a row in the split `test`, so that the filters can check any benchmark."""
    answer = sample.gold if sample.gold is not None or sample.target is None else sample.choices[sample.target]
    clips = tuple(ref.id for ref in sample.audio) or (sample.id,)
    question = sample.fields.get("question", "")
    return QuestionRow(sample.id, clips, question, str(answer or ""), sample.choices, sample.target, split="test")
