"""Report of a check of judges: their agreement with people, what could not be read, and how far to trust them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from alm_bench.calibration import MetricCheck
from alm_bench.core import Metric
from alm_bench.reports.blocks import Block, Text
from alm_bench.reports.calibration import (
    SHARE,
    build_agreement_report,
    build_check_json,
    build_correlation_cell,
    convert_metric_to_json,
)
from alm_bench.reports.figures import build_metric_cell, format_value


class Outcome(Protocol):
    """Results of one judge that the report shows. `judges.check.JudgeOutcome` implements it."""

    @property
    def n(self) -> int:
        """Number of texts that were to be judged."""

    @property
    def problems(self) -> Mapping[str, int]:
        """Numbers of texts without a verdict, by reason."""

    @property
    def mean(self) -> Metric:
        """Mean score; the interval includes the texts without a verdict as 0 and as 1."""

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest possible mean score, with 0 and with 1 as the score of all texts without a verdict."""

    @property
    def repeats_agree(self) -> Metric | None:
        """Share of texts on which all repeats have the same score; None without repeats."""

    @property
    def warning(self) -> str | None:
        """Warning about low agreement with people; None for a reliable judge."""


def build_judge_check(
    check: MetricCheck,
    outcomes: Mapping[str, Outcome],
    kappa: Mapping[tuple[str, str], Metric],
    source: str,
    details: bool = False,
) -> list[Block]:
    """Return the table of agreement, and below it one paragraph per judge. `source` names the labelled file."""
    blocks = build_agreement_report(check, source, details)
    blocks += [Text(_describe_outcome(check.titles[key], outcome)) for key, outcome in outcomes.items()]
    for (first, second), value in kappa.items():
        names = f"{check.titles[first]} and {check.titles[second]}"
        blocks.append(Text(f"{names} agree with one another: kappa {build_correlation_cell(value).text}."))
    return blocks


def _describe_outcome(title: str, outcome: Outcome) -> str:
    parts = []
    if outcome.warning is not None:
        parts.append(f"{outcome.warning}.")
    low, high = outcome.bounds
    if outcome.problems and low is not None and high is not None:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in outcome.problems.items())
        parts.append(
            f"{sum(outcome.problems.values()):,} of {outcome.n:,} texts have no verdict ({listed}): the mean score "
            f"lies between {format_value(low, SHARE)} and {format_value(high, SHARE)}; agreement is measured on the "
            "others."
        )
    if outcome.repeats_agree is not None:
        parts.append(f"All repeats agree on {build_metric_cell(outcome.repeats_agree, SHARE).text} % of the texts.")
    return f"{title}: " + (" ".join(parts) or f"mean score {build_metric_cell(outcome.mean, SHARE).text}.")


def build_judge_check_json(
    check: MetricCheck,
    outcomes: Mapping[str, Outcome],
    kappa: Mapping[tuple[str, str], Metric],
    notes: Mapping[str, Mapping[str, Any]],
    source: str,
) -> dict[str, Any]:
    """Return the output of `--json` for a check of judges: the output for a check of metrics, with two more keys.

    `judges` holds the results of each judge, `judges_kappa` the agreement of each pair of judges. `notes` are further
    values of each judge, such as its model and prompt.
    """
    judges = {
        key: {
            **notes[key],
            "n": outcome.n,
            "unjudged": dict(outcome.problems),
            "mean": convert_metric_to_json("mean", outcome.mean),
            "bounds": list(outcome.bounds),
            "repeats_agree": None if outcome.repeats_agree is None else outcome.repeats_agree.value,
            "warning": outcome.warning,
        }
        for key, outcome in outcomes.items()
    }
    agreement: Sequence[dict[str, Any]] = [
        {"judges": list(pair), **convert_metric_to_json("kappa", value)} for pair, value in kappa.items()
    ]
    return {**build_check_json(check, source), "judges": judges, "judges_kappa": agreement}
