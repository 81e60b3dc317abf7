"""Precision, recall and F1 from a confusion matrix, with intervals over clips."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core.protocols import Corpus
from alm_bench.core.types import Metric, Metrics
from alm_bench.scoring.intervals import Array, clustered_interval, rate_interval


def confusion(golds: Sequence[int], predictions: Sequence[int | None], labels: int) -> Array:
    """One-hot confusion cells, shape (items, labels, labels + 1); the last column is "no label"."""
    cells = np.zeros((len(golds), labels, labels + 1))
    columns = [labels if prediction is None else prediction for prediction in predictions]
    cells[np.arange(len(golds)), list(golds), columns] = 1
    return cells


def divide(part: Array, whole: Array) -> Array:
    """Divide element by element; a ratio to 0 is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def figures(matrix: Array) -> Array:
    """Accuracy, macro precision, recall, F1 and each label's recall.

    From sums of shape (..., labels, labels + 1) to figures of shape (..., 4 + labels). An undefined ratio is 0, as in
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


def corpus(golds: Sequence[int], predictions: Sequence[int | None], recalls: Sequence[str]) -> Corpus:
    """`accuracy`, macro `precision`, `recall`, `f1`, and the recall of label i under the name `recalls[i]`.

    A prediction of None is wrong for every label.
    """
    cells = confusion(golds, predictions, len(recalls))
    return Corpus(("accuracy", "precision", "recall", "f1", *recalls), cells, figures)


def classification_metrics(
    golds: Sequence[int], predictions: Sequence[int | None], clips: Sequence[str], recalls: Sequence[str]
) -> Metrics:
    """The figures of `corpus`. Intervals resample clips."""
    found = corpus(golds, predictions, recalls)
    if not golds:
        return {name: Metric.missing("no items") for name in found.names}
    value, low, high = clustered_interval(clips, found.counts, found.statistic)
    sizes = [len(golds)] * 4 + [sum(gold == label for gold in golds) for label in range(len(recalls))]
    distinct = len(set(clips))
    rates = [
        rate_interval(float(v), float(a), float(b), n, distinct)
        for v, a, b, n in zip(value, low, high, sizes, strict=True)
    ]
    return {
        name: metric if metric.n else Metric.missing("no items")
        for name, metric in zip(found.names, rates, strict=True)
    }
