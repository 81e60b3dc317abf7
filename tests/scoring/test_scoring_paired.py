"""Paired differences against scipy's and statsmodels' own figures."""

import numpy as np
import pytest
from scipy.stats import beta, binomtest, permutation_test
from sklearn.metrics import f1_score

from alm_bench.scoring.classification import build_corpus_statistic
from alm_bench.scoring.intervals import compute_wilson_interval
from alm_bench.scoring.paired import (
    SignFlipTest,
    adjust_by_holm,
    compare_corpus_metrics,
    compare_paired_scores,
    compute_discordant_interval,
    compute_mcnemar_p_value,
)


def test_a_system_does_not_differ_from_itself() -> None:
    scores = [1.0, 0.0, 1.0, 1.0]
    for clusters in (range(4), [0, 0, 1, 1]):
        same = compare_paired_scores(scores, scores, list(clusters))
        assert (same.difference.value, same.difference.low, same.difference.high) == (0, 0, 0)
        assert (same.won, same.lost, same.p) == (0, 0, 1.0)
        assert same.first == same.second == 0.75


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (8, 1), (30, 12), (5, 5)])
def test_mcnemars_test_is_the_binomial_one(won: int, lost: int) -> None:
    expected = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert compute_mcnemar_p_value(won, lost) == pytest.approx(expected)


def test_a_planted_difference_is_found() -> None:
    draw = np.random.default_rng(0)
    first = (draw.random(1000) < 0.5).astype(float)
    second = np.where(draw.random(1000) < 0.1, 1.0, first)  # a tenth of the items are made right
    found = compare_paired_scores(first.tolist(), second.tolist(), list(range(1000)))
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
    assert compare_paired_scores(first, second, list(range(1000))).p < 1e-4


def test_items_that_share_clips_are_flipped_together() -> None:
    """One clip with fifteen questions that all went the other way is one piece of evidence, not fifteen."""
    first, second = [0.0] * 30, [1.0] * 15 + [0.0] * 15
    clips = [0] * 15 + [1] * 15
    assert compare_paired_scores(first, second, list(range(30))).p < 1e-3
    assert compare_paired_scores(first, second, clips).p == 1.0


def test_one_clip_alone_has_no_interval() -> None:
    found = compare_paired_scores([0.0, 0.0], [1.0, 0.0], ["a", "a"])
    assert (found.difference.value, found.difference.low, found.difference.high, found.p) == (0.5, None, None, 1.0)


def sign_flip_p_value(gains: np.ndarray) -> float:
    return SignFlipTest(gains, np.ones(len(gains))).compute_p_value(0.0)


def test_sign_flips_are_scipys() -> None:
    gains = np.random.default_rng(1).normal(0.4, 1, 12)
    expected = permutation_test((gains,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p_value(gains) == pytest.approx(expected, abs=0.01)
    assert sign_flip_p_value(np.zeros(5)) == 1.0


@pytest.mark.parametrize("kind", ["right or wrong", "several questions a clip", "graded"])
def test_the_interval_excludes_zero_exactly_where_the_test_rejects(kind: str) -> None:
    draw = np.random.default_rng(7)
    rejected = 0
    for _ in range(60):
        n, gain = int(draw.integers(14, 90)), draw.uniform(0, 0.35)
        first = (draw.random(n) < 0.5).astype(float)
        second = np.where(draw.random(n) < gain, 1.0, np.where(draw.random(n) < 0.1, 0.0, first))
        clips = list(range(n))
        if kind == "several questions a clip":
            clips = [number // 2 for number in clips]
        elif kind == "graded":
            first, second = first + draw.normal(0, 0.1, n), second + draw.normal(0, 0.1, n)
        found = compare_paired_scores(first.tolist(), second.tolist(), clips)
        low, high = found.difference.low, found.difference.high
        if low is None or high is None:
            assert found.p >= 0.05, "so few differ that no difference could be rejected"
            continue
        assert low <= float(found.difference.value or 0) <= high
        assert (low > 0 or high < 0) == (found.p < 0.05), found
        rejected += found.p < 0.05
    assert 5 < rejected < 50, "both cases came up"


def test_discordant_items_make_the_interval() -> None:
    """151 won and 139 lost of 1,000: mostly Clopper and Pearson's interval of 151 of 290, as a difference."""
    low, high = compute_discordant_interval(151, 139, 1000)
    bounds = beta.ppf([0.025, 0.975], [151, 152], [140, 139])
    assert (low, high) == pytest.approx(tuple((2 * bounds - 1) * 0.29), abs=1e-4)
    assert compute_discordant_interval(139, 151, 1000) == pytest.approx((-high, -low))
    low, high = compute_discordant_interval(30, 0, 40)
    assert high == pytest.approx(compute_wilson_interval(30, 40).high), (
        "no item was lost: what is uncertain is how many differ"
    )
    assert 0.5 < low < 0.75


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.25, 0.05), (0.02, 0.0), (0.6, 0.1)])
def test_intervals_hold_the_true_difference(rates: tuple[float, float]) -> None:
    draw = np.random.default_rng(6)
    held = 0
    for won, lost, _ in draw.multinomial(120, [*rates, 1 - sum(rates)], size=300):
        low, high = compute_discordant_interval(int(won), int(lost), 120) if won + lost else (0.0, 1.0)
        held += low <= rates[0] - rates[1] <= high
    assert held >= 275, "of 300 intervals of 95 %"


