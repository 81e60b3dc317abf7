"""Macro mean and mean rank of models over several tasks, with intervals from one bootstrap over items within tasks."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import CONFIDENCE, Array, sum_by_cluster

DRAWS = 1000
"""Number of bootstrap draws."""

DRAWS_AT_ONCE = 50
"""Number of draws in memory at once."""


@dataclass(frozen=True, slots=True)
class TaskItems:
    """Scores of several models on the same items of one task."""

    scores: Array
    """Score of each model on each item, shape (models, items), in 0..1."""

    clusters: Sequence[Hashable]
    """Clip of each item. Items of one clip are resampled together."""

    weights: Array
    """Weight of each item, shape (items,)."""


@dataclass(frozen=True, slots=True)
class CollectionScore:
    """Result of one model over all tasks."""

    macro_mean: Metric
    """Mean of the tasks' scores, in which every task has the same weight."""

    mean_rank: Metric
    """Mean of the model's ranks in the tasks, 1 for the best; equal scores share the mean of their ranks."""

    against_best: Metric
    """The model's macro mean minus the best macro mean of all models."""


def score_collection(tasks: Sequence[TaskItems], seed: int = 0) -> list[CollectionScore]:
    """Return one result per model, in the order of the rows of `TaskItems.scores`.

    The intervals are percentiles of bootstrap draws. Each draw resamples the clips of every task, the same ones for all
    models, so that ranks and differences are paired. A collection in which no task has two clips has no intervals.
    """
    sums = [_sum_scores_by_cluster(task) for task in tasks]
    values = np.stack([each.sum(axis=0)[:-1] / each.sum(axis=0)[-1] for each in sums])  # shape (tasks, models)
    generator = np.random.default_rng(seed)
    draws = np.stack([_resample_scores(each, generator) for each in sums], axis=1)  # shape (draws, tasks, models)
    n = sum(len(task.clusters) for task in tasks)
    has_interval = any(len(each) > 1 for each in sums)

    def build_metrics(value: Array, drawn: Array) -> list[Metric]:
        """Return one metric per model from its values, shape (models,), and from the draws, shape (draws, models)."""
        low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        bounds = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
        return [Metric(v, lo, hi, n) if has_interval else Metric(v, n=n) for v, lo, hi in bounds]

    means, drawn_means = values.mean(axis=0), draws.mean(axis=1)
    best = int(means.argmax())
    return [
        CollectionScore(*each)
        for each in zip(
            build_metrics(means, drawn_means),
            build_metrics(rank_values(values).mean(axis=0), rank_values(draws).mean(axis=1)),
            build_metrics(means - means[best], drawn_means - drawn_means[:, [best]]),
            strict=True,
        )
    ]


def rank_values(values: Array) -> Array:
    """Return the rank of each value along the last axis, 1 for the highest; equal values share their mean rank."""
    from scipy.stats import rankdata

    ranks: Array = rankdata(-values.round(12), axis=-1)
    return ranks


def _sum_scores_by_cluster(task: TaskItems) -> Array:
    """Return the weighted scores of each cluster, shape (clusters, models + 1); the last column sums the weights."""
    return sum_by_cluster(task.clusters, np.concatenate([task.scores * task.weights, task.weights[None]]).T)


def _resample_scores(sums: Array, generator: np.random.Generator) -> Array:
    """Return the models' scores of one task in every bootstrap draw, shape (draws, models).

    `sums` is the result of `_sum_scores_by_cluster`.
    """
    clusters = len(sums)
    parts = []
    for _ in range(DRAWS // DRAWS_AT_ONCE):
        counts = generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=DRAWS_AT_ONCE)
        drawn = counts.astype(np.float64) @ sums
        parts.append(drawn[:, :-1] / drawn[:, -1:])
    return np.concatenate(parts)
