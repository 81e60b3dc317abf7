"""Two systems on the same items: by how much they differ, and whether chance explains it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alm_bench.core.protocols import Corpus
from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import Array, clustered_interval, sum_by_cluster, weighted_mean, wilson_interval

RESAMPLES = 9999
"""Sign flips of the test where items share clips."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second system's mean score minus the first's, on the same items, with its paired 95 % interval.

    `won` items score higher in the second system, `lost` lower (None for figures that no item has alone). `p` is
    two-sided: McNemar's exact one where items are independent and right or wrong; where clips repeat, or scores lie
    between, of flipping whole clips' signs.
    """

    first: float
    second: float
    difference: Metric
    won: int | None
    lost: int | None
    p: float


def difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Metric:
    """The mean of `second` minus that of `first`, with its paired interval; from one cluster alone there is none."""
    gain = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    counts = np.ones(len(gain)) if weights is None else np.asarray(weights)
    summands = np.stack([counts * gain, counts], axis=1)
    value, low, high = clustered_interval(clusters, summands, weighted_mean, seed=seed)
    metric, distinct = Metric(float(value[0]), n=len(gain)), len(set(clusters))
    if distinct == 1:
        return metric
    if (
        gain.any() and np.ptp(sum_by_cluster(clusters, summands), axis=0).max() < 1e-12
    ):  # resamples alike are no certainty
        return _edge(metric, float(np.mean(first)), float(np.mean(second)), distinct)
    return replace(metric, low=float(low[0]), high=float(high[0]))


def _edge(metric: Metric, first: float, second: float, clusters: int) -> Metric:
    """Wilson's interval of a `second` of all or nothing, less the first; without an interval for another."""
    if second not in (0.0, 1.0):
        return metric
    edge = wilson_interval(second * clusters, clusters)
    return replace(metric, low=(edge.low or 0.0) - first, high=(edge.high or 0.0) - first)


def paired_tests(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Difference:
    """Scores (0 to 1) of the same items in the same order. Raises ValueError for none, or for unequal counts."""
    if not first or not len(first) == len(second) == len(clusters):
        raise ValueError(f"{len(first)} and {len(second)} scores of {len(clusters)} items: expected as many, and some")
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    counts = np.ones(len(a)) if weights is None else np.asarray(weights)
    gain = b - a
    won, lost = int((gain > 0).sum()), int((gain < 0).sum())
    independent = len(set(clusters)) == len(gain) and set(np.unique(gain)) <= {-1.0, 0.0, 1.0}
    p = mcnemar(won, lost) if independent else sign_flips(sum_by_cluster(clusters, counts * gain), seed)
    ours, theirs = (float(np.average(side, weights=counts)) for side in (a, b))
    return Difference(ours, theirs, difference(first, second, clusters, weights, seed), won, lost, p)


def corpus_difference(
    first: Corpus, second: Corpus, clusters: Sequence[Hashable], seed: int = 0
) -> dict[str, Difference]:
    """By name, figures that are no means of items (precision, F1): intervals of a paired bootstrap over clusters.

    The p-value is of approximate randomisation (Yeh, COLING 2000): the two systems' answers change places, cluster by
    cluster.
    """
    both = np.stack([first.counts, second.counts], axis=1)

    def gains(sums: Array) -> Array:
        """From (..., 2, *counts) to (..., names)."""
        ours, theirs = np.moveaxis(sums, -first.counts.ndim, 0)
        found: Array = second.statistic(theirs) - first.statistic(ours)
        return found

    sums = sum_by_cluster(clusters, both)
    value, low, high = clustered_interval(clusters, both, gains, seed=seed)
    p_values = _swapped(sums, gains, value, seed)
    ours, theirs = first.statistic(first.counts.sum(axis=0)), second.statistic(second.counts.sum(axis=0))
    found = {}
    for place, name in enumerate(first.names):
        metric = Metric(float(value[place]), n=len(both))
        if len(sums) > 1:
            metric = replace(metric, low=float(low[place]), high=float(high[place]))
        found[name] = Difference(float(ours[place]), float(theirs[place]), metric, None, None, float(p_values[place]))
    return found


def _swapped(sums: Array, gains: Callable[[Array], Array], value: Array, seed: int) -> Array:
    """How often a difference as large comes of a coin's toss for every cluster, the observed one counted in."""
    moved = sums[(sums[:, 0] != sums[:, 1]).reshape(len(sums), -1).any(axis=1)]
    if len(moved) == 0:
        return np.ones(len(value))
    still = sums.sum(axis=0) - moved.sum(axis=0)
    swap = (moved[:, ::-1] - moved).reshape(len(moved), -1)
    tosses = np.random.default_rng(seed).integers(0, 2, size=(RESAMPLES, len(moved))).astype(np.float64)
    tossed = still + moved.sum(axis=0) + (tosses @ swap).reshape(RESAMPLES, *sums.shape[1:])
    as_large = np.abs(gains(tossed)) >= np.abs(value) - 1e-12
    found: Array = (as_large.sum(axis=0) + 1) / (RESAMPLES + 1)
    return found


def mcnemar(won: int, lost: int) -> float:
    """The exact test of McNemar (1947), by statsmodels."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, won], [lost, 0]], exact=True).pvalue)


def sign_flips(gains: Array, seed: int = 0) -> float:
    """The permutation test of a sum of paired differences, by scipy: under no difference each sign is a coin's toss."""
    from scipy.stats import permutation_test

    moved = gains[gains != 0]  # the others add nothing, whatever their sign
    if len(moved) < 2:  # one clip alone is as likely to go the other way
        return 1.0
    result = permutation_test(
        (moved,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=256,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), by statsmodels: below 0.05, no cell of the table is called different by luck."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if p_values else []
