"""Agreement of a metric, or of a judge, with people's labels of the same answers.

All intervals resample clips, because answers about one clip are not independent.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from alm_bench.core.rng import create_item_generator
from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import Array, compute_bca_interval, compute_clustered_interval, compute_share
from alm_bench.scoring.paired import compare_paired_scores

THRESHOLD = 0.5
"""Score from which an answer counts as right, where a metric in 0..1 is compared with people's right and wrong."""

SIGNIFICANT = 0.05
"""Largest p-value at which two models differ by people's labels."""

DRAWS = 1000
"""Number of bootstrap samples of each interval."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a metric's scores with people's labels: rank correlations, kappa and balanced accuracy."""

    n: int
    """Number of labelled answers."""

    spearman: Metric
    """Spearman's rank correlation over all labelled answers."""

    kendall: Metric
    """Kendall's tau-b over all labelled answers."""

    kappa: Metric
    """Cohen's kappa of the classes right and wrong, over the answers that people label 0 or 1."""

    balanced_accuracy: Metric
    """Mean of sensitivity and specificity, over the answers that people label 0 or 1."""

    accuracy: Metric
    """Share of the answers with the label 0 or 1 that the score puts into the same class, right or wrong."""


@dataclass(frozen=True, slots=True)
class PairOrder:
    """Comparison of two models by people's labels and by a metric's scores, on the questions that both answered."""

    first: str
    """Name of the first model."""

    second: str
    """Name of the second model."""

    n: int
    """Number of questions that both models answered."""

    people: float
    """Mean label of the second model minus the mean label of the first."""

    metric: float
    """Mean score of the second model minus the mean score of the first."""

    p: float
    """Two-sided p-value of the difference `people` (`compare_paired_scores`, clips as clusters)."""

    @property
    def is_significant(self) -> bool:
        """True if the two models differ significantly by people's labels."""
        return self.p < SIGNIFICANT

    @property
    def agrees(self) -> bool:
        """True if the better model is the same by the metric and by people's labels; False if either has a tie."""
        return self.people * self.metric > 0


