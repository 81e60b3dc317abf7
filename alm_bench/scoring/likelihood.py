"""From how likely each option is to the one that is chosen."""

from collections.abc import Sequence

from alm_bench.core.types import Likelihoods, Parsed, Sample
from alm_bench.scoring.multiple_choice import fold_choice

MAIN = "text_ll_per_token"
"""What stands for the answer where nothing is written: the option whose text is likeliest per token."""


def totals(likelihoods: Likelihoods) -> dict[str, list[float]]:
    """Return log-likelihoods of the options by the name of their metric: `FORM_ll`, and `FORM_ll_per_token`."""
    found = {}
    for form, options in likelihoods.items():
        found[f"{form}_ll"] = [total for total, _ in options]
        found[f"{form}_ll_per_token"] = [total / tokens for total, tokens in options]
    return found


def likeliest(sample: Sample, values: Sequence[float]) -> int | None:
    """The option of the highest value, None where options of different texts share it."""
    best = [place for place, value in enumerate(values) if value == max(values)]
    return best[0] if len({fold_choice(sample, place) for place in best}) == 1 else None


def choices(sample: Sample, likelihoods: Likelihoods) -> dict[str, Parsed]:
    """Return the option that is likeliest in each way, by the name of its metric."""
    return {way: _read(sample, way, values) for way, values in totals(likelihoods).items()}


def _read(sample: Sample, way: str, values: Sequence[float]) -> Parsed:
    place = likeliest(sample, values)
    if place is None:
        return Parsed("ambiguous", way)
    return Parsed("ok", way, place, sample.choices[place])
