"""95 % confidence intervals.

Wilson's interval is used for independent items, and a BCa bootstrap over clips if items share clips.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_bench.core.types import Metric

Array = npt.NDArray[np.float64]
"""Array of 64-bit floats."""

CONFIDENCE = 0.95
"""Confidence level of all intervals."""


def compute_wilson_interval(successes: float, n: int) -> Metric:
    """Return `successes` / `n` with Wilson's score interval for independent items (Wilson 1927), computed by scipy.

    `successes` is a count in 0..n. The value is missing if `n` is 0.
    """
    if n == 0:
        return Metric.missing("no items")
    low, high = _compute_wilson_bounds(round(successes), n)
    return Metric(successes / n, low, high, n)


@lru_cache(maxsize=4096)  # the metrics of a group often have equal counts
def _compute_wilson_bounds(successes: int, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    # the observed rate as null hypothesis: its p-value, which is not used, takes no search
    interval = binomtest(successes, n, successes / n).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def compute_clustered_interval(
    clusters: Sequence[Hashable],
    counts: Array,
    statistic: Callable[[Array], Array],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Array, Array, Array]:
    """Return a statistic of summed counts with its BCa interval, which resamples whole clusters (Field and Welsh 2007).

    `counts` has shape (items, ...). `statistic` maps sums of shape (..., *counts.shape[1:]) to values of shape (...,
    k). `clusters` holds one cluster per item, its clip: items about one clip are resampled together, since their errors
    are correlated. Returns value, lower bound and upper bound, each of shape (k,). With a single cluster, all three are
    equal.
    """
    sums = sum_by_cluster(clusters, counts)
    total = sums.sum(axis=0)
    value = statistic(total)
    if len(sums) == 1:  # one cluster gives no information on the variance between clusters
        return value, value, value
    # Clusters with equal sums are drawn as one kind with their number as weight: the same distribution, but faster.
    kinds, sizes = np.unique(sums.reshape(len(sums), -1), axis=0, return_counts=True)
    shape = (len(kinds), *sums.shape[1:])
    bounds = _compute_bounds if len(kinds) <= FEW_KINDS else _compute_bounds.__wrapped__
    low, high = bounds(kinds.tobytes(), shape, sizes.tobytes(), total.tobytes(), statistic, draws, seed)
    return value, low, high


FEW_KINDS = 64
"""Maximum number of distinct clusters (by their sums) for which intervals are cached.

Items that are correct or wrong give few distinct clusters, and many pairs of runs have the same number of each.
"""


@lru_cache(maxsize=4096)
def _compute_bounds(
    kinds_data: bytes,
    shape: tuple[int, ...],
    sizes_data: bytes,
    total_data: bytes,
    statistic: Callable[[Array], Array],
    draws: int,
    seed: int,
) -> tuple[Array, Array]:
    """Compute the lower and upper bounds of `compute_clustered_interval`, each of shape (k,).

    Clusters with equal sums are of one kind. `kinds_data` holds the sums of each kind, shape `shape` = (kinds, ...),
    `sizes_data` the number of clusters of each kind, and `total_data` the sum over all clusters. These arrays are
    passed as bytes, so that equal arrays are equal cache keys.
    """
    kinds = np.frombuffer(kinds_data).reshape(shape)
    sizes, total = np.frombuffer(sizes_data, dtype=np.int64), np.frombuffer(total_data).reshape(shape[1:])
    value, clusters = statistic(total), int(sizes.sum())
    generator, some = np.random.default_rng(seed), 50  # draws at a time, to limit memory
    drawn = [
        np.tensordot(generator.multinomial(clusters, sizes / clusters, size=count).astype(np.float64), kinds, axes=1)
        for count in [some] * (draws // some) + [draws % some] * (draws % some > 0)
    ]
    resampled = statistic(np.concatenate(drawn))
    left_out = np.repeat(statistic(total - kinds), sizes, axis=0)
    bounds = [compute_bca_interval(value[i], resampled[:, i], left_out[:, i]) for i in range(len(value))]
    low, high = np.array(bounds).T
    low.flags.writeable = high.flags.writeable = False  # the cache returns the same arrays again
    return low, high


def compute_weighted_mean(sums: Array) -> Array:
    """Return the mean, shape (..., 1), from sums of weighted values and of weights, shape (..., 2)."""
    return sums[..., :1] / sums[..., 1:]


def sum_by_cluster(clusters: Sequence[Hashable], counts: Array) -> Array:
    """Return the summed counts of each cluster, shape (clusters, ...), in order of first appearance."""
    labels = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    member = np.fromiter((labels[cluster] for cluster in clusters), dtype=np.int64, count=len(clusters))
    sums = np.zeros((len(labels), *counts.shape[1:]))
    np.add.at(sums, member, counts)
    return sums


def compute_bca_interval(value: float, bootstrap_values: Array, leave_one_out_values: Array) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval (Efron 1987) of a value.

    `bootstrap_values` holds the bootstrap values and `leave_one_out_values` the leave-one-out values, both of shape
    (n,). Plain quantiles are returned if all leave-one-out values are equal, or if all resampled values are on one side
    of the value, since no correction can be computed then.
    """
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    below = float(np.mean(bootstrap_values < value) + np.mean(bootstrap_values <= value)) / 2
    centred = leave_one_out_values.mean() - leave_one_out_values
    spread = float(np.sum(centred**2)) ** 1.5
    if 0 < below < 1 and spread > 0:
        normal = NormalDist()
        bias, acceleration = normal.inv_cdf(below), float(np.sum(centred**3)) / (6 * spread)
        shifted = [bias + normal.inv_cdf(tail) for tail in tails]
        tails = [normal.cdf(bias + shift / (1 - acceleration * shift)) for shift in shifted]
    low, high = np.quantile(bootstrap_values, tails)
    return float(low), float(high)


