"""ReasonAQA (Mellow, Deshmukh et al., arXiv 2503.08540): the parts that are not data sets of their own.

These are multiple-choice questions and questions with detailed answers about clips of Clotho and AudioCaps. The other
parts of its test file are the tasks cle, ace, cld, acd, clotho_aqa, clotho and audiocaps.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from alm_bench.core import AudioRef, DataRoot, NoOptions, Parsed, Sample, Scored, TaskCard, TaskScore
from alm_bench.data.inline_options import split_options
from alm_bench.data.readers import check_unique_ids
from alm_bench.parsing import PARSER, parse_choice
from alm_bench.scoring.blind import compute_baseline_accuracies, score_choice_baselines, select_rows_with_reference
from alm_bench.scoring.multiple_choice import compute_by_group, compute_choice_metrics, is_correct_option
from alm_bench.scoring.sentences import CaptionOptions, parse_text
from alm_bench.task_bases import SentenceTask
from alm_bench.tasks._shared.clips import list_clip_paths
from alm_bench.tasks.reasonaqa.rows import read_part

Options = {"clotho-detail": CaptionOptions, "audiocaps-detail": CaptionOptions}

NO_ANSWER = "the row has no answer"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a part of ReasonAQA, with the id of its item and its clips."""

    values: Mapping[str, Any]
    id: str
    audio: tuple[AudioRef, ...]

    @property
    def groups(self) -> dict[str, str]:
        values_by_group = {key: str(self.values[key]) for key in ("taskname", "difficulty") if self.values.get(key)}
        return {**values_by_group, "clip": self.audio[0].id}


def _locate_annotations(card: TaskCard, data: DataRoot, split: str) -> Path:
    return data.locate(next(file for file in card.files if file.split == split))


def _iterate_rows(card: TaskCard, data: DataRoot, path: Path) -> Iterator[Row]:
    """Yield the rows that belong to the card's task. A row's id consists of its first clip's name and the number of
    earlier rows with the same first clip."""
    seen: Counter[str] = Counter()
    for values in read_part(path, card.name.replace("-", "_")):
        names = [values[key] for key in ("filepath1", "filepath2") if values.get(key)]
        stem = PurePosixPath(names[0]).stem
        yield Row(values, f"{stem}#{seen[stem]}", tuple(data.audio(*list_clip_paths(name)) for name in names))
        seen[stem] += 1


@dataclass(frozen=True, slots=True)
class ReasonAqaMultipleChoice:
    card: TaskCard
    parser: str = PARSER

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return {"annotations": _locate_annotations(self.card, data, split)}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        path = _locate_annotations(self.card, data, split)
        return iter(
            check_unique_ids((_create_choice_sample(row) for row in _iterate_rows(self.card, data, path)), path)
        )

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_choice(text, sample.choices, self.card.answer_tags)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {} if sample.target is None else {"accuracy": float(is_correct_option(sample, parsed.index))}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        return TaskScore(
            metrics=compute_choice_metrics(rows),
            groups=compute_by_group(rows, self.card.groups, compute_choice_metrics),
            blind=compute_baseline_accuracies(
                select_rows_with_reference(rows), score_choice_baselines(select_rows_with_reference(rows))
            ),
        )

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        return score_choice_baselines(rows)


def _create_choice_sample(row: Row) -> Sample:
    answer = row.values["answer"].strip()
    asked = split_options(row.values["input"], answer)
    return Sample(
        id=row.id,
        fields={"question": asked.question},
        audio=row.audio,
        choices=asked.choices,
        target=asked.target,
        gold=answer if asked.target is None else asked.choices[asked.target],
        groups=row.groups,
        skip=asked.skip,
    )


class ReasonAqaDetail(SentenceTask):
    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return {"annotations": _locate_annotations(self.card, data, split)}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        path = _locate_annotations(self.card, data, split)
        return iter(
            check_unique_ids((_create_detail_sample(row) for row in _iterate_rows(self.card, data, path)), path)
        )

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text)


def _create_detail_sample(row: Row) -> Sample:
    answer = row.values["answer"].strip()
    return Sample(
        id=row.id,
        fields={"question": row.values["input"].strip()},
        audio=row.audio,
        target=[answer] if answer else None,
        gold=answer or None,
        groups=row.groups,
        skip=None if answer else NO_ANSWER,
    )


def create(card: TaskCard, options: CaptionOptions | NoOptions) -> ReasonAqaMultipleChoice | ReasonAqaDetail:
    return ReasonAqaDetail(card, options) if isinstance(options, CaptionOptions) else ReasonAqaMultipleChoice(card)
