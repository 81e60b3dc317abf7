"""Precision, recall and F1 from a confusion matrix, with intervals that resample clips."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core.protocols import Corpus
from alm_bench.core.types import Metric, Metrics
from alm_bench.scoring.intervals import Array, build_rate_metric, compute_clustered_interval


def count_confusions(golds: Sequence[int], predictions: Sequence[int | None], labels: int) -> Array:
    """Return a one-hot confusion matrix per item, shape (items, labels, labels + 1).

    Axis 1 is the correct label and axis 2 the predicted one; its last column is "no label".
    """
    cells = np.zeros((len(golds), labels, labels + 1))
    columns = [labels if prediction is None else prediction for prediction in predictions]
    cells[np.arange(len(golds)), list(golds), columns] = 1
    return cells


def divide(part: Array, whole: Array) -> Array:
    """Divide element by element; the result is 0 where the divisor is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def compute_metrics_from_confusions(matrix: Array) -> Array:
    """Compute accuracy, macro precision, macro recall, macro F1 and the recall of each label from confusion matrices.

    `matrix` has shape (..., labels, labels + 1), the result (..., 4 + labels). An undefined ratio is 0, as in
    scikit-learn with zero_division=0.
    """
    labels = matrix.shape[-2]
    hits = np.diagonal(matrix[..., :labels], axis1=-2, axis2=-1)
    recall = divide(hits, matrix.sum(axis=-1))
    precision = divide(hits, matrix[..., :labels].sum(axis=-2))
    f1 = divide(2 * precision * recall, precision + recall)
    accuracy = divide(hits.sum(axis=-1), matrix.sum(axis=(-2, -1)))
    macro = [accuracy, precision.mean(axis=-1), recall.mean(axis=-1), f1.mean(axis=-1)]
    return np.concatenate([np.stack(macro, axis=-1), recall], axis=-1)


def build_corpus_statistic(
    golds: Sequence[int], predictions: Sequence[int | None], recall_names: Sequence[str]
) -> Corpus:
    """Return the counts per item, and the statistic that computes the metrics from their sums.

    The metrics are `accuracy`, macro `precision`, `recall` and `f1`, and the recall of each label.

    `golds` and `predictions` hold the correct and the predicted label of each item, as indices into `recall_names`,
    which holds the metric name of each label's recall. A prediction of None is wrong for every label.
    """
    cells = count_confusions(golds, predictions, len(recall_names))
    return Corpus(("accuracy", "precision", "recall", "f1", *recall_names), cells, compute_metrics_from_confusions)


def compute_classification_metrics(
    golds: Sequence[int], predictions: Sequence[int | None], clips: Sequence[str], recall_names: Sequence[str]
) -> Metrics:
    """Return accuracy, macro precision, recall and F1, and the recall of each label, with intervals.

    `golds` and `predictions` hold the correct and the predicted label of each item, as indices into `recall_names`,
    which holds the metric name of each label's recall. A prediction of None is wrong. `clips` holds the clip of each
    item, by which the intervals resample. A metric without items has a reason instead of a value.
    """
    found = build_corpus_statistic(golds, predictions, recall_names)
    if not golds:
        return {name: Metric.missing("no items") for name in found.names}
    value, low, high = compute_clustered_interval(clips, found.counts, found.statistic)
    sizes = [len(golds)] * 4 + [sum(gold == label for gold in golds) for label in range(len(recall_names))]
    distinct = len(set(clips))
    rates = [
        build_rate_metric(float(v), float(a), float(b), n, distinct)
        for v, a, b, n in zip(value, low, high, sizes, strict=True)
    ]
    return {
        name: metric if metric.n else Metric.missing("no items")
        for name, metric in zip(found.names, rates, strict=True)
    }
