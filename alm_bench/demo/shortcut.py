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
    """Return `value` if it is a share of leaking questions from `lowest` to 1. Raises UsageError, which names
    `setting`, if it is not."""
    if not lowest <= value <= 1:
        raise UsageError(f"{setting} takes a share of the questions, {lowest:g} to 1, found {value:g}")
    return value


def plant_shortcut(item: Question, share: float, *key: object) -> tuple[Question, bool]:
    """Return the question with a shortcut, and True if its wording points to an option.

    A share `abs(share)` of the questions gets one, drawn by `key`, the item's id and its question: for a positive
    `share` the right option is reworded by one of `WORDINGS`, for a negative one a wrong option, so that a model that
    follows the wording answers wrongly. A share of 0 returns the item unchanged.
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
