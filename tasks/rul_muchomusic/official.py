"""Rule of the authors' evaluation scripts of RUL-MuchoMusic, which look for a letter in double brackets first."""

import re
from collections.abc import Sequence
from string import ascii_uppercase

LETTERS = ascii_uppercase[:5]

_BRACKETED = re.compile(r"\[\[([A-E])\]\]")
_ANNOUNCED = re.compile(
    r"(?:answer is|chose|choose|select|guess is|I choose|I select|I guess) ([A-E])\b", re.IGNORECASE
)


def find_official_option(text: str, choices: Sequence[str]) -> int | None:
    """Return the index of the option that the authors' script reads from an answer; None if it reads none.

    The rules are tried in this order (yongyizang/AreYouReallyListening, ExampleAudioEval/qwen_2_audio.py): the last
    letter in double brackets; the last letter after a phrase such as `answer is`; the first letter of A to E that
    occurs as `option A`, `Option A` or `(A)`; the first option whose text occurs, without regard to case.
    """
    for pattern in (_BRACKETED, _ANNOUNCED):
        if letters := pattern.findall(text):
            return _check_index(LETTERS.index(letters[-1].upper()), choices)
    for index, letter in enumerate(LETTERS):
        if any(form in text for form in (f"option {letter}", f"Option {letter}", f"({letter})")):
            return _check_index(index, choices)
    lowered = text.lower()
    return next((index for index, choice in enumerate(choices) if choice and choice.lower() in lowered), None)


def _check_index(index: int, choices: Sequence[str]) -> int | None:
    """Return the index; None for a letter that no option has."""
    return index if index < len(choices) else None
