"""Position bias: does it matter to a model where an option stands?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from alm_bench.core.types import Metric, Scored
from alm_bench.scoring.blind import golden
from alm_bench.scoring.choice import mean_score


@dataclass(frozen=True, slots=True)
class Position:
    """One place among the options: how often the gold stands there, how often it is chosen, how often rightly so."""

    letter: str
    golds: int
    chosen: int
    accuracy: Metric


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A chi-square test; `p` is None with a reason where it cannot be had."""

    chi2: float | None
    dof: int
    p: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Positions:
    """Of the `n` items with the usual number of options.

    `accuracy_test`: is accuracy the same wherever the gold stands? `wrong_test`: are wrong answers spread evenly over
    the places that are wrong? Under `given` orders both mix the model's bias with what the data has in its places;
    after every rotation nothing of the data is left in them.
    """

    options: int
    n: int
    positions: Sequence[Position]
    accuracy_test: ChiSquare
    wrong_test: ChiSquare


def positions(rows: Sequence[Scored]) -> Positions | None:
    """None where the gold never stands at one of the places: what is chosen there says nothing of places."""
    kept = golden(rows)
    if not kept:
        return None
    count = Counter(len(row.sample.choices) for row in kept).most_common(1)[0][0]
    kept = [row for row in kept if len(row.sample.choices) == count]
    golds = [int(row.sample.target) for row in kept]
    said = [row.parsed.index if row.parsed is not None else None for row in kept]
    if len(set(golds)) < count:
        return None
    table = []
    for place in range(count):
        there = [row for row, gold in zip(kept, golds, strict=True) if gold == place]
        accuracy = mean_score(there, "accuracy")
        table.append(Position(ascii_lowercase[place], len(there), said.count(place), accuracy))
    return Positions(count, len(kept), table, _accuracy_test(kept, golds, count), _wrong_test(kept, golds, said, count))


def _right(row: Scored) -> bool:
    return row.scores.get("accuracy", 0.0) == 1


def _accuracy_test(rows: Sequence[Scored], golds: Sequence[int], count: int) -> ChiSquare:
    """Independence of right and wrong from the gold's place, by scipy."""
    from scipy.stats import chi2_contingency

    counts = np.zeros((2, count))
    for row, gold in zip(rows, golds, strict=True):
        counts[int(_right(row)), gold] += 1
    if not counts.sum(axis=1).all():
        return ChiSquare(None, count - 1, None, "all are right" if counts[1].any() else "none is right")
    found = chi2_contingency(counts, correction=False)
    return ChiSquare(float(found.statistic), int(found.dof), float(found.pvalue))


def _wrong_test(rows: Sequence[Scored], golds: Sequence[int], said: Sequence[int | None], count: int) -> ChiSquare:
    """Goodness of fit of the wrong answers' places, by scipy; each is expected at any place but the gold's alike."""
    from scipy.stats import chisquare

    seen, expected = np.zeros(count), np.zeros(count)
    for row, gold, place in zip(rows, golds, said, strict=True):
        if place is not None and not _right(row):
            seen[place] += 1
            expected += (np.arange(count) != gold) / (count - 1)
    if not expected.all():
        return ChiSquare(None, count - 1, None, "too few wrong answers")
    found = chisquare(seen, expected)
    return ChiSquare(float(found.statistic), count - 1, float(found.pvalue))
