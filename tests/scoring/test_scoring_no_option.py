"""Outputs that select no option, by reason."""

from dataclasses import replace

import pytest
from scored_rows import row

from alm_bench.core import Metric, Parsed, Sample, Scored
from alm_bench.core.types import ParseStatus
from alm_bench.reports.breakdowns import describe_outputs_without_option
from alm_bench.scoring.no_option import NoOptionCounts, count_no_option_outputs, explain_missing_selection

OPTIONS = ("Rain", "Thunder", "Heavy wind", "Hail")


def output(text: str, status: ParseStatus, number: int = 0) -> Scored:
    scored = row(("a", f"option {number}"), 0, None, "unparsed")
    return replace(scored, text=text, parsed=Parsed(status, "none"))


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("Snow", "unparsed", "off_list"),
        ("a train passes while it drizzles", "unparsed", "off_list"),
        ("$/$ Rain @ #", "unparsed", "option_with_symbols"),
        ("@@b@@", "unparsed", "option_with_symbols"),
        ("Heavy~wind~", "unparsed", "option_with_symbols"),
        ("xxThunder", "unparsed", "extra_characters"),
        ("Rainfalls", "unparsed", "extra_characters"),
        ("The brainstorm went on and on and it had nothing to do with weather", "unparsed", "off_list"),
        ("I cannot tell", "refused", "refused"),
        ("The answer is", "truncated", "truncated"),
        ("Rain or Hail", "ambiguous", "ambiguous"),
        ("", "empty", "empty"),
    ],
)
def test_each_output_has_one_reason(text: str, status: ParseStatus, reason: str) -> None:
    sample = Sample("x", {}, choices=OPTIONS, target=0)
    assert explain_missing_selection(sample, text, Parsed(status, "none")) == reason


def test_they_are_counted_among_the_outputs_and_said_in_plain_words() -> None:
    texts = [("Snow", "unparsed")] * 8 + [("a or b", "ambiguous")]
    rows = [row(("a", "b"), 0, 1)]
    rows += [output(text, status, n) for n, (text, status) in enumerate(texts)]  # type: ignore[arg-type]
    rows += [replace(row(("a", "b"), 0, None, "error"), text=None), replace(output("x", "unparsed"), status="skipped")]
    found = count_no_option_outputs(rows)
    assert found is not None
    assert (found.share.value, found.share.n) == (0.9, 10)
    assert dict(found.reasons) == {"off_list": 8, "ambiguous": 1}
    assert count_no_option_outputs(rows[-2:]) is None
    share = Metric(0.009, 0.005, 0.017, 1000)
    assert describe_outputs_without_option(NoOptionCounts(share, found.reasons)) == (
        "No option selected: 9 of 1,000 (0.9 %, CI 0.5-1.7): 8 not among the options, 1 ambiguous."
    )
    assert (
        describe_outputs_without_option(NoOptionCounts(Metric(0.0, n=3), {})) == "No option selected: 0 of 3 (0.0 %)."
    )
    assert "2 cut off, 1 an option with symbols, 1 an option with extra characters" in describe_outputs_without_option(
        NoOptionCounts(share, {"truncated": 2, "option_with_symbols": 1, "extra_characters": 1})
    )
