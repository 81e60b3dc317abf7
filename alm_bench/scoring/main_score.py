"""What each item earns by the score that blind rows, leads and ablations are about."""

from collections.abc import Sequence

from alm_bench.core import Parsed, Sample, Scored, ScoresItems, Task

_UNREAD = Parsed("empty", "empty")


def has_main_score(task: Task, sample: Sample) -> bool:
    """Whether the score is of an item at all, answered or not: in a task of yes/no and open questions, of the former
    alone."""
    return isinstance(task, ScoresItems) or _score(task) in task.grade(sample, "", _UNREAD)


def main_scores(task: Task, rows: Sequence[Scored]) -> tuple[str, list[float]]:
    """The score's name and each row's. Raises MetricError where `item_scores` does."""
    if isinstance(task, ScoresItems):
        name, values = task.item_scores(rows)
        return name, [float(value) for value in values]
    name = _score(task)
    return name, [row.scores.get(name, 0.0) for row in rows]


def _score(task: Task) -> str:
    return "accuracy" if "accuracy" in task.card.metrics else task.card.metrics[0]
