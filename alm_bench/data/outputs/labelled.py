"""Readers of texts that people judged: answers with labels, and pairs of captions with votes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import DataError
from alm_bench.data.outputs.columns import ColumnNames, describe_item
from alm_bench.data.outputs.files import read_rows
from alm_bench.data.outputs.row import MISSING, RawRow
from alm_bench.data.readers import read_json

LABEL_COLUMNS = {
    "label": ("label", "final_annotation", "human", "human_score", "annotation", "rating", "verdict", "score"),
    "answer": ("response", "prediction", "candidate", "model_output", "model_prediction", "answer_prediction"),
    "references": ("references", "reference", "refs", "captions", "answer"),
    "question": ("question", "instruction"),
    "model": ("model", "system"),
    "type": ("type", "kind", "category"),
    "clip": ("clip", "filename", "file_name", "audio", "audio_path", "audio_id"),
    "id": ("id", "item", "item_id"),
}
"""Names of the columns of a labelled file by role. References may also be in the columns `ref1`, `ref2`, ..."""

LABEL_WORDS = {
    **dict.fromkeys(("right", "correct", "yes", "true", "good", "accept"), 1.0),
    **dict.fromkeys(("partly", "partially", "partial", "partially correct", "partly right"), 0.5),
    **dict.fromkeys(("wrong", "incorrect", "no", "false", "bad", "reject"), 0.0),
}
"""Values of labels in words."""

KINDS_WITH_OWN_REFERENCES = ("HC",)
"""Kinds of pairs whose captions are both among the references; each is scored against the other references."""


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer to a question, with people's label."""

    answer: str
    """Answer as the model wrote it."""

    references: tuple[str, ...]
    """One or more reference answers."""

    label: float | None
    """People's label, from 0 (wrong) to 1 (right); None if the answer is not labelled."""

    question: str | None = None
    """Question that was answered; None if the file has none."""

    model: str | None = None
    """Name of the model that answered; None if the file has none."""

    type: str | None = None
    """Type of the question or answer, by which agreement is broken down."""

    clip: str | None = None
    """Name of the audio clip; answers about one clip are resampled together."""

    id: str | None = None
    """Id of the answered item in its run; None if the file has none."""


@dataclass(frozen=True, slots=True)
class CaptionPair:
    """Two captions of one clip, with people's votes on which is better."""

    kind: str
    """Kind of the pair, such as HM for a caption by a human and one by a machine."""

    clip: str
    """Name of the audio clip."""

    captions: tuple[str, str]
    """The two captions as they were written."""

    references: tuple[tuple[str, ...], tuple[str, ...]]
    """References that each caption is scored against; they do not include the caption itself."""

    votes: float
    """Sum of the votes: positive if people prefer the first caption, 0 if they are undecided."""


def read_labelled(path: Path, columns: Sequence[str] = ()) -> list[LabelledAnswer] | list[CaptionPair]:
    """Read labelled answers, or pairs of captions in the format of Clotho-Eval and AudioCaps-Eval.

    Labelled answers are the rows of a CSV, TSV, JSON or JSONL file; `LABEL_COLUMNS` lists the names of the columns, and
    `columns` are other names (`label=mark`). A label is a number, or one of `LABEL_WORDS`, or empty if the answer is
    not labelled. If a label lies outside 0..1, all labels are scaled so that the smallest is 0 and the largest is 1.
    Raises DataError, which names the file and the row, and UsageError for an unknown role in `columns`.
    """
    names = ColumnNames.parse(LABEL_COLUMNS, columns)
    if path.suffix.lower() == ".json" and _holds_pairs(document := read_json(path)):
        return [pair for clip in document for pair in _parse_pairs(path, clip)]
    rows = read_rows(path, lambda row: names.find(row, "answer") is not MISSING)
    if not rows:
        raise DataError(f"{path}: holds no labelled answers")
    return _scale_labels([_parse_answer(path, number, row, names) for number, row in enumerate(rows, start=1)], path)


def _parse_answer(path: Path, number: int, row: RawRow, names: ColumnNames) -> LabelledAnswer:
    """Return one labelled answer. Raises DataError for a missing column or an invalid label."""
    where = describe_item(path, number)
    answer, references = names.find_text(row, "answer", where), names.find_texts(row, "references", where)
    others = {role: names.find(row, role) for role in ("question", "model", "type", "clip", "id")}
    texts = {role: None if value is MISSING else str(value) for role, value in others.items()}
    return LabelledAnswer(answer, tuple(references), _parse_label(names.find(row, "label"), where), **texts)


def _parse_label(value: Any, where: str) -> float | None:
    """Return a label as a number; None for an empty one."""
    if value is MISSING:
        return None
    if isinstance(value, str) and value.strip().lower() in LABEL_WORDS:
        return LABEL_WORDS[value.strip().lower()]
    try:
        label = float(value)
    except (TypeError, ValueError):
        label = float("nan")
    if not -1e9 < label < 1e9:
        raise DataError(f"{where}: the label is {value!r:.40}, expected a number or one of {', '.join(LABEL_WORDS)}")
    return label


def _scale_labels(answers: list[LabelledAnswer], path: Path) -> list[LabelledAnswer]:
    """Return the answers with labels in 0..1. Raises DataError without any label."""
    from dataclasses import replace

    labels = [answer.label for answer in answers if answer.label is not None]
    if not labels:
        raise DataError(
            f"{path}: no answer has a label (columns: {', '.join(LABEL_COLUMNS['label'])}): "
            "name its column with --column label=NAME"
        )
    low, high = min(labels), max(labels)
    if low >= 0 and high <= 1:
        return answers
    width = (high - low) or 1.0
    return [
        answer if answer.label is None else replace(answer, label=(answer.label - low) / width) for answer in answers
    ]


def _holds_pairs(document: Any) -> bool:
    """Return True if a JSON document is a list of clips with pairs of captions."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(clip, Mapping) and "references" in clip for clip in document)
        and any(_is_pair(value) for value in document[0].values())
    )


def _is_pair(value: Any) -> bool:
    """Return True for a list `[caption, caption, source, source, votes]`, in which `votes` is a list."""
    return (
        isinstance(value, list)
        and len(value) == 5
        and all(isinstance(text, str) for text in value[:2])
        and isinstance(value[4], list)
    )


def _parse_pairs(path: Path, clip: Mapping[str, Any]) -> list[CaptionPair]:
    """Return the pairs of captions in the object `clip` of the JSON file `path`. Raises DataError if the votes of a
    pair are not numbers, or if no references remain after the pair's own captions are removed from them."""
    name = str(clip.get("raw_name", clip.get("clip", "")))
    known = [str(text) for text in clip["references"]]
    pairs = []
    for kind, value in clip.items():
        if not _is_pair(value):
            continue
        first, second, _, _, votes = value
        taken = ((first,), (second,)) if kind in KINDS_WITH_OWN_REFERENCES else ((first,), (first,))
        left = [tuple(text for text in known if text not in own) for own in taken]
        if not all(left) or not all(isinstance(vote, (int, float)) for vote in votes):
            raise DataError(f"{path}: pair {kind} of {name}: expected votes as numbers and references beside the pair")
        pairs.append(CaptionPair(kind.partition("_")[0], name, (first, second), (left[0], left[1]), float(sum(votes))))
    return pairs
