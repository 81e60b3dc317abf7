"""Accuracy of single items, small enough to be read for a thousand runs: what paired comparisons of runs need."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import KnowsBlind, StoreError, Task
from alm_bench.records.schema import Record
from alm_bench.records.store import ITEM_SCORES, read_json_file, stamp_of
from alm_bench.scoring.blind import with_reference
from alm_bench.scoring.main_score import has_main_score, main_scores
from alm_bench.scoring.multiple_choice import clips


@dataclass(frozen=True, slots=True)
class ItemScores:
    """The items of a run that have a target and were not skipped, in the task's order; all lists are of one length.

    `questions`: what each item is an arrangement of. `clips`: what items share, for intervals. `accuracy`: 0 to 1.
    `blind`: by text-only baseline, what it earns on each item.
    """

    ids: Sequence[str]
    questions: Sequence[str]
    clips: Sequence[str]
    accuracy: Sequence[float]
    blind: Mapping[str, Sequence[float]]

    def as_json(self) -> dict[str, Any]:
        blind = {row: list(scores) for row, scores in self.blind.items()}
        lists = {name: list(getattr(self, name)) for name in ("ids", "questions", "clips", "accuracy")}
        return {**lists, "blind": blind}


def collect_item_scores(task: Task | None, records: Iterable[Record], score: str = "accuracy") -> ItemScores:
    """Collect a metric of single items from a run's records, in any order; another than accuracy is the task's main one
    and stands in the place of accuracy. Without its task, the text-only baselines are unknown."""
    rows = with_reference([record.scored() for record in sorted(records, key=lambda record: record.index)])
    if task is not None and score != "accuracy":
        rows = [row for row in rows if has_main_score(task, row.sample)]
        values = main_scores(task, rows)[1]
    else:
        values = [row.scores.get(score, 0.0) for row in rows]
    blind: Mapping[str, Sequence[float]] = task.blind_scores(rows) if rows and isinstance(task, KnowsBlind) else {}
    return ItemScores(
        ids=[row.sample.id for row in rows],
        questions=[row.sample.question for row in rows],
        clips=clips(rows),
        accuracy=values,
        blind={row: [float(score) for score in scores] for row, scores in blind.items()},
    )


def read_item_scores(folder: Path, summary: bytes) -> ItemScores | None:
    """Those beside `summary.json` (its bytes); None where there are none, or of other records than those there now."""
    try:
        found = read_json_file(folder / ITEM_SCORES)
        stamp = stamp_of(summary, folder)
        if any(found[key] != value for key, value in stamp.items()):
            return None
        scores = ItemScores(**{name: found[name] for name in ItemScores.__slots__})
        lists = [scores.ids, scores.questions, scores.clips, scores.accuracy, *scores.blind.values()]
    except (StoreError, OSError, LookupError, TypeError, AttributeError):
        return None  # what is not whole is computed from the records
    return scores if all(isinstance(each, list) and len(each) == len(scores.ids) for each in lists) else None