def compute_agreement(
    scores: Sequence[float], labels: Sequence[float], clusters: Sequence[Hashable], is_fraction: bool = True
) -> Agreement:
    """Compute the agreement of a metric's scores with people's labels, which lie in 0..1.

    `scores`, `labels` and `clusters` (the clip of each answer) hold one entry per answer. For kappa and balanced
    accuracy, a score of at least `THRESHOLD` counts as right. This rule has no meaning for a metric without an upper
    bound, such as CIDEr: if `is_fraction` is False, these two metrics are missing.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    rows = _index_clusters(clusters)
    constant = [name for name, values in (("scores", x), ("labels", y)) if not len(values) or not np.ptp(values)]
    if constant:
        spearman = kendall = Metric.missing(f"all {constant[0]} are equal")
    else:
        spearman, kendall = _correlate(x, y, rows, "spearman"), _correlate(x, y, rows, "kendall")
    clear = np.flatnonzero((y == 0) | (y == 1))
    if not is_fraction:
        kappa = balanced = accuracy = Metric.missing("the metric has no scale from 0 to 1")
    else:
        where = [clusters[index] for index in clear.tolist()]
        said, right = x[clear] >= THRESHOLD, y[clear] == 1
        kappa, balanced = _compare_classes(said, right, where)
        accuracy = compute_share((said == right).astype(float).tolist(), where) if len(where) else kappa
    return Agreement(len(x), spearman, kendall, kappa, balanced, accuracy)


def compute_pair_agreement(
    score_differences: Sequence[float], votes: Sequence[float], clusters: Sequence[Hashable]
) -> Metric:
    """Return the share of pairs of texts in which a metric prefers the same text as people do.

    `score_differences`, `votes` and `clusters` (clips) hold one entry per pair. A score difference is the score of the
    first text minus the score of the second one. A vote is positive if people prefer the first text, negative if they
    prefer the second one. Pairs with a vote of 0 are left out. A pair with a score difference of 0 counts as wrong.
    """
    kept = [index for index, vote in enumerate(votes) if vote]
    if not kept:
        return Metric.missing("people decide no pair")
    right = [float(score_differences[index] * votes[index] > 0) for index in kept]
    return compute_share(right, [clusters[index] for index in kept])


def compare_model_orders(
    scores: Mapping[str, Mapping[Hashable, float]],
    labels: Mapping[str, Mapping[Hashable, float]],
    clusters: Mapping[Hashable, Hashable],
) -> list[PairOrder]:
    """Compare each pair of models by people's labels and by a metric's scores.

    `scores` and `labels` hold one value per model and question; `clusters` holds the clip of each question. Pairs of
    models without a common question are left out.
    """
    orders = []
    for first, second in combinations(sorted(labels), 2):
        common = [question for question in labels[first] if question in labels[second]]
        if not common:
            continue
        people, metric = (
            [[values[model][question] for question in common] for model in (first, second)]
            for values in (labels, scores)
        )
        tested = compare_paired_scores(people[0], people[1], [clusters[question] for question in common])
        gain = float(np.mean(metric[1]) - np.mean(metric[0]))
        orders.append(PairOrder(first, second, len(common), tested.second - tested.first, gain, tested.p))
    return orders


def _compare_classes(
    metric_right: npt.NDArray[np.bool_], people_right: npt.NDArray[np.bool_], clusters: Sequence[Hashable]
) -> tuple[Metric, Metric]:
    """Return Cohen's kappa and the balanced accuracy of a metric's classes against people's, with intervals.

    `metric_right` is True for answers that the metric calls right, `people_right` for answers that people call right.
    """
    n = len(people_right)
    if not n or people_right.all() or not people_right.any():
        reason = (
            f"of {n} answers with the label 0 or 1, people call {'all' if n and people_right.all() else 'none'} right"
        )
        return Metric.missing(reason), Metric.missing(reason)
    counts = np.stack(
        [
            metric_right & people_right,
            ~metric_right & people_right,
            metric_right & ~people_right,
            ~metric_right & ~people_right,
        ],
        axis=1,
    ).astype(np.float64)
    value, low, high = compute_clustered_interval(clusters, counts, _compute_kappa_and_balanced_accuracy)
    found = [Metric(float(value[i]), float(low[i]), float(high[i]), n) for i in (0, 1)]
    return found[0], found[1]


def _compute_kappa_and_balanced_accuracy(sums: Array) -> Array:
    """Compute Cohen's kappa and balanced accuracy, shape (..., 2), from numbers of answers, shape (..., 4).

    The four numbers count answers that people and the metric call right, that only people call right, that only the
    metric calls right, and that neither calls right.
    """
    both, people, score, none = (sums[..., k] for k in range(4))
    n = both + people + score + none
    expected = ((both + people) * (both + score) + (none + score) * (none + people)) / n**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected < 1, ((both + none) / n - expected) / (1 - expected), 0.0)
        # A bootstrap sample may lack one of the classes; its rate then counts as chance.
        sensitivity = np.where(both + people > 0, both / (both + people), 0.5)
        specificity = np.where(none + score > 0, none / (none + score), 0.5)
    found: Array = np.stack([kappa, (sensitivity + specificity) / 2], axis=-1)
    return found


def _index_clusters(clusters: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    """Return the index of each item's cluster; clusters are numbered from 0 in order of first appearance."""
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    return np.fromiter((numbers[cluster] for cluster in clusters), dtype=np.int64, count=len(clusters))


