"""The official MMAU scorer's rule: a comparison of bags of words."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"\b\w+\b")


def _tokens(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def official_correct(prediction: str, gold: str, choices: Sequence[str]) -> bool:
    """Whether the official evaluation script counts `prediction` as right.

    Right if it is not empty, holds every word of the gold, and holds no word that only other options have. Options with
    the gold's own set of words are no others. The gold need not be among the options (Sakshi113/MMAU, evaluation.py).
    """
    answer = _tokens(gold)
    said = _tokens(prediction)
    foreign: set[str] = set()
    for choice in choices:
        words = _tokens(choice)
        if words != answer:
            foreign |= words - answer
    return bool(prediction) and answer <= said and not (said & foreign)
