"""Scores of single items, stored beside the summary so that paired comparisons need not read all records."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from alm_bench.core import HasTextBaselines, StoreError, Task
from alm_bench.records import version_1
from alm_bench.records.files import decode_file, read_bytes
from alm_bench.records.models import ItemScores, ItemScoresFile, Stamp
from alm_bench.records.schema import Record
from alm_bench.records.store import ITEM_SCORES, compute_stamp
from alm_bench.scoring.blind import select_rows_with_reference
from alm_bench.scoring.main_score import compute_main_scores, has_main_score
from alm_bench.scoring.multiple_choice import list_clusters


def collect_item_scores(task: Task | None, records: Iterable[Record], score: str = "accuracy") -> ItemScores:
    """Collect the scores of single items from the records of a run, which may be in any order.

    `score` is `accuracy` or the task's main metric; its values are stored in the field `accuracy` either way. Without
    `task`, scores of text-only baselines are missing.
    """
    rows = select_rows_with_reference(
        [record.to_scored() for record in sorted(records, key=lambda record: record.index)]
    )
    if task is not None and score != "accuracy":
        rows = [row for row in rows if has_main_score(task, row.sample)]
        values = compute_main_scores(task, rows)[1]
    else:
        values = [row.scores.get(score, 0.0) for row in rows]
    found: Mapping[str, Sequence[float]] = (
        task.blind_scores(rows) if rows and isinstance(task, HasTextBaselines) else {}
    )
    return ItemScores(
        ids=tuple(row.sample.id for row in rows),
        questions=tuple(row.sample.question for row in rows),
        clips=tuple(list_clusters(rows)),
        accuracy=tuple(values),
        baselines={name: tuple(float(score) for score in scores) for name, scores in found.items()},
    )


def read_item_scores(folder: Path, summary: bytes) -> ItemScores | None:
    """Read the scores of single items from a run's folder. `summary` is the content of its `summary.json`.

    Returns None if there are no scores, or if their stamp shows that the records have changed since. The scores must
    then be computed from the records.
    """
    path = folder / ITEM_SCORES
    try:
        found = decode_file(read_bytes(path), path, ItemScoresFile, version_1.upgrade_item_scores)
        stamp = Stamp(summary_sha256=found.summary_sha256, samples_bytes=found.samples_bytes)
        return found if stamp == compute_stamp(summary, folder) else None
    except (StoreError, OSError):
        return None
