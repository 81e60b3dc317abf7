"""Accuracy over the right items, and the blind rows by hand."""

from alm_bench.core import Parsed, Sample, Scored, Status
from alm_bench.scoring.choice import (
    BLIND_FIRST,
    BLIND_LETTER,
    BLIND_LONGEST,
    BLIND_UNIFORM,
    blind_rows,
    by_group,
    choice_metrics,
    longest_option,
    same_option,
)


def row(
    choices: tuple[str, ...], target: int | None, said: int | None, status: Status = "ok", kind: str | None = None
) -> Scored:
    groups = {"kind": kind} if kind else {}
    sample = Sample(id=f"{choices}{target}{said}{kind}", fields={}, choices=choices, target=target, groups=groups)
    parsed = Parsed("ok", "exact", said, choices[said]) if said is not None else None
    scores = {} if status == "error" else {"accuracy": float(same_option(sample, said))}
    return Scored(sample, status, "text", parsed, scores)


def test_twins_of_the_gold_are_right() -> None:
    sample = Sample("x", {}, choices=("Dog", "Cat", " cat", "ＣＡＴ", "Cats"), target=1)
    assert [same_option(sample, i) for i in range(5)] == [False, True, True, True, False]
    assert not same_option(sample, None)
    assert not same_option(Sample("x", {}, choices=("Dog", "Cat")), 0), "no gold, nothing right"


def test_the_denominator_is_every_item_that_is_not_skipped() -> None:
    rows = [
        row(("a", "b"), 0, 0),
        row(("a", "b"), 1, 0),
        row(("a", "b"), 0, None, "unparsed"),
        row(("a", "b"), 1, None, "error"),
        row(("a", "c"), 0, 0, "skipped"),
    ]
    metrics = choice_metrics(rows)
    assert (metrics["accuracy"].value, metrics["accuracy"].n) == (0.25, 4)
    assert (metrics["answered"].value, metrics["answered"].n) == (0.5, 4)


def test_withheld_answers_and_no_items_have_a_reason() -> None:
    withheld = choice_metrics([row(("a", "b"), None, 0)])
    assert (withheld["accuracy"].value, withheld["accuracy"].reason) == (None, "answers are withheld")
    assert withheld["answered"].value == 1
    assert choice_metrics([])["accuracy"].reason == "no items"


def test_groups_are_sorted_and_rows_without_a_key_are_in_none() -> None:
    rows = [row(("a", "b"), 0, 0, kind="z"), row(("a", "b"), 0, 1, kind="m"), row(("a", "b"), 1, 1)]
    table = by_group(rows, ["kind"], choice_metrics)
    assert list(table["kind"]) == ["m", "z"]
    assert [table["kind"][key]["accuracy"].value for key in ("m", "z")] == [0, 1]


def test_blind_rows_by_hand() -> None:
    rows = [
        row(("ab", "abc"), 0, 1),  # first right; longest wrong; letter b wrong
        row(("ab", "abc", "abc", "a"), 1, None, "error"),  # longest right (its twin, too); letter b right
        row(("x", "y", "z", "w"), 1, 1),  # all as long: the first; letter b right
        row(("twin", "other", "TWIN", "no"), 2, None, "unparsed"),  # the first is the gold's twin; longest is other
        row(("a", "bbbb"), 1, 1, "skipped"),
    ]
    blind = {name: metrics["accuracy"] for name, metrics in blind_rows(rows).items()}
    assert {name: metric.value for name, metric in blind.items()} == {
        BLIND_UNIFORM: (1 / 2 + 2 / 4 + 1 / 4 + 2 / 4) / 4,
        BLIND_FIRST: 0.5,
        BLIND_LONGEST: 0.25,
        BLIND_LETTER: 0.5,
    }
    assert {metric.n for metric in blind.values()} == {4}
    assert blind[BLIND_UNIFORM].low is None, "an expectation has no interval"
    assert blind[BLIND_FIRST].low is not None


def test_a_letter_that_an_item_does_not_have_is_the_first() -> None:
    rows = [row(tuple("abc"), 2, None), row(tuple("abd"), 2, None), row(("a", "b"), 0, None)]
    assert blind_rows(rows)[BLIND_LETTER]["accuracy"].value == 1.0


def test_longest_is_the_first_of_ties() -> None:
    assert longest_option(["aa", "bb", "a"]) == 0
    assert longest_option(["a", "bb", "cc"]) == 1
