"""Borders between answers: found where they are, the best there are, and nothing where there is nothing to find."""

import itertools

import numpy as np
import pytest

from alm_bench.adapters.clap.thresholds import Thresholds

LABELS = ("false", "plausible", "true")


def drawn(seed: int, count: int, spread: float) -> tuple[list[float], list[str]]:
    rng = np.random.default_rng(seed)
    answers = [LABELS[i % 3] for i in range(count)]
    return [0.3 * LABELS.index(answer) + spread * float(rng.uniform(-1, 1)) for answer in answers], answers


def test_borders_of_separable_values_are_recovered() -> None:
    values, answers = drawn(0, 300, 0.1)
    found = Thresholds.fit(values, answers)
    assert found.labels == LABELS
    assert found.accuracy == 1
    assert found.borders == pytest.approx((0.15, 0.45), abs=0.02)
    assert [found.pick(value, LABELS) for value in values] == answers


def test_labels_stand_in_the_order_of_their_values() -> None:
    values, answers = drawn(1, 60, 0.1)
    assert Thresholds.fit([-value for value in values], answers).labels == LABELS[::-1]


@pytest.mark.parametrize("seed", range(20))
def test_no_other_borders_are_better(seed: int) -> None:
    """Against every pair of places, ties and labels without a range among them."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 14))
    values = rng.integers(0, 6, count) / 10
    answers = [*LABELS, *rng.choice(LABELS, count - 3).tolist()]
    found = Thresholds.fit(values.tolist(), answers)
    places = [-1.0, *(np.unique(values) + 0.05).tolist()]
    pairs = list(zip(values, answers, strict=True))
    best = max(
        sum(found.labels[int(value > low) + int(value > high)] == answer for value, answer in pairs)
        for low, high in itertools.combinations_with_replacement(places, 2)
    )
    said = [found.pick(value, LABELS) for value in values.tolist()]
    assert sum(one == answer for one, answer in zip(said, answers, strict=True)) == best
    assert found.accuracy == pytest.approx(best / count)
    assert list(found.borders) == sorted(found.borders)


def test_shuffled_labels_give_chance() -> None:
    values, answers = drawn(2, 1200, 0.1)
    shuffled = np.random.default_rng(3).permutation(answers).tolist()
    found = Thresholds.fit(values[:600], shuffled[:600])
    right = [found.pick(value, LABELS) == answer for value, answer in zip(values[600:], answers[600:], strict=True)]
    assert 0.1 < np.mean(right) < 0.6
    fresh = [found.pick(value, LABELS) == answer for value, answer in zip(values[600:], shuffled[600:], strict=True)]
    assert np.mean(fresh) == pytest.approx(1 / 3, abs=0.07)


def test_an_answer_that_is_not_among_the_options_gives_way_to_the_nearest() -> None:
    found = Thresholds(LABELS, (0.2, 0.6), 1.0)
    assert found.pick(0.3, ("false", "true")) == "false"
    assert found.pick(0.5, ("false", "true")) == "true"
    assert found.pick(0.9, ("false", "plausible")) == "plausible"
    assert found.pick(0.9, ("something else",)) is None