def compute_share(
    successes: Sequence[float], clusters: Sequence[Any], weights: Sequence[float] | None = None
) -> Metric:
    """Return the weighted mean of values in 0..1, with its interval.

    Wilson's interval is used if all values are 0 or 1, all items have the same weight and each item has its own
    cluster, else a bootstrap over clusters. Without `weights`, all items have the same weight.
    """
    n = len(successes)
    values, counts = np.asarray(successes, dtype=np.float64), np.ones(n) if weights is None else np.asarray(weights)
    distinct = len(set(clusters))
    if distinct == n and np.isin(values, (0, 1)).all() and not (n and np.ptp(counts)):
        return compute_wilson_interval(float(values.sum()), n)
    summands = np.stack([counts * values, counts], axis=1)
    value, low, high = compute_clustered_interval(clusters, summands, compute_weighted_mean)
    return build_rate_metric(float(value[0]), float(low[0]), float(high[0]), n, distinct)


def compute_conditional_share(
    events: Sequence[float],
    conditions: Sequence[float],
    clusters: Sequence[Any],
    weights: Sequence[float] | None = None,
) -> Metric:
    """Return the share of the event among the items that meet the condition, with its interval.

    `events` and `conditions` hold one value in 0..1 per item: 1 if the item has the event, and if it meets the
    condition. Values between 0 and 1 are averages over several answers to an item. `n` of the result is the number of
    items that meet the condition at least in part. Wilson's interval over these items is used if all values are 0 or 1,
    all weights are equal and each item has its own cluster, else a bootstrap over clusters. The value is missing if no
    item meets the condition.
    """
    event, condition = np.asarray(events, dtype=np.float64), np.asarray(conditions, dtype=np.float64)
    counts = np.ones(len(condition)) if weights is None else np.asarray(weights, dtype=np.float64)
    met = [index for index, value in enumerate(condition) if value > 0]
    if not met:
        return Metric.missing("no item meets the condition")
    distinct = len({clusters[index] for index in met})
    binary = np.isin(event, (0, 1)).all() and np.isin(condition, (0, 1)).all() and not np.ptp(counts)
    if binary and distinct == len(met):
        return compute_wilson_interval(float(event[met].sum()), len(met))
    summands = counts[:, None] * np.stack([event * condition, condition], axis=1)
    value, low, high = compute_ratio_interval(summands, clusters)
    return build_rate_metric(value, low, high, len(met), distinct)


def compute_ratio_interval(summands: Array, clusters: Sequence[Any]) -> tuple[float, float, float]:
    """Return the ratio of two sums with the bounds of its bootstrap interval over clusters.

    `summands`, shape (items, 2), holds the numerator and the denominator of each item; the denominators must not sum to
    0. A bootstrap resample whose denominator is 0 gets the ratio over all items as its value.
    """
    whole = float(summands[:, 0].sum() / summands[:, 1].sum())
    value, low, high = compute_clustered_interval(clusters, summands, _RatioStatistic(whole))
    return float(value[0]), float(low[0]), float(high[0])


@dataclass(frozen=True, slots=True)
class _RatioStatistic:
    """Statistic for `compute_clustered_interval`: the ratio of two sums.

    It is a dataclass and not a closure: instances with the same fallback are equal, and so are keys of the cache of
    `_compute_bounds`.
    """

    fallback: float
    """Value if the denominator is 0."""

    def __call__(self, sums: Array) -> Array:
        """Return the ratio, shape (..., 1), from sums of numerators and of denominators, shape (..., 2)."""
        above, below = sums[..., :1], sums[..., 1:]
        found: Array = np.divide(above, below, out=np.full_like(above, self.fallback), where=below > 0)
        return found


def compute_mean_interval(
    values: Sequence[float], clusters: Sequence[Any], weights: Sequence[float] | None = None
) -> Metric:
    """Return the weighted mean of unbounded values such as CIDEr, with a bootstrap interval over clusters.

    There is no interval if there is one cluster or if all values are equal.
    """
    scores, counts = (
        np.asarray(values, dtype=np.float64),
        np.ones(len(values)) if weights is None else np.asarray(weights),
    )
    summands = np.stack([counts * scores, counts], axis=1)
    value, low, high = compute_clustered_interval(clusters, summands, compute_weighted_mean)
    if len(set(clusters)) == 1 or not np.ptp(scores):
        return Metric(float(value[0]), n=len(values))
    return Metric(float(value[0]), float(low[0]), float(high[0]), len(values))


def build_rate_metric(value: float, low: float, high: float, n: int, clusters: int) -> Metric:
    """Return a rate as a metric with an interval: `low` and `high`, or Wilson's interval if the rate is 0 or 1.

    `low` and `high` are the bounds of the rate's bootstrap interval, `n` is the number of items and `clusters` the
    number of clusters. At 0 and 1 all resamples are equal, so that the bootstrap interval would have no width; Wilson's
    interval over the clusters replaces it. Between 0 and 1, a single cluster gives no interval.
    """
    if value in (0.0, 1.0):
        edge = compute_wilson_interval(value * clusters, clusters)
        return Metric(value, edge.low, edge.high, n)
    if clusters == 1:
        return Metric(value, n=n)
    return Metric(value, low, high, n)
