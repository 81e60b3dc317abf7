"""Conditions that take the right option of a question away: a model that uses the audio then selects none of the
options.

Both conditions apply only to questions that have at least three options, of which the right one is known.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alm_bench.core import Sample
from alm_bench.runner.conditions.base import Condition
from alm_bench.scoring.multiple_choice import is_correct_option, normalise_choice


class NoCorrectOption(Condition):
    """Remove the right option and its duplicates. Questions that would keep fewer than two options are omitted."""

    kind: ClassVar = "no-gold"
    title: ClassVar = "The right option is taken away."
    answerable: ClassVar = False

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        return [
            changed
            for sample in _select_eligible_samples(samples)
            if len((changed := _drop_correct_option(sample)).choices) > 1
        ]


class OtherOptions(Condition):
    """Replace the options of a question by the options of another question.

    A question is omitted if one of its own options is among the new ones.
    """

    kind: ClassVar = "other-options"
    title: ClassVar = "The options of another question, none of which is the question's own."
    random: ClassVar = True
    answerable: ClassVar = False

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        eligible = _select_eligible_samples(samples)
        partner = self.derange(len(eligible))
        others = [(sample, eligible[partner[n]].choices) for n, sample in enumerate(eligible)]
        return [
            _replace_options(sample, choices) for sample, choices in others if not _has_common_option(sample, choices)
        ]


def _select_eligible_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples with at least three options and a known right option."""
    return [sample for sample in samples if len(sample.choices) > 2 and sample.target is not None]


def _drop_correct_option(sample: Sample) -> Sample:
    """Return the sample without the right option and its duplicates."""
    return _replace_options(
        sample, [choice for index, choice in enumerate(sample.choices) if not is_correct_option(sample, index)]
    )


def _replace_options(sample: Sample, choices: Sequence[str]) -> Sample:
    """Return the sample with these options, none of which is right."""
    return replace(sample, choices=tuple(choices), target=None, gold=None)


def _has_common_option(sample: Sample, choices: Sequence[str]) -> bool:
    """Return True if an option of the sample has the same normalised text as one of `choices`."""
    other = replace(sample, choices=tuple(choices))
    texts = {normalise_choice(other, index) for index in range(len(choices))}
    return any(normalise_choice(sample, index) in texts for index in range(len(sample.choices)))


CONDITIONS = (NoCorrectOption, OtherOptions)
