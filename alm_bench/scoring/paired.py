"""Comparison of two systems on the same items: differences, intervals and significance tests."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from alm_bench.core.protocols import Corpus
from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import (
    CONFIDENCE,
    Array,
    compute_clustered_interval,
    compute_weighted_mean,
    compute_wilson_interval,
    sum_by_cluster,
)

RESAMPLES = 9999
"""Number of random sign patterns in the permutation test for items that share clips."""

PATTERNS_AT_ONCE = 1111
"""Number of sign patterns that are drawn at once."""

BISECTIONS = 24
"""Number of bisection steps for each bound of an interval."""

POWER = 0.8
"""Probability with which the test finds the difference that is reported as detectable."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between two systems on the same items: the second system's score minus the first's."""

    first: float
    """Score of the first system."""

    second: float
    """Score of the second system."""

    difference: Metric
    """Second score minus first, with its paired 95 % interval.

    The interval excludes 0 exactly if `p` is below 0.05. For corpus metrics it is a bootstrap interval, which may
    disagree with the test near 0.05.
    """

    won: int | None
    """Number of items for which the second system has the higher score; None for corpus metrics, which have no scores
    of single items."""

    lost: int | None
    """Number of items for which the second system has the lower score; None for corpus metrics."""

    p: float
    """Two-sided p-value.

    McNemar's exact test is used for independent items that are correct or wrong, else a permutation test that flips the
    signs of whole clips' differences; for corpus metrics, approximate randomisation.
    """

    detectable: float | None = None
    """Smallest true difference that the test would find with 80 % power; None if no item differs."""


def compute_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Metric:
    """Return the mean of `second` minus `first`, with its paired bootstrap interval over clusters.

    A single cluster gives no interval.
    """
    gain = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    counts = np.ones(len(gain)) if weights is None else np.asarray(weights)
    summands = np.stack([counts * gain, counts], axis=1)
    value, low, high = compute_clustered_interval(clusters, summands, compute_weighted_mean, seed=seed)
    metric, distinct = Metric(float(value[0]), n=len(gain)), len(set(clusters))
    if distinct == 1:
        return metric
    if (
        gain.any() and np.ptp(sum_by_cluster(clusters, summands), axis=0).max() < 1e-12
    ):  # all resamples are equal, but the difference is not certain
        return _add_wilson_interval(metric, float(np.mean(first)), float(np.mean(second)), distinct)
    return replace(metric, low=float(low[0]), high=float(high[0]))


def _add_wilson_interval(metric: Metric, first: float, second: float, clusters: int) -> Metric:
    """Add an interval to the difference `second` - `first`, whose bootstrap resamples are all equal.

    If `second` is 0 or 1, the bounds are those of Wilson's interval of `second`, each minus `first`. Otherwise the
    metric is returned unchanged.
    """
    if second not in (0.0, 1.0):
        return metric
    edge = compute_wilson_interval(second * clusters, clusters)
    return replace(metric, low=(edge.low or 0.0) - first, high=(edge.high or 0.0) - first)


