"""Planted text shortcut: the wording of an option tells that it is the right one, so that no audio is needed.

Data that language models write often have such shortcuts: the right option repeats the caption in more words than the
wrong ones. A model that is trained on them may learn to compare the options' wording instead of the sounds.
"""

from dataclasses import replace

from alm_bench.core import UsageError
from alm_bench.demo.mcq import Question
from alm_bench.demo.scene import create_generator

WORDINGS = ("clearly {}", "{}, as can be heard", "{} in the recording")
"""Forms of an option whose wording points to it. `{}` is the option in lower case."""


def check_shortcut(value: float, setting: str, lowest: float = 0.0) -> float:
    """Return `value`, a share of the questions, if it is between `lowest` and 1. Otherwise raise UsageError, which
    names the setting `setting`."""
    if not lowest <= value <= 1:
        raise UsageError(f"{setting} takes a share of the questions, {lowest:g} to 1, found {value:g}")
    return value


def plant_shortcut(item: Question, share: float, *key: object) -> tuple[Question, bool]:
    """Return the question, in which one option may be reworded, and True if one is.

    `abs(share)` is the probability that an option is reworded by one of `WORDINGS`. The draw is seeded by the item's
    id, by its question and by `key`. If `share` is positive, this is the right option, so that the wording gives the
    answer away. If it is negative, it is a wrong option, so that a model that follows the wording answers wrongly.
    """
    if not share:
        return item, False
    rng = create_generator("shortcut", *key, item.id, item.question)
    if rng.random() >= abs(share):
        return item, False
    wrong = [index for index in range(len(item.choices)) if index != item.gold]
    marked = item.gold if share > 0 else rng.choice(wrong)
    text = rng.choice(WORDINGS).format(item.choices[marked].lower())
    choices = list(item.choices)
    choices[marked] = text[0].upper() + text[1:]
    return replace(item, choices=tuple(choices)), True
