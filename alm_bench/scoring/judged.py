"""Means of scores by a judge, some of which may be missing, and agreement of two judges."""

from collections.abc import Hashable, Sequence

from alm_bench.core.types import Metric
from alm_bench.scoring.agreement import THRESHOLD, compute_agreement
from alm_bench.scoring.intervals import compute_share

JUDGED = "judged"
"""Name of the metric: mean score of the answers by a judge."""

LOW_KAPPA = 0.4
"""Cohen's kappa below which a judge is reported as unreliable ("moderate" agreement begins there, Landis and Koch
1977)."""


def compute_judged_mean(scores: Sequence[float | None], clusters: Sequence[Hashable]) -> Metric:
    """Return the mean of scores in 0..1, with an interval that includes the missing ones.

    The value is the mean over the items with a score. The lower bound of the interval is computed with 0 in place of
    every missing score, the upper bound with 1: missing scores widen the interval and do not move the value.
    """
    known = [score for score in scores if score is not None]
    if not known:
        return Metric.missing("no verdict could be read" if scores else "no items")
    low = compute_share([0.0 if score is None else score for score in scores], clusters)
    high = compute_share([1.0 if score is None else score for score in scores], clusters)
    return Metric(sum(known) / len(known), low.low, high.high, len(scores))


def compute_bounds(scores: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the lowest and the highest mean of the scores: with 0, and with 1, in place of every missing score.

    Returns (None, None) without items.
    """
    if not scores:
        return None, None
    total, missing = sum(score for score in scores if score is not None), sum(score is None for score in scores)
    return total / len(scores), (total + missing) / len(scores)


def compare_judges(first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]) -> Metric:
    """Return Cohen's kappa of the scores of two judges. A score of at least `THRESHOLD` counts as right."""
    right = [float(score >= THRESHOLD) for score in second]
    return compute_agreement(first, right, clusters).kappa


def describe_reliability(kappa: Metric) -> str | None:
    """Return a warning about a judge whose agreement with people is low; None for a reliable one."""
    if kappa.value is None:
        return f"agreement with people is not known: {kappa.reason}"
    if kappa.low is not None and kappa.low <= 0:
        return "agrees with people no better than chance: its figures say nothing about the answers"
    if kappa.value < LOW_KAPPA:
        return f"agrees poorly with people (kappa below {LOW_KAPPA:g}): do not rank models by it"
    return None
