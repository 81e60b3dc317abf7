"""Macro mean and mean rank over tasks, against a plain bootstrap and by hand."""

import numpy as np
import pytest

from alm_bench.scoring.collection import TaskItems, rank_values, score_collection


def task(*rows: list[float], clips: list[str] | None = None) -> TaskItems:
    scores = np.array(rows, dtype=np.float64)
    count = scores.shape[1]
    return TaskItems(scores, clips or [str(i) for i in range(count)], np.ones(count))


def test_figures_by_hand() -> None:
    small = task([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0])  # 75, 25, 75 %
    large = task([0] * 10, [1] * 10, [1] * 5 + [0] * 5)  # 0, 100, 50 %
    found = score_collection([small, large])
    assert [score.macro_mean.value for score in found] == [0.375, 0.625, 0.625]  # each task counts the same
    assert [score.mean_rank.value for score in found] == [(1.5 + 3) / 2, (3 + 1) / 2, (1.5 + 2) / 2]
    assert [score.against_best.value for score in found] == [-0.25, 0, 0]
    assert {score.macro_mean.n for score in found} == {14}


def test_equal_values_share_their_ranks() -> None:
    assert rank_values(np.array([[0.1 + 0.2, 0.3, 0.5, 0.2]])).tolist() == [[2.5, 2.5, 1, 4]]


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    generator = np.random.default_rng(5)
    rows = [[float(value) for value in generator.random(80) < rate] for rate in (0.6, 0.5)]
    clips = [str(i // 2) for i in range(80)]
    other = [[float(value) for value in generator.random(40) < rate] for rate in (0.7, 0.75)]
    found = score_collection([task(*rows, clips=clips), task(*other)])
    means, ranks = [], []
    for _ in range(1500):  # pairs of items in one clip are drawn together
        pairs = generator.integers(0, 40, 40)
        first = np.array(rows)[:, np.concatenate([2 * pairs, 2 * pairs + 1])].mean(axis=1)
        second = np.array(other)[:, generator.integers(0, 40, 40)].mean(axis=1)
        means.append((first[0] + second[0]) / 2)
        ranks.append(np.mean([1 if a > b else 1.5 if a == b else 2 for a, b in (first, second)]))
    for metric, drawn in ((found[0].macro_mean, means), (found[0].mean_rank, ranks)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (metric.low, metric.high) == pytest.approx((low, high), abs=0.03 if drawn is means else 0.26)


def test_draws_are_the_same_for_all_models() -> None:
    """Two equal models tie in every draw, however wide their own intervals are."""
    row = [float(i % 3 == 0) for i in range(60)]
    one, other = score_collection([task(row, row), task(row[::-1], row[::-1])])
    assert (one.mean_rank.low, one.mean_rank.high) == (1.5, 1.5)
    assert (other.against_best.low, other.against_best.high) == (0, 0)
    assert one.macro_mean.high - one.macro_mean.low > 0.1  # type: ignore[operator]


def test_weights_count_a_question_once() -> None:
    """A question in two option orders has as much weight as one in a single order."""
    items = TaskItems(np.array([[1.0, 0.0, 1.0]]), ["a", "a", "b"], np.array([0.5, 0.5, 1.0]))
    (found,) = score_collection([items])
    assert found.macro_mean.value == 0.75


def test_one_clip_gives_no_interval() -> None:
    (found,) = score_collection([task([1, 0], clips=["a", "a"])])
    assert (found.macro_mean.value, found.macro_mean.low, found.mean_rank.low) == (0.5, None, None)
