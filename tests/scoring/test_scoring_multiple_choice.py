"""Accuracy over the right items, and what stands beside it, by hand."""

from dataclasses import replace

import pytest
from scored_rows import row

from alm_bench.core import OptionArrangement, Parsed, Sample, Scored
from alm_bench.scoring.multiple_choice import (
    compute_by_group,
    compute_choice_metrics,
    compute_companion_metrics,
    compute_mean_score,
    find_text_solver,
    is_correct_option,
    list_clusters,
)


def test_twins_of_the_gold_are_right() -> None:
    sample = Sample("x", {}, choices=("Dog", "Cat", " cat", "ＣＡＴ", "Cats"), target=1)
    assert [is_correct_option(sample, i) for i in range(5)] == [False, True, True, True, False]
    assert not is_correct_option(sample, None)
    assert not is_correct_option(Sample("x", {}, choices=("Dog", "Cat")), 0), "no gold, nothing right"


def test_the_denominator_is_every_item_that_is_not_skipped() -> None:
    rows = [
        row(("a", "b"), 0, 0),
        row(("a", "b"), 1, 0),
        row(("a", "b"), 0, None, "unparsed"),
        row(("a", "b"), 1, None, "error"),
        row(("a", "c"), 0, 0, "skipped"),
    ]
    metrics = compute_choice_metrics(rows)
    assert (metrics["accuracy"].value, metrics["accuracy"].n) == (0.25, 4)
    assert (metrics["answered"].value, metrics["answered"].n) == (0.5, 4)


def test_withheld_answers_and_no_items_have_a_reason() -> None:
    withheld = compute_choice_metrics([row(("a", "b"), None, 0)])
    assert (withheld["accuracy"].value, withheld["accuracy"].reason) == (None, "answers are withheld")
    assert withheld["answered"].value == 1
    assert compute_choice_metrics([])["accuracy"].reason == "no items"


def test_groups_are_sorted_and_rows_without_a_key_are_in_none() -> None:
    rows = [row(("a", "b"), 0, 0, kind="z"), row(("a", "b"), 0, 1, kind="m"), row(("a", "b"), 1, 1)]
    table = compute_by_group(rows, ["kind"], compute_choice_metrics)
    assert list(table["kind"]) == ["m", "z"]
    assert [table["kind"][key]["accuracy"].value for key in ("m", "z")] == [0, 1]


def test_unanswered_as_chance_is_the_upper_bound() -> None:
    rows = [
        row(("a", "b"), 0, 0),
        row(("a", "b"), 1, 0),
        row(("a", "b"), 0, None, "unparsed"),
        row(("a", "b", "B", "c"), 1, None, "error"),
    ]
    metrics = compute_choice_metrics(rows)
    assert metrics["accuracy"].value == 0.25
    assert metrics["accuracy_imputed"].value == (1 + 0 + 1 / 2 + 2 / 4) / 4


def test_items_that_the_preferred_text_only_solver_gets_wrong_are_counted() -> None:
    rows = [
        replace(row(("a", "b"), 0, 0), blind={"words": 0, "text only": 1}),
        replace(row(("a", "c"), 1, 0), blind={"words": 0, "text only": 1}),
        replace(row(("a", "d"), 1, 1), blind={"words": 0, "text only": None}),
        replace(row(("a", "e"), 1, 0), blind={"words": 0, "text only": 0}),
    ]
    assert find_text_solver(rows) is None, "no prediction is that of a solver unless it is named"
    rows = [replace(one, text_solvers=("of some", "text only", "words")) for one in rows]
    assert find_text_solver(rows) == "text only"
    found = compute_companion_metrics(rows)["accuracy_not_text_solvable"]
    assert (found.value, found.n) == (2 / 3, 3)
    assert find_text_solver([*rows, row(("a", "f"), 0, 0)]) is None, "one that not every item has says nothing"
    solved = [replace(one, blind={"words": one.sample.target}) for one in rows]
    assert compute_companion_metrics(solved)["accuracy_not_text_solvable"].reason == "words answers all 4 items"


def test_options_that_were_scored_have_columns_of_their_own() -> None:
    scored = row(("a", "b"), 0, 0)
    rows = [replace(scored, scores={**scored.scores, "text_ll": 0.0}), row(("a", "c"), 0, None, "error")]
    found = compute_companion_metrics(rows)
    assert found["text_ll"].value == 0
    assert (found["text_ll"].n, "letter_ll" in found) == (2, False)


def arranged(question: str, number: int, order: tuple[int, ...], said: int | None, count: int = 2) -> Scored:
    """One of `count` orders of a question whose options are a, b, a's twin A and d; the gold is a."""
    options = ("a", "b", "A", "d")[: len(order)]
    moved = tuple(options[place] for place in order)
    where = OptionArrangement(question, number, count, order)
    sample = Sample(f"{question}~{number}", {}, choices=moved, target=order.index(0), arranged=where)
    parsed = None if said is None else Parsed("ok", "exact", said, moved[said])
    return Scored(sample, "ok", "text", parsed, {"accuracy": float(is_correct_option(sample, said))})


def test_arrangements_of_a_question_weigh_as_one() -> None:
    rows = [
        *(arranged("two", number, order, 0) for number, order in enumerate([(0, 1), (1, 0)])),  # always the first
        *(arranged("four", n, tuple((p + n) % 4 for p in range(4)), (4 - n) % 4, 4) for n in range(4)),  # always right
        arranged("part", 0, (1, 0), None),
    ]
    assert list_clusters(rows) == ["two"] * 2 + ["four"] * 4 + ["part"]
    assert compute_mean_score(rows, "accuracy").value == pytest.approx((1 / 2 + 1 + 0) / 3)
    found = compute_companion_metrics(rows)
    assert (found["circular_accuracy"].value, found["circular_accuracy"].n) == (0.5, 2), (
        "a question of which an order is missing is in neither"
    )
    assert found["consistency"].value == pytest.approx((0 + 1) / 2)


def test_twins_agree_and_silence_does_not() -> None:
    orders = [((0, 1, 2, 3), 0), ((1, 2, 3, 0), 1), ((2, 3, 0, 1), 1)]
    twins = [arranged("q", number, order, said, 3) for number, (order, said) in enumerate(orders)]
    assert compute_companion_metrics(twins)["consistency"].value == pytest.approx(1 / 3), "a and A, then d"
    silent = [arranged("q", 0, (0, 1), None), arranged("q", 1, (1, 0), None)]
    assert compute_companion_metrics(silent)["consistency"].value == 0
