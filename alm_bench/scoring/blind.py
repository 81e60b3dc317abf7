"""What no listening earns on the same items, and whether a score is above it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alm_bench.core.types import Metric, Metrics, Sample, Scored
from alm_bench.scoring.metrics import metric_spec
from alm_bench.scoring.multiple_choice import chance, clips, counted_rows, mean, predictors, same_option, weights
from alm_bench.scoring.paired import difference

UNIFORM = "uniform guess (expected)"
FIRST = "first option"
LONGEST = "longest option"
LETTER = "most frequent letter"

Values = Mapping[str, Sequence[float]]
"""By blind row, the expected score of each item."""


def with_reference(rows: Sequence[Scored]) -> list[Scored]:
    """The rows that blind rows are counted on: of our denominator, with a known answer."""
    return [row for row in counted_rows(rows) if row.sample.has_reference]


def baseline_scores(rows: Sequence[Scored], picks: Mapping[str, Sequence[int | None]]) -> dict[str, list[float]]:
    """A uniform guess, strategies by the option that each picks on each row, and the predictions stored with items."""
    stored = {name: [row.blind[name] for row in rows] for name in predictors(rows)}
    table = {UNIFORM: [chance(row.sample) for row in rows]}
    for name, places in {**picks, **stored}.items():
        table[name] = [float(same_option(row.sample, place)) for row, place in zip(rows, places, strict=True)]
    return table


def longest_option(choices: Sequence[str]) -> int:
    """The option of most characters, the first of ties."""
    return max(range(len(choices)), key=lambda i: len(choices[i]))


def choice_scores(rows: Sequence[Scored]) -> dict[str, list[float]]:
    """The strategies of multiple choice.

    The most frequent letter knows the golds, as the row of that name in the Mellow paper's table 2 does.
    """
    if not rows:
        return {}
    samples = [row.sample for row in rows]
    letter = Counter(s.target for s in samples).most_common(1)[0][0]
    strategies: dict[str, Callable[[Sample], int]] = {
        FIRST: lambda s: 0,
        LONGEST: lambda s: longest_option(s.choices),
        LETTER: lambda s: letter if letter < len(s.choices) else 0,
    }
    return baseline_scores(rows, {name: [pick(s) for s in samples] for name, pick in strategies.items()})


def accuracies(rows: Sequence[Scored], values: Values) -> dict[str, Metrics]:
    """The table's rows. The uniform guess is an expectation, so it has no interval."""
    table = {}
    for name, scores in values.items():
        found = Metric(_mean(rows, scores), n=len(rows)) if name == UNIFORM else mean(rows, scores)
        table[name] = {"accuracy": found}
    return table


def _mean(rows: Sequence[Scored], values: Sequence[float]) -> float:
    return float(np.average(values, weights=weights(rows)))


@dataclass(frozen=True, slots=True)
class Margin:
    """A score's lead over the best blind row of its table: `row` and what it earns, and the paired difference."""

    row: str
    value: float
    lead: Metric
    score: str = "accuracy"

    @property
    def beaten(self) -> bool:
        """Whether the interval of the difference lies above 0."""
        return self.lead.low is not None and self.lead.low > 0


def margin(
    rows: Sequence[Scored], values: Values, scores: Sequence[float] | None = None, name: str = "accuracy"
) -> Margin | None:
    """Of `scores` called `name`, the accuracy of `rows` where none are given, over `values` of the same; None without
    either."""
    if not rows or not values:
        return None
    mine = [row.scores.get("accuracy", 0.0) for row in rows] if scores is None else scores
    return margin_over_best(values, mine, clips(rows), weights(rows), name)


def best_row(values: Values, weights: Sequence[float], name: str = "accuracy") -> tuple[str, float]:
    """Return the text-only baseline of the best mean of the metric `name`, the first of equal ones, and that mean."""
    means = {row: float(np.average(each, weights=weights)) for row, each in values.items()}
    better = max if metric_spec(name).higher_is_better else min
    best = better(means, key=lambda row: means[row])
    return best, means[best]


def margin_over_best(
    values: Values, scores: Sequence[float], clusters: Sequence[str], weights: Sequence[float], name: str = "accuracy"
) -> Margin:
    """As `margin`, of what each item earns, the clip that it is about and what it counts; at least one of `values`. The
    margin is positive where the score is better, for metrics of which less is better, too."""
    best, value = best_row(values, weights, name)
    sides = (values[best], scores) if metric_spec(name).higher_is_better else (scores, values[best])
    return Margin(best, value, difference(*sides, clusters, weights), name)
