"""Prediction-powered inference: a rate by people's labels, estimated from few labels and many scores of a metric.

A metric, or a judge, scores all answers; people label a random part of them. The labelled part shows how far the scores
are off on average, and the mean score of the other answers is corrected by it (Angelopoulos et al., arXiv 2301.09633).
The interval is valid even if the metric is poor: it is then about as wide as without the metric.
"""

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np

from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import CONFIDENCE, Array, sum_by_cluster

FEWEST_LABELS = 10
"""Number of labelled clusters (clips) below which no interval is computed."""


def estimate_rate(
    labels: Sequence[float],
    labelled_scores: Sequence[float],
    other_scores: Sequence[float],
    labelled_clusters: Sequence[Hashable] | None = None,
    other_clusters: Sequence[Hashable] | None = None,
    weight: float | None = None,
) -> Metric:
    """Return the mean label of all answers with its 95 % interval.

    `labels` and `labelled_scores` belong to the labelled answers, which must be a random sample; `other_scores` are the
    scores of the answers without a label. The estimate is mean(labels) + w (mean(other_scores) -
    mean(labelled_scores)), with the weight w = `weight`. It is 1 in arXiv 2301.09633. By default it is the value with
    the smallest variance (power tuning, arXiv 2311.01453), which is 0 for scores that are unrelated to the labels.

    The two lists of clusters hold the clips of the answers: answers about one clip are correlated, which increases the
    variance. By default each answer is one cluster. The interval uses the normal approximation. Raises ValueError if
    `labels` is empty or differs in length from `labelled_scores`.
    """
    y, f, rest = (np.asarray(values, dtype=np.float64) for values in (labels, labelled_scores, other_scores))
    if not len(y) or len(y) != len(f):
        raise ValueError(f"{len(y)} labels and {len(f)} scores of the labelled answers: expected as many, and some")
    here, there = labelled_clusters, other_clusters
    if not len(rest):
        rest, weight, there = f, 0.0, here
    label_errors, score_errors = _compute_cluster_errors(y, here), _compute_cluster_errors(f, here)
    other_errors = _compute_cluster_errors(rest, there)
    score_variance = float(score_errors @ score_errors + other_errors @ other_errors)
    if weight is None:
        weight = float(label_errors @ score_errors) / score_variance if score_variance > 0 else 0.0
        weight = min(1.0, max(0.0, weight))
    value = float(y.mean() + weight * (rest.mean() - f.mean()))
    if len(label_errors) < FEWEST_LABELS:
        return Metric(value, n=len(y))
    difference = label_errors - weight * score_errors
    correction = len(difference) / (len(difference) - 1)
    variance = correction * float(difference @ difference) + weight**2 * float(other_errors @ other_errors)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance)
    return Metric(value, value - reach, value + reach, len(y))


def _compute_cluster_errors(values: Array, clusters: Sequence[Hashable] | None) -> Array:
    """Return the contribution of each cluster to the error of the mean; the sum of their squares is its variance."""
    errors: Array = (values - values.mean()) / len(values)
    return errors if clusters is None else sum_by_cluster(clusters, errors)
