"""Rule of the official MMAU scorer, which compares sets of words."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"\b\w+\b")


def _split_words(text: str) -> set[str]:
    """Return the set of lower-case words in a text."""
    return set(_WORD.findall(text.lower()))


def contains_words(text: str) -> bool:
    """Return True if the text contains at least one word."""
    return _WORD.search(text) is not None


def is_officially_correct(prediction: str, gold: str, choices: Sequence[str]) -> bool:
    """Return True if the official evaluation script counts `prediction` as correct.

    A prediction is correct if it is not empty, contains every word of `gold`, and contains no word of another option
    that `gold` does not have. An option with the same set of words as `gold` is not another option. `gold` may be
    missing from `choices` (Sakshi113/MMAU, evaluation.py).
    """
    answer = _split_words(gold)
    said = _split_words(prediction)
    foreign: set[str] = set()
    for choice in choices:
        words = _split_words(choice)
        if words != answer:
            foreign |= words - answer
    return bool(prediction) and answer <= said and not (said & foreign)
