"""What each item earns by the score that blind rows, leads and ablations are about."""

from collections.abc import Sequence

from alm_bench.core import Parsed, Sample, Scored, ScoresItems, Task
from alm_bench.scoring.metrics import metric_spec

_UNREAD = Parsed("empty", "empty")


def has_main_score(task: Task, sample: Sample) -> bool:
    """Whether the score is of an item at all, answered or not: in a task of yes/no and open questions, of the former
    alone."""
    return isinstance(task, ScoresItems) or main_score_name(task) in task.grade(sample, "", _UNREAD)


def main_scores(task: Task, rows: Sequence[Scored]) -> tuple[str, list[float]]:
    """The score's name and each row's. Raises MetricError where `item_scores` does."""
    if isinstance(task, ScoresItems):
        name, values = task.item_scores(rows)
        return name, [float(value) for value in values]
    name = main_score_name(task)
    return name, [score_item(task, name, row) for row in rows]


def score_item(task: Task, name: str, row: Scored) -> float:
    """Return an item's value of a metric. A failed call has that of no answer, which is not 0 for an error rate."""
    if name in row.scores or metric_spec(name).higher_is_better:
        return row.scores.get(name, 0.0)
    return float(task.grade(row.sample, "", _UNREAD).get(name, 0.0))


def main_score_name(task: Task) -> str:
    """Return the metric that single items are compared by: accuracy where the task has it, else its first metric."""
    return "accuracy" if "accuracy" in task.card.metrics else task.card.metrics[0]
