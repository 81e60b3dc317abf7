"""Paired figures against plain computations: two questions per clip, and option orders of one question."""

import numpy as np
import pytest
from scipy.stats import binomtest

from alm_bench.core import OptionArrangement, PairSpec, Parsed, Sample, Scored
from alm_bench.scoring.intervals import _compute_bounds, compute_conditional_share
from alm_bench.scoring.multiple_choice import compute_option_order_metrics
from alm_bench.scoring.paired import compute_mcnemar_p_value
from alm_bench.scoring.pairs import OPTION_ORDER, analyse_pairs, compute_baseline_pair_metrics, compute_pair_metrics

SPEC = PairSpec(name="reasoning", title="hops", by="clip", grouping="type", first="single", second="multi")
OPTIONS = ("dog", "cat", "cow")


def answer(clip: str, hop: str, right: bool, track: str = "animals", status: str = "ok") -> Scored:
    groups = {"clip": clip, "type": hop, "track": track}
    sample = Sample(f"{clip}/{hop}", {"question": "?"}, choices=OPTIONS, target=0, groups=groups)
    parsed = Parsed("ok", "test", index=0 if right else 1)
    return Scored(sample, status, "", parsed, {"accuracy": float(right)})  # type: ignore[arg-type]


def rows(seed: int = 0, clips: int = 60) -> tuple[list[Scored], np.ndarray]:
    right = np.random.default_rng(seed).random((clips, 2)) < (0.6, 0.4)
    tracks = ("animals", "voices")
    found = [
        answer(f"clip {clip}", hop, bool(right[clip, place]), tracks[clip % 2])
        for clip in range(clips)
        for place, hop in enumerate(("single", "multi"))
    ]
    return found, right


def test_the_conditional_accuracy_and_its_interval_are_those_of_a_plain_computation() -> None:
    found, right = rows()
    (whole,) = analyse_pairs(found, SPEC)
    known = right[:, 0]
    for metric, part in ((whole.given_right, right[known, 1]), (whole.given_wrong, right[~known, 1])):
        interval = binomtest(int(part.sum()), len(part)).proportion_ci(0.95, method="wilson")
        assert (metric.value, metric.low, metric.high, metric.n) == (
            pytest.approx(part.mean()),
            pytest.approx(interval.low),
            pytest.approx(interval.high),
            len(part),
        )
    assert (whole.pairs, whole.unpaired) == (60, 0)
    assert (whole.first_accuracy.value, whole.second_accuracy.value) == (right[:, 0].mean(), right[:, 1].mean())
    assert compute_pair_metrics(found, [SPEC]) == {"reasoning": whole.given_right}


def test_the_difference_is_paired() -> None:
    found, right = rows()
    difference = analyse_pairs(found, SPEC)[0].difference
    won, lost = int((right[:, 1] & ~right[:, 0]).sum()), int((right[:, 0] & ~right[:, 1]).sum())
    assert difference is not None
    assert (difference.won, difference.lost) == (won, lost)
    assert difference.difference.value == pytest.approx((won - lost) / 60)
    assert difference.p == pytest.approx(compute_mcnemar_p_value(won, lost))


def test_groups_that_both_questions_share_have_rows_of_their_own() -> None:
    found, right = rows()
    parts = {figures.key: figures for figures in analyse_pairs(found, SPEC, ("track", "type"))}
    assert list(parts) == ["all", "animals", "voices"]
    assert parts["animals"].pairs == 30
    assert parts["animals"].first_accuracy.value == pytest.approx(right[::2, 0].mean())


def test_items_without_a_partner_are_left_out_and_counted() -> None:
    found = [answer("a", "single", True), answer("a", "multi", True), answer("b", "single", True)]
    found += [answer("c", "single", True, status="skipped"), answer("c", "multi", True)]
    (whole,) = analyse_pairs(found, SPEC)
    assert (whole.pairs, whole.unpaired, whole.given_right.n) == (1, 2, 1)
    assert analyse_pairs(found[2:3], SPEC) == []
    assert compute_pair_metrics(found[2:3], [SPEC]) == {}


def test_a_premise_that_never_holds_gives_a_reason_instead_of_a_value() -> None:
    (whole,) = analyse_pairs([answer("a", "single", False), answer("a", "multi", True)], SPEC)
    assert (whole.given_right.value, whole.given_right.reason) == (None, "no item meets the condition")
    assert whole.given_wrong.value == 1.0


