"""Paired differences against scipy's and statsmodels' own figures."""

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test
from sklearn.metrics import f1_score

from alm_bench.scoring.classification import corpus
from alm_bench.scoring.paired import corpus_difference, holm, mcnemar, paired_tests, sign_flips


def test_a_system_does_not_differ_from_itself() -> None:
    scores = [1.0, 0.0, 1.0, 1.0]
    for clusters in (range(4), [0, 0, 1, 1]):
        same = paired_tests(scores, scores, list(clusters))
        assert (same.difference.value, same.difference.low, same.difference.high) == (0, 0, 0)
        assert (same.won, same.lost, same.p) == (0, 0, 1.0)
        assert same.first == same.second == 0.75


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (8, 1), (30, 12), (5, 5)])
def test_mcnemars_test_is_the_binomial_one(won: int, lost: int) -> None:
    expected = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected)


def test_a_planted_difference_is_found() -> None:
    draw = np.random.default_rng(0)
    first = (draw.random(1000) < 0.5).astype(float)
    second = np.where(draw.random(1000) < 0.1, 1.0, first)  # a tenth of the items are made right
    found = paired_tests(first.tolist(), second.tolist(), list(range(1000)))
    assert found.lost == 0
    assert found.won == int((second - first).sum())
    assert found.difference.value == pytest.approx(found.won / 1000)
    assert found.difference.low is not None
    assert found.difference.low > 0.03
    assert found.p == pytest.approx(binomtest(found.won, found.won).pvalue)
    assert found.p < 1e-9


def test_pairing_sees_what_two_intervals_do_not() -> None:
    """Two systems that agree on nearly everything: 52 % and 50 % of 1,000, far inside either one's interval."""
    first = [1.0] * 500 + [0.0] * 500
    second = [1.0] * 520 + [0.0] * 480
    assert paired_tests(first, second, list(range(1000))).p < 1e-4


def test_items_that_share_clips_are_flipped_together() -> None:
    """One clip with fifteen questions that all went the other way is one piece of evidence, not fifteen."""
    first, second = [0.0] * 30, [1.0] * 15 + [0.0] * 15
    clips = [0] * 15 + [1] * 15
    assert paired_tests(first, second, list(range(30))).p < 1e-3
    assert paired_tests(first, second, clips).p == 1.0


def test_one_clip_alone_has_no_interval() -> None:
    found = paired_tests([0.0, 0.0], [1.0, 0.0], ["a", "a"])
    assert (found.difference.value, found.difference.low, found.difference.high, found.p) == (0.5, None, None, 1.0)


def test_sign_flips_are_scipys() -> None:
    gains = np.random.default_rng(1).normal(0.4, 1, 12)
    expected = permutation_test((gains,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flips(gains) == pytest.approx(expected, abs=0.01)
    assert sign_flips(np.zeros(5)) == 1.0


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def test_unequal_scores_are_refused() -> None:
    for first, second in (([], []), ([1.0], [1.0, 0.0])):
        with pytest.raises(ValueError, match="expected as many, and some"):
            paired_tests(first, second, [0] * len(first))


def test_figures_of_the_whole_are_compared_by_swapping_answers() -> None:
    generator = np.random.default_rng(3)
    golds = generator.integers(0, 3, 300).tolist()
    clips = [n // 3 for n in range(300)]
    good = [gold if generator.random() < 0.9 else 0 for gold in golds]
    poor = [gold if generator.random() < 0.5 else 0 for gold in golds]
    names = ("a", "b", "c")
    first, second = corpus(golds, poor, names), corpus(golds, good, names)
    found = corpus_difference(first, second, clips)
    assert list(found) == ["accuracy", "precision", "recall", "f1", *names]
    values = {name: f1_score(golds, said, average="macro") for name, said in (("first", poor), ("second", good))}
    assert (found["f1"].first, found["f1"].second) == pytest.approx((values["first"], values["second"]))
    assert found["f1"].difference.low > 0  # type: ignore[operator]
    assert found["f1"].p == pytest.approx(1 / 10_000)
    assert found["a"].p > 0.05, "both say a wherever it is"
    same = corpus_difference(first, first, clips)
    assert {one.p for one in same.values()} == {1.0}
    assert {one.difference.value for one in same.values()} == {0.0}


def test_swapping_gives_for_accuracy_what_flipping_signs_gives() -> None:
    generator = np.random.default_rng(5)
    golds = generator.integers(0, 2, 80).tolist()
    ours, theirs = (generator.integers(0, 2, 80).tolist() for _ in range(2))
    clips = [n // 2 for n in range(80)]
    found = corpus_difference(corpus(golds, ours, "xy"), corpus(golds, theirs, "xy"), clips)["accuracy"]
    scores = [[float(a == b) for a, b in zip(golds, said, strict=True)] for said in (ours, theirs)]
    flipped = paired_tests(scores[0], scores[1], clips)
    for part in ("value", "low", "high"):
        assert getattr(found.difference, part) == pytest.approx(getattr(flipped.difference, part), abs=0.03)
    assert found.p == pytest.approx(flipped.p, abs=0.02)


def test_a_weight_says_what_an_item_counts() -> None:
    found = paired_tests([0.0, 0.0, 0.0], [1.0, 0.0, 0.0], ["a", "b", "b"], [1.0, 0.5, 0.5])
    assert (found.second, found.difference.value) == (0.5, 0.5)
