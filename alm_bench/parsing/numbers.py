"""Numbers in a text, in digits or in words."""

import re
from functools import cache

from num2words import num2words

from alm_bench.parsing.text import Span

LARGEST_WORD = 1000
"""Up to which numbers are read in words."""


def numbers(plain: str, span: Span) -> dict[Span, str]:
    """Every number between the two ends of a folded text, in digits."""
    words = _words()
    return {
        match.span(): match[1] or words[" ".join(re.split(r"[\s-]+(?:and\s+)?", match[2]))]
        for match in _number_pattern().finditer(plain, *span)
    }


def is_number(text: str) -> bool:
    """Whether a folded text is a number and nothing else."""
    return _number_pattern().fullmatch(text) is not None


@cache
def _words() -> dict[str, str]:
    """`twenty one` -> `21`."""
    said = {number: num2words(number).replace("-", " ").replace(" and ", " ") for number in range(LARGEST_WORD + 1)}
    return {words: str(number) for number, words in said.items()}


@cache
def _number_pattern() -> re.Pattern[str]:
    phrases = sorted(_words(), key=len, reverse=True)
    spoken = "|".join(phrase.replace(" ", r"[\s-]+(?:and\s+)?") for phrase in phrases)
    return re.compile(rf"(?<![\w.,])(-?\d+(?:\.\d+)?)(?![\w])|\b({spoken})\b")
