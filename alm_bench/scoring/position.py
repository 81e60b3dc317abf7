"""Position bias: dependence of a model's answers on the positions of the options."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from alm_bench.core.types import Metric, Scored
from alm_bench.scoring.blind import select_rows_with_reference
from alm_bench.scoring.intervals import Array, sum_by_cluster
from alm_bench.scoring.multiple_choice import compute_mean_score, list_clusters


@dataclass(frozen=True, slots=True)
class PositionCounts:
    """Counts at one option position."""

    letter: str
    """Letter of the position."""

    references: int
    """Number of items whose correct option is at this position."""

    chosen: int
    """Number of items whose selected option is at this position."""

    accuracy: Metric
    """Accuracy on the items whose correct option is at this position."""


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """Result of a chi-square test."""

    chi2: float | None
    """Test statistic; None if it could not be computed."""

    dof: int
    """Degrees of freedom."""

    p: float | None
    """P-value; None if it could not be computed."""

    reason: str | None = None
    """Reason why the test could not be computed."""


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Position bias over the items with the most common number of options.

    Both tests are score tests over clips or questions, since the answers to several orders of one question are
    correlated. With options in the order of the file, they measure the model's bias together with differences between
    the questions at each position. With all rotations of each question, only the model's bias remains.
    """

    options: int
    """Number of options."""

    n: int
    """Number of items."""

    positions: Sequence[PositionCounts]
    """Counts at each position, in order."""

    accuracy_test: ChiSquare
    """Test of equal accuracy at all positions of the correct option."""

    wrong_test: ChiSquare
    """Test of an even distribution of wrong answers over the other positions."""


def analyse_positions(rows: Sequence[Scored]) -> PositionBias | None:
    """Compute the position bias of a run.

    Questions with several correct options are left out. Returns None if some position never has the correct option,
    since the selections at that position would not be comparable.
    """
    kept = [row for row in select_rows_with_reference(rows) if row.sample.target is not None]
    if not kept:
        return None
    count = Counter(len(row.sample.choices) for row in kept).most_common(1)[0][0]
    kept = [row for row in kept if len(row.sample.choices) == count]
    golds = [int(row.sample.target) for row in kept]
    chosen_indices = [row.parsed.index if row.parsed is not None else None for row in kept]
    if len(set(golds)) < count:
        return None
    table = []
    for place in range(count):
        there = [row for row, gold in zip(kept, golds, strict=True) if gold == place]
        accuracy = compute_mean_score(there, "accuracy")
        table.append(PositionCounts(ascii_lowercase[place], len(there), chosen_indices.count(place), accuracy))
    return PositionBias(
        count,
        len(kept),
        table,
        _test_accuracy(kept, golds, count),
        _test_wrong_choices(kept, golds, chosen_indices, count),
    )


def _get_accuracy(row: Scored) -> float:
    """Return 1 if a row is answered correctly, else 0."""
    return float(row.scores.get("accuracy", 0.0) == 1)


def _test_accuracy(rows: Sequence[Scored], golds: Sequence[int], option_count: int) -> ChiSquare:
    """Return the test of the hypothesis that accuracy is the same at all positions of the correct option.

    `golds` holds the position of the correct option of each item, `option_count` is the number of options.
    """
    right, there = np.array([_get_accuracy(row) for row in rows]), np.eye(option_count)[list(golds)]
    if right.all() or not right.any():
        return ChiSquare(None, option_count - 1, None, "all are right" if right.all() else "none is right")
    return _run_score_test(rows, (right - right.mean())[:, None] * there / there.sum(axis=0))


def _test_wrong_choices(
    rows: Sequence[Scored], golds: Sequence[int], chosen_indices: Sequence[int | None], option_count: int
) -> ChiSquare:
    """Return the test of the hypothesis that wrong answers are spread evenly over the positions of the wrong options.

    `golds` and `chosen_indices` hold the positions of the correct and of the selected option of each item,
    `option_count` is the number of options.
    """
    wrong = [
        n
        for n, (row, place) in enumerate(zip(rows, chosen_indices, strict=True))
        if place is not None and not _get_accuracy(row)
    ]
    if option_count == 2 or not wrong:
        reason = "a wrong answer has one place only" if option_count == 2 else "there are none"
        return ChiSquare(None, option_count - 1, None, reason)
    every = np.eye(option_count)
    chosen, elsewhere = (
        every[[chosen_indices[n] or 0 for n in wrong]],
        (1 - every[[golds[n] for n in wrong]]) / (option_count - 1),
    )
    return _run_score_test([rows[n] for n in wrong], chosen - elsewhere)


def _run_score_test(rows: Sequence[Scored], residuals: Array) -> ChiSquare:
    """Test the hypothesis that the expected sum of `residuals` over all items is the same at all positions.

    `residuals`, shape (items, positions), holds observed minus expected values. Their covariance is estimated over
    clips or questions, whose items are correlated.
    """
    from scipy.stats import chi2

    sums = sum_by_cluster(list_clusters(rows), residuals)
    sums -= sums.mean(axis=1, keepdims=True)
    total, covariance = sums.sum(axis=0), sums.T @ sums
    rank = int(np.linalg.matrix_rank(covariance, tol=1e-9, hermitian=True))
    if rank == 0:
        return ChiSquare(None, residuals.shape[1] - 1, None, "no answer depends on its place")
    statistic = float(total @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ total)
    return ChiSquare(statistic, rank, float(chi2.sf(statistic, rank)))
