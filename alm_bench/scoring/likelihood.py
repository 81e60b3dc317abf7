"""Selection of options by their log-likelihoods."""

from collections.abc import Sequence

from alm_bench.core.types import Likelihoods, Parsed, Sample
from alm_bench.scoring.multiple_choice import normalise_choice

MAIN = "text_ll_per_token"
"""Metric by which the answer is selected if the model generates no text: log-likelihood of the option's text per
token."""


def normalise_log_likelihoods(likelihoods: Likelihoods) -> dict[str, list[float]]:
    """Return one log-likelihood per option, summed and per token.

    The keys are metric names: `text_ll` and `text_ll_per_token` for the options' texts, `letter_ll` and
    `letter_ll_per_token` for their letters.
    """
    found = {}
    for form, options in likelihoods.items():
        found[f"{form}_ll"] = [total for total, _ in options]
        found[f"{form}_ll_per_token"] = [total / tokens for total, tokens in options]
    return found


def find_most_likely_option(sample: Sample, values: Sequence[float]) -> int | None:
    """Return the index of the option with the highest value; None if options with different texts share it."""
    best = [place for place, value in enumerate(values) if value == max(values)]
    return best[0] if len({normalise_choice(sample, place) for place in best}) == 1 else None


def select_options_by_metric(sample: Sample, likelihoods: Likelihoods) -> dict[str, Parsed]:
    """Return the most likely option by each metric of `normalise_log_likelihoods`, as one parsed answer per metric."""
    return {
        metric_name: _build_parsed_choice(sample, metric_name, values)
        for metric_name, values in normalise_log_likelihoods(likelihoods).items()
    }


def _build_parsed_choice(sample: Sample, metric_name: str, values: Sequence[float]) -> Parsed:
    """Return the most likely option by one metric, or the status `ambiguous` if there are several."""
    place = find_most_likely_option(sample, values)
    if place is None:
        return Parsed("ambiguous", metric_name)
    return Parsed("ok", metric_name, place, sample.choices[place])
