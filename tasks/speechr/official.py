"""Rule by which SpeechR's script maps an answer to a letter (Yanda95/SpeechR, discrete-choice_eval.py)."""

import re
from collections.abc import Sequence
from string import ascii_uppercase

_STATED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"Answer[:：]?\s*([A-Z])\b",
        r"Final Answer[:：]?\s*([A-Z])\b",
        r"Answer\s+is\s+([A-Z])\b",
        r"The answer is\s+([A-Z])\b",
        r"Choice[:：]?\s*([A-Z])\b",
        r"Selected[:：]?\s*([A-Z])\b",
    )
)
"""Patterns of statements of a letter, in the script's order. Only the first match of each pattern is used."""

_LONE = re.compile(r"\b([A-Z])[.)]?\b")

_POSITIVE, _NEGATIVE = {"yes", "true"}, {"no", "false"}


def select_option(text: str, choices: Sequence[str], reference: int) -> int | None:
    """Return the index of the option that the script selects; None if it selects none.

    The first step that succeeds decides:
    - a letter after a phrase such as `answer is`;
    - the only single letter in the text that is an option's, in upper or lower case;
    - the first option whose text occurs in the answer;
    - for yes/no and true/false questions, the option at index `reference` if the answer has the same meaning.
    """
    letters = ascii_uppercase[: len(choices)]
    for pattern in _STATED:
        if (match := pattern.search(text.strip())) is not None and match[1].upper() in letters:
            return letters.index(match[1].upper())
    alone = [letter for letter in _LONE.findall(text.strip().upper()) if letter in letters]
    if len(alone) == 1:
        return letters.index(alone[0])
    said, options = text.strip().lower(), [choice.lower().strip().strip(".") for choice in choices]
    for index, option in enumerate(options):
        if option in said:
            return index
    return _select_by_meaning(said, options, reference)


def _select_by_meaning(answer: str, options: Sequence[str], reference: int) -> int | None:
    """Return `reference` if the question is yes/no or true/false and the answer means the option at this index.

    The answer must not contain a word of the opposite meaning, too. Otherwise returns None.
    """
    if set(options) not in ({"yes", "no"}, {"true", "false"}):
        return None
    is_positive, is_negative = (any(word in answer for word in words) for words in (_POSITIVE, _NEGATIVE))
    expected = options[reference] in _POSITIVE
    return reference if is_positive != is_negative and is_positive == expected else None
