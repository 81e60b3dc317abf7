"""Blind rows by hand, and the lead over the best of them."""

from dataclasses import replace

import numpy as np
import pytest
from scored_rows import row

from alm_bench.scoring.blind import (
    FIRST,
    LETTER,
    LONGEST,
    UNIFORM,
    compute_baseline_accuracies,
    compute_margin,
    find_longest_option,
    score_choice_baselines,
    select_rows_with_reference,
)
from alm_bench.scoring.intervals import compute_wilson_interval
from alm_bench.scoring.paired import compute_difference


def test_blind_rows_by_hand() -> None:
    rows = [
        row(("ab", "abc"), 0, 1),  # first right; longest wrong; letter b wrong
        row(("ab", "abc", "abc", "a"), 1, None, "error"),  # longest right (its twin, too); letter b right
        row(("x", "y", "z", "w"), 1, 1),  # all as long: the first; letter b right
        row(("twin", "other", "TWIN", "no"), 2, None, "unparsed"),  # the first is the gold's twin; longest is other
        row(("a", "bbbb"), 1, 1, "skipped"),
    ]
    kept = select_rows_with_reference(rows)
    blind = {
        name: metrics["accuracy"]
        for name, metrics in compute_baseline_accuracies(kept, score_choice_baselines(kept)).items()
    }
    assert {name: metric.value for name, metric in blind.items()} == {
        UNIFORM: (1 / 2 + 2 / 4 + 1 / 4 + 2 / 4) / 4,
        FIRST: 0.5,
        LONGEST: 0.25,
        LETTER: 0.5,
    }
    assert {metric.n for metric in blind.values()} == {4}
    assert blind[UNIFORM].low is None, "an expectation has no interval"
    assert blind[FIRST].low is not None


def test_a_letter_that_an_item_does_not_have_is_the_first() -> None:
    rows = [row(tuple("abc"), 2, None), row(tuple("abd"), 2, None), row(("a", "b"), 0, None)]
    assert score_choice_baselines(rows)[LETTER] == [1.0] * 3


def test_longest_is_the_first_of_ties() -> None:
    assert find_longest_option(["aa", "bb", "a"]) == 0
    assert find_longest_option(["a", "bb", "cc"]) == 1


def test_predictions_stored_with_items_are_rows_of_their_own() -> None:
    rows = [replace(row(("a", "b"), 1, 0), blind={"words": 1}), replace(row(("a", "c"), 0, 0), blind={"words": None})]
    assert score_choice_baselines(rows)["words"] == [1.0, 0.0]
    assert "words" not in score_choice_baselines([*rows, row(("a", "d"), 0, 0)]), "of some of the items it says nothing"
    assert score_choice_baselines([]) == {}


def test_the_lead_is_paired_and_over_the_best_row() -> None:
    rows = [row((f"a{n}", f"b{n}"), n % 2, n % 2 if n % 10 else 1 - n % 2) for n in range(60)]
    values = score_choice_baselines(rows)
    found = compute_margin(rows, values)
    assert found is not None
    means = {name: np.mean(scores) for name, scores in values.items()}
    assert means[found.row] == max(means.values()) == pytest.approx(found.value)
    expected = compute_difference(
        values[found.row], [one.scores["accuracy"] for one in rows], [one.sample.id for one in rows]
    )
    assert found.lead == expected
    assert found.lead.value == pytest.approx(0.9 - 0.5)
    assert found.is_significant


def test_a_score_level_with_the_best_row_does_not_beat_it() -> None:
    rows = [row((f"a{n}", f"b{n}"), n % 2, 0) for n in range(60)]  # always the first
    found = compute_margin(rows, score_choice_baselines(rows))
    assert found is not None
    assert not found.is_significant
    assert found.lead.value == pytest.approx(0)


def test_a_few_items_that_are_all_right_are_no_certainty() -> None:
    few = [row((f"a{n}", f"b{n}"), n % 2, n % 2) for n in range(2)]
    many = [row((f"a{n}", f"b{n}"), n % 2, n % 2) for n in range(40)]
    found = [compute_margin(rows, {UNIFORM: [0.5] * len(rows)}) for rows in (few, many)]
    assert [one is not None and one.lead.value for one in found] == [0.5, 0.5]
    assert [one is not None and one.is_significant for one in found] == [False, True]
    assert found[1] is not None
    assert found[1].lead.low == pytest.approx((compute_wilson_interval(40, 40).low or 0) - 0.5)


def test_nor_are_a_few_clips() -> None:
    """Three questions a clip, all right, where always one answer is right in a third: every clip gains the same."""
    rows = []
    for clip in range(4):
        for n in range(3):
            one = row((f"a{clip}", f"b{clip}", f"c{clip}"), n, n)
            rows.append(replace(one, sample=replace(one.sample, groups={"clip": str(clip)})))
    found = compute_margin(rows, {FIRST: [1.0, 0.0, 0.0] * 4})
    assert found is not None
    assert found.lead.low == pytest.approx((compute_wilson_interval(4, 4).low or 0) - 1 / 3)
    assert found.lead.high == pytest.approx(2 / 3)


def test_one_item_beats_nothing() -> None:
    rows = [row(("a", "b"), 1, 1)]
    found = compute_margin(rows, {FIRST: [0.0]})
    assert found is not None
    assert (found.lead.value, found.lead.low, found.is_significant) == (1.0, None, False)
    assert compute_margin([], {}) is None
