"""Agreement with people, against plain scipy and sklearn; prediction-powered intervals, by simulation."""

from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from alm_bench.scoring.agreement import (
    _build_weighted_kendall,
    _build_weighted_spearman,
    _index_clusters,
    compare_model_orders,
    compute_agreement,
    compute_pair_agreement,
)
from alm_bench.scoring.prediction_powered import estimate_rate

RANDOM = np.random.default_rng(5)
LABELS = RANDOM.integers(0, 3, 120) / 2
SCORES = np.clip(LABELS + RANDOM.integers(-2, 3, 120) / 4, 0, 1)
CLIPS = [f"clip {number}" for number in RANDOM.integers(0, 40, 120)]


def test_agreement_is_that_of_scipy_and_sklearn() -> None:
    found = compute_agreement(SCORES.tolist(), LABELS.tolist(), CLIPS)
    clear = LABELS != 0.5
    assert found.n == 120
    assert found.spearman.value == pytest.approx(spearmanr(SCORES, LABELS).statistic)
    assert found.kendall.value == pytest.approx(kendalltau(SCORES, LABELS).statistic)
    right, said = LABELS[clear] == 1, SCORES[clear] >= 0.5
    assert found.kappa.value == pytest.approx(cohen_kappa_score(right, said))
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(right, said))
    assert found.kappa.n == clear.sum()
    for metric in (found.spearman, found.kendall, found.kappa, found.balanced_accuracy):
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low < metric.value < metric.high  # type: ignore[operator]


def test_resampled_correlations_are_those_of_the_repeated_items() -> None:
    rows = _index_clusters(CLIPS)
    count = rows.max() + 1
    copies = RANDOM.multinomial(count, np.full(count, 1 / count), size=3).astype(float)
    spearman, kendall = (
        make(SCORES, LABELS, rows)(copies) for make in (_build_weighted_spearman, _build_weighted_kendall)
    )
    for number, drawn in enumerate(copies):
        repeated = np.repeat(np.arange(120), drawn.astype(int)[rows])
        assert spearman[number] == pytest.approx(spearmanr(SCORES[repeated], LABELS[repeated]).statistic)
        assert kendall[number] == pytest.approx(kendalltau(SCORES[repeated], LABELS[repeated]).statistic)


def test_intervals_resample_clips() -> None:
    """Each answer three times: with the copies in one clip, the interval is the same as without them."""
    alone = [f"answer {number}" for number in range(120)]
    once = compute_agreement(SCORES.tolist(), LABELS.tolist(), alone)
    three = compute_agreement(SCORES.tolist() * 3, LABELS.tolist() * 3, alone * 3)
    for one, other in ((once.spearman, three.spearman), (once.kappa, three.kappa)):
        assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_what_cannot_be_computed_has_a_reason() -> None:
    same = compute_agreement([1.0] * 4, [0, 0.5, 1, 1], list("abcd"))
    assert (same.spearman.value, same.spearman.reason) == (None, "all scores are equal")
    assert same.balanced_accuracy.value == 0.5
    assert compute_agreement([0, 1, 0.2], [1, 1, 1], list("abc")).kendall.reason == "all labels are equal"
    assert "people call all right" in (compute_agreement([0, 1], [1, 1], list("ab")).kappa.reason or "")
    assert "no scale" in (compute_agreement([0, 7], [0, 1], list("ab"), is_fraction=False).kappa.reason or "")


def test_pairs_that_people_do_not_decide_are_left_out() -> None:
    found = compute_pair_agreement([0.2, -0.1, 0.0, 0.3], [4, 1, 2, 0], list("abcd"))
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3), "the metric does not decide the third: it is wrong"
    assert compute_pair_agreement([1.0], [0], ["a"]).reason == "people decide no pair"


def test_models_are_ordered_on_the_questions_that_both_answered() -> None:
    labels: dict[str, dict[object, float]] = defaultdict(dict)
    scores: dict[str, dict[object, float]] = defaultdict(dict)
    for question in range(40):
        labels["a"][question], labels["b"][question] = float(question % 4 == 0), 1.0
        scores["a"][question], scores["b"][question] = 0.9, 0.1
    labels["b"][99], scores["b"][99] = 0.0, 1.0  # only b answered it
    (order,) = compare_model_orders(scores, labels, {key: key for key in (*range(40), 99)})
    assert (order.n, order.people, order.metric) == (40, pytest.approx(0.75), pytest.approx(-0.8))
    assert order.is_significant
    assert not order.agrees


def simulate(sensitivity: float, specificity: float, labelled: int = 300, others: int = 1200) -> tuple[float, float]:
    """Return the coverage and the mean width of the intervals for a score of these error rates, in 2,000 sets."""
    random, rate, hits, widths = np.random.default_rng(11), 0.6, 0, []
    for _ in range(2000):
        truth = random.random(labelled + others) < rate
        score = np.where(truth, random.random(len(truth)) < sensitivity, random.random(len(truth)) > specificity)
        found = estimate_rate(truth[:labelled].tolist(), score[:labelled].tolist(), score[labelled:].tolist())
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= rate <= found.high
        widths.append(found.high - found.low)
    return hits / 2000, float(np.mean(widths))


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.85, 0.95), (0.7, 0.6), (0.5, 0.5), (0.1, 0.2)])
def test_intervals_cover_the_true_rate_though_the_score_is_wrong(sensitivity: float, specificity: float) -> None:
    coverage, width = simulate(sensitivity, specificity)
    assert coverage == pytest.approx(0.95, abs=0.015)
    plain = 2 * 1.96 * np.sqrt(0.6 * 0.4 / 300)
    assert width < 1.02 * plain, "no score makes it wider than the labels alone"
    if sensitivity == 0.85:
        assert width < 0.8 * plain


def test_the_estimate_by_hand() -> None:
    labels, scores, others = [1, 0, 1, 1], [1, 0, 0, 1], [1, 1, 0, 1, 1, 1, 0, 1]
    found = estimate_rate(labels, scores, others, weight=1)
    assert found.value == pytest.approx(3 / 4 + 6 / 8 - 2 / 4)
    assert (found.low, found.n) == (None, 4), "too few for an interval"
    assert estimate_rate(labels, scores, []).value == 0.75
    with pytest.raises(ValueError, match="2 labels and 1 scores"):
        estimate_rate([1, 0], [1], [1])


def test_answers_about_one_clip_count_as_one() -> None:
    labels, scores, others = (RANDOM.integers(0, 2, size).tolist() for size in (60, 60, 200))
    once = estimate_rate(labels, scores, others)
    thrice = estimate_rate(labels * 3, scores * 3, others * 3, [*range(60)] * 3, [*range(200)] * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
