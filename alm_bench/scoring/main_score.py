"""Main score of each item, which text-only baselines, margins and ablations refer to."""

from collections.abc import Sequence

from alm_bench.core import Parsed, Sample, Scored, ScoresItems, Task
from alm_bench.scoring.metrics import get_metric_spec

_NO_ANSWER = Parsed("empty", "empty")


def has_main_score(task: Task, sample: Sample) -> bool:
    """Return True if an item has the task's main score, even if the model did not answer it.

    In a task of yes/no and open questions, only yes/no questions have it.
    """
    return isinstance(task, ScoresItems) or get_main_score_name(task) in task.grade(sample, "", _NO_ANSWER)


def compute_main_scores(task: Task, rows: Sequence[Scored]) -> tuple[str, list[float]]:
    """Return the name of the main score and its value for each row.

    Raises MetricError if the task's method `item_scores` raises it, because a metric cannot be computed.
    """
    if isinstance(task, ScoresItems):
        name, values = task.item_scores(rows)
        return name, [float(value) for value in values]
    name = get_main_score_name(task)
    return name, [get_item_score(task, name, row) for row in rows]


def get_item_score(task: Task, name: str, row: Scored) -> float:
    """Return the value of the metric `name` for one item.

    A failed call gets the value of an empty answer: 0 if higher is better, else what `task.grade` returns for it.
    """
    if name in row.scores or get_metric_spec(name).higher_is_better:
        return row.scores.get(name, 0.0)
    return float(task.grade(row.sample, "", _NO_ANSWER).get(name, 0.0))


def get_main_score_name(task: Task) -> str:
    """Return the metric that items are compared by: accuracy if the task has it, else its first metric."""
    return "accuracy" if "accuracy" in task.card.metrics else task.card.metrics[0]
