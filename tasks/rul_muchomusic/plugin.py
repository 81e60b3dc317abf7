"""RUL-MuchoMusic (Zang et al., arXiv 2504.00369): questions on music whose distractors were chosen so that text alone
does not suffice.

The perceptual index (PI) of a question, 0..1, is high if a language model without audio has little preference for the
correct option. The file gives no order of the options: they are shuffled here, always in the same way, by the
question's id.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alm_bench.core import DataError, DataRoot, Metric, Metrics, Sample, Scored
from alm_bench.core.rng import create_item_generator
from alm_bench.data.readers import check_unique_ids, read_json
from alm_bench.scoring.blind import LONGEST
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.multiple_choice import (
    compute_option_order_weights,
    drop_skipped_rows,
    list_clusters,
    normalise_choice,
)
from alm_bench.task_bases import OfficialChoiceTask
from alm_bench.tasks.rul_muchomusic.official import find_official_option

BANDS = ((0.7, "0.0 to 0.7"), (0.8, "0.7 to 0.8"), (0.9, "0.8 to 0.9"), (1.01, "0.9 to 1.0"))
"""Upper bound and name of each band of the perceptual index. The bounds are near the quartiles (0.71, 0.82, 0.90)."""


class RulMuchoMusic(OfficialChoiceTask):
    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        (path,) = self.files(data, split).values()
        document = read_json(path)
        if not isinstance(document, dict):
            raise DataError(f"{path}: found {type(document).__name__}, expected an object with one question per id")
        found = (
            _create_sample(str(key), _check_question(row, f"{path}: {key}"), data) for key, row in document.items()
        )
        return iter(check_unique_ids(found, path))

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        option = find_official_option(text, sample.choices)
        return option is not None and sample.choices[option] == sample.gold

    def compute_metrics(self, rows: Sequence[Scored]) -> Metrics:
        return {
            **super().compute_metrics(rows),
            "pi_weighted_accuracy": _compute_weighted_accuracy(drop_skipped_rows(rows)),
        }

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the scores of the baselines of multiple choice.

        The baseline of the longest option is right only if the correct option is longer than all others. Among options
        of equal length, its choice would depend on their order, which this package shuffles.
        """
        longest = [float(_is_strictly_longest(row.sample)) for row in rows]
        return {**super().blind_scores(rows), LONGEST: longest} if rows else {}


def _check_question(row: Any, location: str) -> Mapping[str, Any]:
    """Return `row` if it is valid, else raise DataError. `location`: start of the message, such as file and row."""
    if not isinstance(row, dict):
        raise DataError(f"{location}: found {type(row).__name__}, expected an object")
    for key in ("question", "correct_answer"):
        if not isinstance(row.get(key), str):
            raise DataError(f"{location}: {key} is {row.get(key)!r}, expected a text")
    if not isinstance(row.get("distractors"), list) or not row["distractors"]:
        raise DataError(f"{location}: distractors is {row.get('distractors')!r}, expected a list of texts")
    if not isinstance(row.get("PI"), float | int) or not 0 <= row["PI"] <= 1:
        raise DataError(f"{location}: PI is {row.get('PI')!r}, expected a number from 0 to 1")
    return row


def _create_sample(key: str, row: Mapping[str, Any], data: DataRoot) -> Sample:
    """Return the sample of a question with the id `key`; its options are shuffled by the id."""
    options = [row["correct_answer"], *map(str, row["distractors"])]
    order = create_item_generator("rul_muchomusic", key).permutation(len(options)).tolist()
    index = float(row["PI"])
    names = [f"rul-muchomusic/{folder}{key}.mp3" for folder in ("audio/", "")]
    return Sample(
        id=key,
        fields={"question": row["question"]},  # never `caption`, which describes the clip
        audio=(data.audio(*names),),
        choices=tuple(options[place] for place in order),
        target=order.index(0),
        gold=row["correct_answer"],
        groups={"PI": next(name for bound, name in BANDS if index < bound)},
        metadata={"PI": index},
    )


def _compute_weighted_accuracy(rows: Sequence[Scored]) -> Metric:
    """Return the accuracy in which each question has its perceptual index as weight."""
    if not rows:
        return Metric.missing("no items")
    indices = [float(row.sample.metadata["PI"]) for row in rows]
    combined = [index * weight for index, weight in zip(indices, compute_option_order_weights(rows), strict=True)]
    if not sum(combined):
        return Metric.missing("all questions have the perceptual index 0")
    return compute_share([row.scores.get("accuracy", 0.0) for row in rows], list_clusters(rows), combined)


def _is_strictly_longest(sample: Sample) -> bool:
    """Return True if the correct option is longer than all others."""
    lengths = [len(choice) for choice in sample.choices]
    correct = normalise_choice(sample, sample.target)
    others = [length for place, length in enumerate(lengths) if normalise_choice(sample, place) != correct]
    return bool(lengths[sample.target] > max(others, default=0))


create = RulMuchoMusic.create
