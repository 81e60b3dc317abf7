"""From likelihoods to options."""

from alm_bench.core import Sample
from alm_bench.scoring.likelihood import normalise_log_likelihoods, select_options_by_metric

SAMPLE = Sample("q", {}, choices=("Dog", "A cat that purrs", "dog"), target=1)
LIKELIHOODS = {"text": [(-4.0, 1), (-6.0, 4), (-4.5, 1)], "letter": [(-1.0, 1), (-2.0, 1), (-3.0, 1)]}


def test_the_sum_prefers_short_options_and_the_mean_does_not() -> None:
    found = select_options_by_metric(SAMPLE, LIKELIHOODS)
    assert {way: parsed.index for way, parsed in found.items()} == {
        "text_ll": 0,
        "text_ll_per_token": 1,
        "letter_ll": 0,
        "letter_ll_per_token": 0,
    }
    assert found["text_ll_per_token"].value == "A cat that purrs"
    assert normalise_log_likelihoods(LIKELIHOODS)["text_ll_per_token"] == [-4.0, -1.5, -4.5]


def test_a_tie_is_no_choice_but_between_twins() -> None:
    tied = select_options_by_metric(SAMPLE, {"text": [(-2.0, 1), (-2.0, 1), (-9.0, 1)]})["text_ll"]
    assert (tied.status, tied.index) == ("ambiguous", None)
    twins = select_options_by_metric(SAMPLE, {"text": [(-2.0, 1), (-3.0, 1), (-2.0, 1)]})["text_ll"]
    assert (twins.status, twins.index) == ("ok", 0)