def test_expected_scores_of_a_baseline_are_weighted_by_the_premise() -> None:
    found, _ = rows(clips=2)
    values = {"guess": [0.5, 0.25, 0.25, 1.0], "first": [1.0, 0.0, 1.0, 1.0]}
    table = compute_baseline_pair_metrics(found, [SPEC], values)
    assert table["guess"]["reasoning"].value == pytest.approx((0.5 * 0.25 + 0.25 * 1.0) / 0.75)
    assert table["guess"]["reasoning"].low is None
    assert table["first"]["reasoning"].value == 0.5
    assert table["first"]["reasoning"].low is not None


def ordered(question: str, number: int, chosen: int) -> Scored:
    """A question of three options in one of its rotations; `chosen` is the option of the file that is selected."""
    order = tuple((place + number) % 3 for place in range(3))
    sample = Sample(
        f"{question}~{number}",
        {},
        choices=tuple(OPTIONS[place] for place in order),
        target=order.index(0),
        arranged=OptionArrangement(question, number, 3, order),
    )
    parsed = Parsed("ok", "test", index=order.index(chosen))
    return Scored(sample, "ok", "", parsed, {"accuracy": float(chosen == 0)})


def test_option_orders_are_pairs_too_and_agree_with_the_consistency() -> None:
    choices = {"q1": (0, 0, 0), "q2": (0, 1, 2), "q3": (1, 1, 1), "q4": (0, 0, 2)}
    found = [
        ordered(question, number, chosen) for question, each in choices.items() for number, chosen in enumerate(each)
    ]
    (whole,) = analyse_pairs(found, OPTION_ORDER)
    assert whole.same_answer is not None
    assert whole.same_answer.value == pytest.approx(compute_option_order_metrics(found)["consistency"].value)
    right = [[float(chosen == 0) for chosen in each] for each in choices.values()]
    both = sum(a * b for each in right for i, a in enumerate(each) for j, b in enumerate(each) if i != j)
    first = sum(2 * a for each in right for a in each)
    assert whole.given_right.value == pytest.approx(both / first)
    assert (whole.pairs, whole.difference) == (12, None)


def test_wordings_of_one_question_are_pairs_in_both_directions() -> None:
    """Consistency under paraphrase: a question counts once, however many wordings it has."""
    spec = PairSpec(name="right_in_another_wording", title="wordings", by="item", grouping="wording")
    chosen = {"q1": (0, 0), "q2": (0, 1), "q3": (1, 1, 2)}
    found = [
        Scored(
            Sample(f"{item}-{number}", {}, choices=OPTIONS, target=0, groups={"item": item, "wording": f"w{number}"}),
            "ok",
            "",
            Parsed("ok", "test", index=index),
            {"accuracy": float(index == 0)},
        )
        for item, each in chosen.items()
        for number, index in enumerate(each)
    ]
    (whole,) = analyse_pairs(found, spec)
    assert whole.same_answer is not None
    assert whole.same_answer.value == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert whole.given_right.value == pytest.approx(2 / 3), "of three right answers two have a right partner"
    assert (whole.first, whole.pairs) == (None, 5)


def test_several_orders_of_both_questions_make_one_pair_per_clip() -> None:
    found = []
    for number, right in enumerate((True, True, False)):
        base = answer("a", "single", right).sample
        found.append(Scored(_turn(base, number), "ok", "", None, {"accuracy": float(right)}))
    found.append(answer("a", "multi", True))
    (whole,) = analyse_pairs(found, SPEC)
    assert whole.pairs == 1
    assert whole.first_accuracy.value == pytest.approx(2 / 3)


def _turn(sample: Sample, number: int) -> Sample:
    return Sample(
        f"{sample.id}~{number}",
        {},
        choices=OPTIONS,
        target=0,
        groups=sample.groups,
        arranged=OptionArrangement(sample.id, number, 3, (0, 1, 2)),
    )


def test_items_that_share_clips_get_a_bootstrap_interval() -> None:
    generator = np.random.default_rng(1)
    events, conditions = (generator.random(80) < 0.5).astype(float), (generator.random(80) < 0.7).astype(float)
    clusters = [index // 4 for index in range(80)]
    found = compute_conditional_share(events, conditions, clusters)
    assert found.value == pytest.approx((events * conditions).sum() / conditions.sum())
    assert found.n == int(conditions.sum())
    assert found.low is not None
    assert found.low < found.value < found.high


def test_equal_counts_share_one_bootstrap() -> None:
    """Many groups have the same counts: the interval of equal ones is computed once."""
    events, conditions, clusters = [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0], ["a", "a", "b", "c"]
    first = compute_conditional_share(events, conditions, clusters)
    hits = _compute_bounds.cache_info().hits
    assert compute_conditional_share(events, conditions, ["d", "d", "e", "f"]) == first
    assert _compute_bounds.cache_info().hits == hits + 1
