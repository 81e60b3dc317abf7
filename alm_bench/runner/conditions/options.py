"""Questions without a right answer: a model that listens selects none of their options.

Both conditions are put to questions of three options or more.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alm_bench.core import Sample
from alm_bench.runner.conditions.base import Condition
from alm_bench.scoring.multiple_choice import fold_choice, same_option


class NoGold(Condition):
    """Take the right option away, its duplicates included."""

    kind: ClassVar = "no-gold"
    title: ClassVar = "The right option is taken away."
    answerable: ClassVar = False

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        return [changed for sample in _with_three_options(samples) if len((changed := _drop_gold(sample)).choices) > 1]


class OtherOptions(Condition):
    """Offer the options of another question; pairs of questions that share an option are left out."""

    kind: ClassVar = "other-options"
    title: ClassVar = "The options of another question, none of which is the question's own."
    random: ClassVar = True
    answerable: ClassVar = False

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        asked = _with_three_options(samples)
        partner = self.derange(len(asked))
        others = [(sample, asked[partner[n]].choices) for n, sample in enumerate(asked)]
        return [_offer(sample, choices) for sample, choices in others if not _share_option(sample, choices)]


def _with_three_options(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if len(sample.choices) > 2 and sample.target is not None]


def _drop_gold(sample: Sample) -> Sample:
    return _offer(sample, [choice for index, choice in enumerate(sample.choices) if not same_option(sample, index)])


def _offer(sample: Sample, choices: Sequence[str]) -> Sample:
    """Return the sample with these options, none of which is right."""
    return replace(sample, choices=tuple(choices), target=None, gold=None)


def _share_option(sample: Sample, choices: Sequence[str]) -> bool:
    """Return whether options of two questions have the same text, written alike or not."""
    other = replace(sample, choices=tuple(choices))
    texts = {fold_choice(other, index) for index in range(len(choices))}
    return any(fold_choice(sample, index) in texts for index in range(len(sample.choices)))


CONDITIONS = (NoGold, OtherOptions)
