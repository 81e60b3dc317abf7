"""Text-only baselines on the items of a run, and the margin of a score over the best of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alm_bench.core.types import Metric, Metrics, Sample, Scored
from alm_bench.scoring.metrics import get_metric_spec
from alm_bench.scoring.multiple_choice import (
    compute_chance,
    compute_mean,
    compute_option_order_weights,
    drop_skipped_rows,
    is_correct_option,
    list_clusters,
    list_complete_baselines,
)
from alm_bench.scoring.paired import compute_difference

UNIFORM = "uniform guess (expected)"
"""Name of the baseline that selects each option with equal probability."""

FIRST = "first option"
"""Name of the baseline that selects the first option."""

LONGEST = "longest option"
"""Name of the baseline that selects the option with the most characters."""

LETTER = "most frequent letter"
"""Name of the baseline that selects the most frequent correct letter."""

Values = Mapping[str, Sequence[float]]
"""Expected score of each item, by name of the text-only baseline."""


def select_rows_with_reference(rows: Sequence[Scored]) -> list[Scored]:
    """Return the rows on which text-only baselines are computed: not skipped, and with a known answer."""
    return [row for row in drop_skipped_rows(rows) if row.sample.has_reference]


def compute_baseline_scores(
    rows: Sequence[Scored], picks: Mapping[str, Sequence[int | None]]
) -> dict[str, list[float]]:
    """Return the expected score of each row, by name of the text-only baseline.

    The baselines are a uniform guess, the strategies in `picks`, and the predictions that are stored with all rows.
    `picks` maps the name of a strategy to the index of the option that it selects on each row, None for no option.
    """
    stored = {name: [row.blind[name] for row in rows] for name in list_complete_baselines(rows)}
    table = {UNIFORM: [compute_chance(row.sample) for row in rows]}
    for name, places in {**picks, **stored}.items():
        table[name] = [float(is_correct_option(row.sample, place)) for row, place in zip(rows, places, strict=True)]
    return table


def find_longest_option(choices: Sequence[str]) -> int:
    """Return the index of the option with the most characters; the first one if several are equally long."""
    return max(range(len(choices)), key=lambda i: len(choices[i]))


def score_choice_baselines(rows: Sequence[Scored]) -> dict[str, list[float]]:
    """Return the expected score of each row for the text-only baselines of multiple choice.

    The baseline "most frequent letter" is computed from the correct answers of these rows, like the row of that name in
    table 2 of the Mellow paper. On a question with too few options for this letter, it selects the first option.
    """
    if not rows:
        return {}
    samples = [row.sample for row in rows]
    letter = Counter(s.target for s in samples).most_common(1)[0][0]
    strategies: dict[str, Callable[[Sample], int]] = {
        FIRST: lambda s: 0,
        LONGEST: lambda s: find_longest_option(s.choices),
        LETTER: lambda s: letter if letter < len(s.choices) else 0,
    }
    return compute_baseline_scores(rows, {name: [pick(s) for s in samples] for name, pick in strategies.items()})


def compute_baseline_accuracies(rows: Sequence[Scored], values: Values) -> dict[str, Metrics]:
    """Return the accuracy of each text-only baseline on `rows`.

    The uniform guess has no interval, since its value is an expectation.
    """
    table = {}
    for name, scores in values.items():
        found = (
            Metric(_average_over_questions(rows, scores), n=len(rows))
            if name == UNIFORM
            else compute_mean(rows, scores)
        )
        table[name] = {"accuracy": found}
    return table


def _average_over_questions(rows: Sequence[Scored], values: Sequence[float]) -> float:
    """Return the mean of one value per row, in which every question has the same weight."""
    return float(np.average(values, weights=compute_option_order_weights(rows)))


@dataclass(frozen=True, slots=True)
class Margin:
    """Difference between a score and the best text-only baseline."""

    row: str
    """Name of the best text-only baseline."""

    value: float
    """Score of that baseline."""

    lead: Metric
    """Score minus the baseline's score, with its paired interval."""

    score: str = "accuracy"
    """Name of the metric."""

    @property
    def is_significant(self) -> bool:
        """True if the interval of the difference is entirely on the better side of 0."""
        if self.lead.low is None or self.lead.high is None:
            return False
        return self.lead.low > 0 if get_metric_spec(self.score).higher_is_better else self.lead.high < 0


def compute_margin(
    rows: Sequence[Scored], values: Values, scores: Sequence[float] | None = None, name: str = "accuracy"
) -> Margin | None:
    """Return the margin over the best text-only baseline; None without rows or without baselines.

    `values` (per baseline) and `scores` (of the model) hold one score of the metric `name` per row. If `scores` is
    None, the accuracy of each row is used.
    """
    if not rows or not values:
        return None
    mine = [row.scores.get("accuracy", 0.0) for row in rows] if scores is None else scores
    return compute_margin_over_best(values, mine, list_clusters(rows), compute_option_order_weights(rows), name)


def find_best_baseline(values: Values, weights: Sequence[float], higher_is_better: bool = True) -> tuple[str, float]:
    """Return the name and the mean score of the best text-only baseline; the first one if several are equally good."""
    means = {name: float(np.average(each, weights=weights)) for name, each in values.items()}
    best = (max if higher_is_better else min)(means, key=lambda name: means[name])
    return best, means[best]


def compute_margin_over_best(
    values: Values, scores: Sequence[float], clusters: Sequence[str], weights: Sequence[float], name: str = "accuracy"
) -> Margin:
    """Return the margin of `scores` over the best of one or more text-only baselines.

    `values` (per baseline), `scores`, `clusters` (the clip of each item) and `weights` hold one entry per item. `name`
    is the metric.
    """
    best, value = find_best_baseline(values, weights, get_metric_spec(name).higher_is_better)
    return Margin(best, value, compute_difference(values[best], scores, clusters, weights), name)
