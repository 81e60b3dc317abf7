"""Precision, recall and F1 against scikit-learn, and what resampling clips does to their intervals."""

import random

import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, recall_score

from alm_bench.scoring.classification import compute_classification_metrics, count_confusions

NAMES = ("a", "b", "c")


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_scikit_learns(seed: int) -> None:
    draw = random.Random(seed)
    labels = draw.choice([2, 3, 4])
    names = [f"recall {i}" for i in range(labels)]
    n = draw.choice([1, 5, 60, 300])
    golds = [draw.randrange(labels) for _ in range(n)]
    said = [draw.choice([*range(labels - seed % 2), None]) for _ in range(n)]
    metrics = compute_classification_metrics(golds, said, [str(i) for i in range(n)], names)
    # None is a label that no gold has: scikit-learn is given it as -1 and averages over the real ones
    shown = [-1 if label is None else label for label in said]
    how = {"labels": list(range(labels)), "zero_division": 0}
    p, r, f, _ = precision_recall_fscore_support(golds, shown, average="macro", **how)
    found = [metrics[name].value for name in ("accuracy", "precision", "recall", "f1")]
    assert found == pytest.approx([accuracy_score(golds, shown), p, r, f])
    recalls = recall_score(golds, shown, average=None, **how)
    for name, label, recall in zip(names, range(labels), recalls, strict=True):
        if label in golds:
            assert metrics[name].value == pytest.approx(recall)
            assert metrics[name].n == golds.count(label)
        else:
            assert (metrics[name].value, metrics[name].reason) == (None, "no items")


def test_the_confusion_has_a_column_for_no_label() -> None:
    table = count_confusions([0, 0, 1, 2], [0, None, 2, 2], 3).sum(axis=0)
    assert table.tolist() == [[1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]]


def test_intervals_resample_clips() -> None:
    golds = [0, 1, 2] * 60
    said = [gold if i // 15 % 3 else (gold + 1) % 3 for i, gold in enumerate(golds)]
    alone = compute_classification_metrics(golds, said, [str(i) for i in range(180)], NAMES)
    shared = compute_classification_metrics(golds, said, [str(i // 15) for i in range(180)], NAMES)
    for name in ("accuracy", "f1", "a"):
        assert alone[name].value == shared[name].value
        assert width(shared, name) > 1.5 * width(alone, name)


def width(metrics: dict, name: str) -> float:  # type: ignore[type-arg]
    return float(metrics[name].high - metrics[name].low)


def test_no_items() -> None:
    assert {metric.reason for metric in compute_classification_metrics([], [], [], NAMES).values()} == {"no items"}
