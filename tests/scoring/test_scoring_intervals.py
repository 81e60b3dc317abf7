"""Intervals against Wilson's own formula, and a bootstrap over clips that knows what shared clips cost."""

import math

import numpy as np
import pytest
from scipy.stats import binom, bootstrap, norm

from alm_bench.core import Metric
from alm_bench.scoring.intervals import compute_clustered_interval, compute_share, compute_wilson_interval


def wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson (1927), written out."""
    z = float(norm.ppf(0.975))
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def bounds(metric: Metric) -> tuple[float, float]:
    assert metric.low is not None
    assert metric.high is not None
    return metric.low, metric.high


@pytest.mark.parametrize(("k", "n"), [(1, 2), (0, 10), (10, 10), (3, 20), (500, 1000), (854, 1000)])
def test_a_share_has_wilsons_interval(k: int, n: int) -> None:
    metric = compute_wilson_interval(k, n)
    low, high = wilson(k, n)
    assert (metric.value, metric.n) == (k / n, n)
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=1e-12)


def test_known_values() -> None:
    """Half of 1,000 questions: 3.1 points either way (Wald would say the same, to a tenth); 0 of 10: 0 to 27.8 %."""
    half = compute_wilson_interval(500, 1000)
    assert (half.low, half.high) == pytest.approx((0.46907, 0.53093), abs=1e-5)
    none = compute_wilson_interval(0, 10)
    assert (none.low, none.high) == pytest.approx((0, 0.27753), abs=1e-5)


def test_without_items_there_is_no_value() -> None:
    for metric in (compute_wilson_interval(0, 0), compute_share([], [])):
        assert (metric.value, metric.low, metric.high, metric.n, metric.reason) == (None, None, None, 0, "no items")


def test_items_with_clips_of_their_own_are_independent() -> None:
    hits = [1.0, 0.0, 1.0, 1.0]
    assert compute_share(hits, ["a", "b", "c", "d"]) == compute_wilson_interval(3, 4)
    assert compute_share(hits, ["a", "b", "c", "c"]) != compute_wilson_interval(3, 4)
    assert compute_share(hits, ["a", "b", "c", "c"]).value == 0.75


def test_items_that_agree_within_a_clip_widen_the_interval() -> None:
    """Fifteen questions a clip that all fall together carry one clip's information: the width grows by sqrt(15)."""
    clips = [clip for clip in range(100) for _ in range(15)]
    together = [float(clip % 2) for clip in clips]
    metric = compute_share(together, clips)
    assert metric.value == 0.5
    assert metric.n == 1500
    low, high = bounds(metric)
    narrow_low, narrow_high = wilson(750, 1500)
    wide_low, wide_high = wilson(50, 100)
    assert high - low > 3 * (narrow_high - narrow_low)
    assert high - low == pytest.approx(wide_high - wide_low, rel=0.15)


def test_items_that_balance_within_a_clip_narrow_it() -> None:
    clips = [clip for clip in range(50) for _ in range(2)]
    metric = compute_share([float(i % 2) for i in range(100)], clips)
    assert (metric.low, metric.value, metric.high) == (0.5, 0.5, 0.5)


def test_one_clip_alone_has_no_interval_between_the_ends() -> None:
    assert compute_share([1.0, 1.0, 0.0], ["a", "a", "a"]) == Metric(2 / 3, None, None, 3)
    assert bounds(compute_share([1.0, 1.0], ["a", "a"])) == pytest.approx(wilson(1, 1))


def test_the_bootstrap_is_reproducible_and_seeded() -> None:
    draw = np.random.default_rng(3)
    hits = draw.integers(0, 2, 300).astype(float)
    counts = np.stack([hits, np.ones(300)], axis=1)
    clips = draw.integers(0, 40, 300).tolist()

    def interval(seed: int) -> list[float]:
        return [
            float(part[0])
            for part in compute_clustered_interval(clips, counts, lambda s: s[..., :1] / s[..., 1:], seed=seed)
        ]

    assert interval(0) == interval(0)
    assert interval(0) != interval(1)
    value, low, high = interval(0)
    assert value == pytest.approx(hits.mean())
    assert low < value < high


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_scipys_bca(seed: int) -> None:
    """The mean of skewed values, each with a cluster of its own; both sides draw 20,000 resamples of their own."""
    values = np.random.default_rng(seed).exponential(size=40)
    counts = np.stack([values, np.ones(40)], axis=1)
    _, low, high = compute_clustered_interval(
        range(40), counts, lambda sums: sums[..., :1] / sums[..., 1:], draws=20_000
    )
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    expected = theirs.confidence_interval
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), rel=0.02)
    plain = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1))
    assert high[0] > plain.confidence_interval.high  # the correction moves a right-skewed mean's interval to the right


def test_the_bootstrap_covers_as_it_says() -> None:
    """Of 300 made-up data sets whose clips share their luck, about 95 % of the intervals hold the true rate.

    An interval that takes their questions as independent holds it far less often.
    """
    draw = np.random.default_rng(0)
    clips = np.repeat(np.arange(60), 8).tolist()
    held = independent = 0
    for _ in range(300):
        rates = np.repeat(draw.beta(2, 2, 60), 8)  # mean 0.5
        hits = (draw.random(480) < rates).astype(float)
        low, high = bounds(compute_share(hits.tolist(), clips))
        held += low <= 0.5 <= high
        low, high = bounds(compute_wilson_interval(hits.sum(), 480))
        independent += low <= 0.5 <= high
    assert 0.91 <= held / 300 <= 0.985
    assert independent / 300 < 0.85


@pytest.mark.parametrize("n", [333, 1000])
@pytest.mark.parametrize("truth", [0.1, 0.5, 0.9])
def test_wilsons_interval_covers_as_it_says(n: int, truth: float) -> None:
    """Exactly, over all outcomes: 95 +- 1.5 %."""
    outcomes = binom(n, truth)
    low, high = (int(q) for q in outcomes.ppf([1e-9, 1 - 1e-9]))
    covered = 0.0
    for k in range(low, high + 1):
        lower, upper = bounds(compute_wilson_interval(k, n))
        covered += float(outcomes.pmf(k)) * (lower <= truth <= upper)
    assert covered == pytest.approx(0.95, abs=0.015)