def test_intervals_of_flipped_signs_hold_the_true_difference() -> None:
    draw = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        gains = draw.normal(0.3, 1, 40)
        test = SignFlipTest(gains, np.ones(40))
        low, high = test.compute_interval(test.compute_p_value(0.0)) or (0.0, 0.0)
        held += low <= 0.3 <= high
    assert 180 <= held <= 199, "of 200 intervals of 95 %"


def test_a_detectable_difference_is_found_four_times_of_five() -> None:
    draw = np.random.default_rng(4)
    first = [0.0, 1.0] * 100
    second = np.where(draw.random(200) < 0.2, 1 - np.array(first), first).tolist()
    found = compare_paired_scores(first, second, list(range(200)))
    assert found.detectable == pytest.approx(2.8016 * np.sqrt((found.won or 0) + (found.lost or 0)) / 200, rel=1e-4)
    assert compare_paired_scores(first, first, list(range(200))).detectable is None
    hits = 0
    for _ in range(300):
        gains = draw.normal(found.detectable, np.sqrt(((found.won or 0) + (found.lost or 0)) / 200), 200)
        hits += abs(gains.mean()) > 1.96 * gains.std(ddof=1) / np.sqrt(200)
    assert 210 <= hits <= 270


def test_holm() -> None:
    assert adjust_by_holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert adjust_by_holm([]) == []


def test_unequal_scores_are_refused() -> None:
    for first, second in (([], []), ([1.0], [1.0, 0.0])):
        with pytest.raises(ValueError, match="expected as many, and some"):
            compare_paired_scores(first, second, [0] * len(first))


def test_figures_of_the_whole_are_compared_by_swapping_answers() -> None:
    generator = np.random.default_rng(3)
    golds = generator.integers(0, 3, 300).tolist()
    clips = [n // 3 for n in range(300)]
    good = [gold if generator.random() < 0.9 else 0 for gold in golds]
    poor = [gold if generator.random() < 0.5 else 0 for gold in golds]
    names = ("a", "b", "c")
    first, second = build_corpus_statistic(golds, poor, names), build_corpus_statistic(golds, good, names)
    found = compare_corpus_metrics(first, second, clips)
    assert list(found) == ["accuracy", "precision", "recall", "f1", *names]
    values = {name: f1_score(golds, said, average="macro") for name, said in (("first", poor), ("second", good))}
    assert (found["f1"].first, found["f1"].second) == pytest.approx((values["first"], values["second"]))
    assert found["f1"].difference.low > 0  # type: ignore[operator]
    assert found["f1"].p == pytest.approx(1 / 10_000)
    assert found["a"].p > 0.05, "both say a wherever it is"
    same = compare_corpus_metrics(first, first, clips)
    assert {one.p for one in same.values()} == {1.0}
    assert {one.difference.value for one in same.values()} == {0.0}


def test_swapping_gives_for_accuracy_what_flipping_signs_gives() -> None:
    generator = np.random.default_rng(5)
    golds = generator.integers(0, 2, 80).tolist()
    ours, theirs = (generator.integers(0, 2, 80).tolist() for _ in range(2))
    clips = [n // 2 for n in range(80)]
    found = compare_corpus_metrics(
        build_corpus_statistic(golds, ours, "xy"), build_corpus_statistic(golds, theirs, "xy"), clips
    )["accuracy"]
    scores = [[float(a == b) for a, b in zip(golds, said, strict=True)] for said in (ours, theirs)]
    flipped = compare_paired_scores(scores[0], scores[1], clips)
    for part in ("value", "low", "high"):
        assert getattr(found.difference, part) == pytest.approx(getattr(flipped.difference, part), abs=0.03)
    assert found.p == pytest.approx(flipped.p, abs=0.02)


def test_a_weight_says_what_an_item_counts() -> None:
    found = compare_paired_scores([0.0, 0.0, 0.0], [1.0, 0.0, 0.0], ["a", "b", "b"], [1.0, 0.5, 0.5])
    assert (found.second, found.difference.value) == (0.5, 0.5)