def compare_paired_scores(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Difference:
    """Compare two systems' scores of the same items, in the same order.

    Raises ValueError if there are no items, or if the sequences have different lengths.
    """
    if not first or not len(first) == len(second) == len(clusters):
        raise ValueError(f"{len(first)} and {len(second)} scores of {len(clusters)} items: expected as many, and some")
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    counts = np.ones(len(a)) if weights is None else np.asarray(weights)
    gain = b - a
    won, lost = int((gain > 0).sum()), int((gain < 0).sum())
    ours, theirs = (float(np.average(side, weights=counts)) for side in (a, b))
    metric = Metric(theirs - ours, n=len(gain))
    sums = sum_by_cluster(clusters, np.stack([counts * gain, counts], axis=1))
    if not gain.any():
        alone = len(sums) == 1
        metric, p = (metric if alone else replace(metric, low=0.0, high=0.0)), 1.0
    elif len(sums) == len(gain) and np.ptp(counts) == 0 and set(np.unique(gain)) <= {-1.0, 0.0, 1.0}:
        p = compute_mcnemar_p_value(won, lost)
        low, high = compute_discordant_interval(won, lost, len(gain))
        metric = replace(metric, low=low, high=high)
    else:
        test = SignFlipTest(sums[:, 0], sums[:, 1], seed)
        p = test.compute_p_value(0.0)
        if (bounds := test.compute_interval(p)) is not None:
            metric = replace(metric, low=bounds[0], high=bounds[1])
    return Difference(ours, theirs, metric, won, lost, p, _compute_detectable_difference(sums))


def compute_discordant_interval(won: int, lost: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of (won - lost) / n that agrees with McNemar's exact test.

    At least one item must differ: `won` + `lost` > 0. The difference is the share of discordant items times their
    balance, (won - lost) / (won + lost). The test depends on the balance alone, so the bound towards 0 is the bound of
    the balance (Clopper and Pearson 1934) times the observed share. The bound away from 0 adds the uncertainty of the
    share (Wilson; combined as in Zou and Donner, Statistics in Medicine 2008).
    """
    from scipy.stats import binomtest

    discordant = won + lost
    if won < lost:
        low, high = compute_discordant_interval(lost, won, n)
        return -high, -low
    exact = binomtest(won, discordant).proportion_ci(CONFIDENCE, method="exact")
    lower, upper = 2 * float(exact.low) - 1, 2 * float(exact.high) - 1
    share, balance = discordant / n, (won - lost) / discordant
    most = compute_wilson_interval(discordant, n).high or share
    reach = math.hypot(share * (upper - balance), balance * (most - share))
    return share * lower, share * balance + reach


def _compute_detectable_difference(sums: Array) -> float | None:
    """Return the smallest true difference that is found with 80 % power; None if no item differs.

    `sums` has shape (clusters, 2): sums of differences and of weights. The normal approximation at the observed scatter
    is used (Lachin 1992 for McNemar's test).
    """
    scatter = float(np.sqrt((sums[:, 0] ** 2).sum())) / float(sums[:, 1].sum())
    quantiles = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) + NormalDist().inv_cdf(POWER)
    return quantiles * scatter or None


def compare_corpus_metrics(
    first: Corpus, second: Corpus, clusters: Sequence[Hashable], seed: int = 0
) -> dict[str, Difference]:
    """Compare two systems by corpus metrics (precision, F1), and return the differences by metric name.

    Intervals are from a paired bootstrap over clusters. The p-value is from approximate randomisation, which swaps the
    two systems' answers cluster by cluster (Yeh, COLING 2000).
    """
    both = np.stack([first.counts, second.counts], axis=1)

    def compute_differences(sums: Array) -> Array:
        """Return the metrics of the second system minus those of the first, shape (..., metrics).

        `sums` holds the summed counts of both systems, shape (..., 2, *first.counts.shape[1:]).
        """
        ours, theirs = np.moveaxis(sums, -first.counts.ndim, 0)
        found: Array = second.statistic(theirs) - first.statistic(ours)
        return found

    sums = sum_by_cluster(clusters, both)
    value, low, high = compute_clustered_interval(clusters, both, compute_differences, seed=seed)
    p_values = _compute_swap_p_values(sums, compute_differences, value, seed)
    ours, theirs = first.statistic(first.counts.sum(axis=0)), second.statistic(second.counts.sum(axis=0))
    found = {}
    for place, name in enumerate(first.names):
        metric = Metric(float(value[place]), n=len(both))
        if len(sums) > 1:
            metric = replace(metric, low=float(low[place]), high=float(high[place]))
        found[name] = Difference(float(ours[place]), float(theirs[place]), metric, None, None, float(p_values[place]))
    return found


def _compute_swap_p_values(
    sums: Array, compute_differences: Callable[[Array], Array], value: Array, seed: int
) -> Array:
    """Return the p-value of each metric by approximate randomisation, shape (metrics,).

    `sums` has shape (clusters, 2, ...): the counts of both systems by cluster. `compute_differences` maps their sums
    over clusters to differences of metrics, and `value` holds the observed differences. The p-value is the share of
    random swaps of the two systems within clusters whose difference is at least as large as the observed one. The
    observed assignment counts as one of the swaps.
    """
    moved = sums[(sums[:, 0] != sums[:, 1]).reshape(len(sums), -1).any(axis=1)]
    if len(moved) == 0:
        return np.ones(len(value))
    still = sums.sum(axis=0) - moved.sum(axis=0)
    swap = (moved[:, ::-1] - moved).reshape(len(moved), -1)
    tosses = np.random.default_rng(seed).integers(0, 2, size=(RESAMPLES, len(moved))).astype(np.float64)
    tossed = still + moved.sum(axis=0) + (tosses @ swap).reshape(RESAMPLES, *sums.shape[1:])
    as_large = np.abs(compute_differences(tossed)) >= np.abs(value) - 1e-12
    found: Array = (as_large.sum(axis=0) + 1) / (RESAMPLES + 1)
    return found


def compute_mcnemar_p_value(won: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947), computed by statsmodels."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, won], [lost, 0]], exact=True).pvalue)


class SignFlipTest:
    """Permutation test of paired differences by cluster, with the interval of all differences that it does not reject.

    The interval (Garthwaite, Biometrics 1996) uses the same sign patterns as the test, so that the two agree. All sign
    patterns are used if there are at most `RESAMPLES`, else that many random ones.
    """

    def __init__(self, gains: Array, weights: Array, seed: int = 0) -> None:
        """Draw the sign patterns.

        `gains` and `weights`, both of shape (clusters,), are sums of weighted differences and of weights.
        """
        self._total = np.array([gains.sum(), weights.sum()])
        self._exact = 2 ** len(gains) <= RESAMPLES
        self._clusters = len(gains)
        both = np.stack([gains, weights], axis=1)
        if self._exact:
            signs = 2.0 * ((np.arange(2 ** len(gains))[:, None] >> np.arange(len(gains))) & 1) - 1
            self._flipped = signs @ both
        else:
            generator = np.random.default_rng(seed)
            parts = [
                (2.0 * generator.integers(0, 2, (count, len(gains)), dtype=np.int8) - 1) @ both  # limits memory
                for count in [PATTERNS_AT_ONCE] * (RESAMPLES // PATTERNS_AT_ONCE) + [RESAMPLES % PATTERNS_AT_ONCE]
            ]
            self._flipped = np.concatenate(parts)

    def compute_p_value(self, difference: float) -> float:
        """Return the two-sided p-value of the hypothesis that the true mean difference is `difference`."""
        observed = abs(self._total[0] - difference * self._total[1])
        flipped = np.abs(self._flipped[:, 0] - difference * self._flipped[:, 1])
        as_large = int((flipped >= observed * (1 - 1e-9) - 1e-12).sum())
        return as_large / len(flipped) if self._exact else (as_large + 1) / (len(flipped) + 1)

    def compute_interval(self, p: float) -> tuple[float, float] | None:
        """Return the 95 % interval, given the p-value `p` of a difference of 0.

        Returns None if there are too few clusters to reject any difference.
        """
        level = 1 - CONFIDENCE
        if 2 ** (1 - self._clusters) >= level:
            return None
        value = float(self._total[0] / self._total[1])
        bounds = []
        for direction in (-1.0, 1.0):
            inside, step = value, max(abs(value), 1e-6)
            if direction * value <= 0 and p >= level:
                inside = 0.0  # 0 is not rejected, so the interval contains it
            outside = 0.0 if direction * value < 0 and p < level else inside + direction * step
            while self.compute_p_value(outside) >= level:
                inside, step = outside, 2 * step
                outside = inside + direction * step
            for _ in range(BISECTIONS):
                middle = (inside + outside) / 2
                inside, outside = (middle, outside) if self.compute_p_value(middle) >= level else (inside, middle)
            bounds.append(inside)
        return bounds[0], bounds[1]


def adjust_by_holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values (Holm 1979), computed by statsmodels.

    With a threshold of 0.05 on them, the probability of any false positive among the tests is at most 5 %.
    """
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if p_values else []