def _correlate(x: Array, y: Array, cluster_indices: npt.NDArray[np.int64], kind: str) -> Metric:
    """Return a rank correlation of `x` and `y` with its BCa bootstrap interval over clusters.

    `kind` is `spearman` or `kendall`. `cluster_indices` holds the index of each item's cluster (`_index_clusters`).
    """
    from scipy.stats import kendalltau, spearmanr

    value = float(spearmanr(x, y).statistic if kind == "spearman" else kendalltau(x, y).statistic)
    count = int(cluster_indices.max()) + 1
    if count < 3:
        return Metric(value, n=len(x))
    generator = create_item_generator("bootstrap of a rank correlation")
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)
    without_one = 1 - np.eye(count)
    weighted = (
        _build_weighted_spearman(x, y, cluster_indices)
        if kind == "spearman"
        else _build_weighted_kendall(x, y, cluster_indices)
    )
    resampled, left_out = weighted(drawn), weighted(without_one)
    resampled = resampled[np.isfinite(resampled)]  # a sample in which all scores or all labels are equal has none
    if not len(resampled) or not np.isfinite(left_out).all():
        return Metric(value, n=len(x))
    low, high = compute_bca_interval(value, resampled, left_out)
    return Metric(value, low, high, len(x))


def _build_weighted_spearman(x: Array, y: Array, cluster_indices: npt.NDArray[np.int64]) -> Callable[[Array], Array]:
    """Return a function that computes Spearman's correlation of resampled items, shape (draws,).

    `x` and `y` hold the two values of each item, and `cluster_indices` the index of its cluster. The argument of the
    returned function holds how often each cluster is drawn, shape (draws, clusters).
    """
    orders = [(np.argsort(values, kind="stable"), values) for values in (x, y)]

    def compute_midranks(weights: Array, order: npt.NDArray[np.int64], values: Array) -> Array:
        """Return the weighted mid-ranks of the items, shape (draws, items).

        `weights` has shape (draws, items), `values` and `order`, the indices that sort them, shape (items,).
        """
        ordered = values[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        group = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]])
        totals = np.add.reduceat(weights[:, order], starts, axis=1)
        middle = np.cumsum(totals, axis=1) - totals / 2
        ranks = np.empty_like(weights)
        ranks[:, order] = middle[:, group]
        return ranks

    def correlate(draw_counts: Array) -> Array:
        """Return the correlation in each draw, shape (draws,), from the clusters' counts, shape (draws, clusters)."""
        parts = []
        for some in np.array_split(draw_counts, max(1, len(draw_counts) // 100)):  # to limit memory
            weights = some[:, cluster_indices]
            total = weights.sum(axis=1, keepdims=True)
            ranks = [compute_midranks(weights, *order) for order in orders]
            centred = [rank - (weights * rank).sum(axis=1, keepdims=True) / total for rank in ranks]
            covariance = (weights * centred[0] * centred[1]).sum(axis=1)
            spread = [(weights * one**2).sum(axis=1) for one in centred]
            with np.errstate(invalid="ignore", divide="ignore"):
                parts.append(covariance / np.sqrt(spread[0] * spread[1]))
        return np.concatenate(parts)

    return correlate


def _build_weighted_kendall(x: Array, y: Array, cluster_indices: npt.NDArray[np.int64]) -> Callable[[Array], Array]:
    """Return a function that computes Kendall's tau-b of resampled items, shape (draws,).

    `x` and `y` hold the two values of each item, and `cluster_indices` the index of its cluster. The argument of the
    returned function holds how often each cluster is drawn, shape (draws, clusters). Concordance and ties of all pairs
    of items are summed only once, by pairs of clusters.
    """
    count = int(cluster_indices.max()) + 1
    sums = [np.zeros((count, count)) for _ in range(3)]
    for index in range(len(x)):
        signs = np.sign(x - x[index]), np.sign(y - y[index])
        for total, pairs in zip(sums, (signs[0] * signs[1], np.abs(signs[0]), np.abs(signs[1])), strict=True):
            total[cluster_indices[index]] += np.bincount(cluster_indices, weights=pairs, minlength=count)

    def correlate(draw_counts: Array) -> Array:
        """Return the correlation in each draw, shape (draws,), from the clusters' counts, shape (draws, clusters)."""
        agreeing, different_x, different_y = (np.einsum("dc,dc->d", draw_counts @ total, draw_counts) for total in sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = agreeing / np.sqrt(different_x * different_y)
        return found

    return correlate
