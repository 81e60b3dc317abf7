"""Position bias: does it matter to a model where an option stands?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from alm_bench.core.types import Metric, Scored
from alm_bench.scoring.blind import with_reference
from alm_bench.scoring.intervals import Array, sum_by_cluster
from alm_bench.scoring.multiple_choice import clips, mean_score


@dataclass(frozen=True, slots=True)
class Position:
    """One position among the options."""

    letter: str
    """Its letter."""

    references: int
    """Number of items whose right option is at this position."""

    chosen: int
    """Number of items answered by the option at this position."""

    accuracy: Metric
    """Accuracy on the items whose right option is at this position."""


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
    the places that are wrong? Both are score tests over clips or questions, as the orders of one question depend on
    each other. Under `given` orders both mix the model's bias with what the data has in its places; after every
    rotation nothing of the data is left in them.
    """

    options: int
    n: int
    positions: Sequence[Position]
    accuracy_test: ChiSquare
    wrong_test: ChiSquare


def positions(rows: Sequence[Scored]) -> Positions | None:
    """None where the right option is never at one of the positions: what is chosen there says nothing of position.

    Questions with several right options are left out.
    """
    kept = [row for row in with_reference(rows) if row.sample.target is not None]
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


def _right(row: Scored) -> float:
    return float(row.scores.get("accuracy", 0.0) == 1)


def _accuracy_test(rows: Sequence[Scored], golds: Sequence[int], count: int) -> ChiSquare:
    """Is accuracy the same wherever the gold stands?"""
    right, there = np.array([_right(row) for row in rows]), np.eye(count)[list(golds)]
    if right.all() or not right.any():
        return ChiSquare(None, count - 1, None, "all are right" if right.all() else "none is right")
    return _score_test(rows, (right - right.mean())[:, None] * there / there.sum(axis=0))


def _wrong_test(rows: Sequence[Scored], golds: Sequence[int], said: Sequence[int | None], count: int) -> ChiSquare:
    """Are wrong answers at any place but the gold's alike?"""
    wrong = [n for n, (row, place) in enumerate(zip(rows, said, strict=True)) if place is not None and not _right(row)]
    if count == 2 or not wrong:
        reason = "a wrong answer has one place only" if count == 2 else "there are none"
        return ChiSquare(None, count - 1, None, reason)
    every = np.eye(count)
    chosen, elsewhere = every[[said[n] or 0 for n in wrong]], (1 - every[[golds[n] for n in wrong]]) / (count - 1)
    return _score_test([rows[n] for n in wrong], chosen - elsewhere)


def _score_test(rows: Sequence[Scored], departures: Array) -> ChiSquare:
    """That departures (items, places) from what is expected sum to nothing but chance.

    Their sum's covariance is had from the clips, or questions, whose items depend on each other; differences between
    places alone count.
    """
    from scipy.stats import chi2

    sums = sum_by_cluster(clips(rows), departures)
    sums -= sums.mean(axis=1, keepdims=True)
    total, covariance = sums.sum(axis=0), sums.T @ sums
    rank = int(np.linalg.matrix_rank(covariance, tol=1e-9, hermitian=True))
    if rank == 0:
        return ChiSquare(None, departures.shape[1] - 1, None, "no answer depends on its place")
    statistic = float(total @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ total)
    return ChiSquare(statistic, rank, float(chi2.sf(statistic, rank)))
