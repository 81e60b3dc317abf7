"""Multiple choice: which option does a text select?

Rules from strict to loose, each named in the record. A text that no rule reads is `unparsed`; nothing is guessed.
"""

import re
import unicodedata
from collections.abc import Sequence

from alm_bench.core.types import Parsed

PARSER = "mcq@1"
"""Name and version of these rules; stored with every run, since a change of rules changes numbers."""

_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
_LEAD = r"(?:the\s+)?(?:correct\s+)?(?:(?:answer|option|choice)\s*(?:is|:)?\s*)+"
_LETTER = re.compile(rf"^(?:{_LEAD})?[\[(<]?([a-z])[\])>]?\s*[.:)]*$", re.IGNORECASE)
_LETTER_THEN_TEXT = re.compile(
    rf"^(?:{_LEAD})?(?:[\[(]([a-z])[\])][.:]?|([a-z])[.:)])\s*(\S.*)$", re.IGNORECASE | re.DOTALL
)
_WRAPPING = " \t\r\n*_`\"'“”‘’.,;:!"


def normalise(text: str) -> str:
    """Case, width, white space and wrapping punctuation do not make an answer another one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(_WRAPPING)


def _letter_index(letter: str, count: int) -> int | None:
    index = ord(letter.lower()) - ord("a")
    return index if index < count else None


def _select(text: str, choices: Sequence[str], span: tuple[int, int]) -> Parsed | None:
    plain = normalise(text)
    texts = [normalise(choice) for choice in choices]

    def found(index: int, rule: str) -> Parsed:
        return Parsed("ok", rule, index, choices[index], span)

    if plain in texts:
        return found(texts.index(plain), "exact")
    stripped = text.strip().strip("*_`\"'“”‘’ \t\r\n")
    if match := _LETTER.match(stripped):
        index = _letter_index(match[1], len(choices))
        return None if index is None else found(index, "letter")
    if match := _LETTER_THEN_TEXT.match(stripped):
        rest = normalise(match[3])
        if rest in texts:  # the text that an option states beats a letter that contradicts it
            return found(texts.index(rest), "letter_and_text")
        index = _letter_index(match[1] or match[2], len(choices))
        return None if index is None else found(index, "letter_prefix")
    return None


def parse_choice(text: str, choices: Sequence[str]) -> Parsed:
    """Read which of `choices` a text selects; among equal options the first.

    The last `<answer>` tag is read if there is one, else the whole text: the exact option, a letter in its usual forms
    (`B`, `(b)`, `b)`, `**B**`, `The answer is B`), or a letter before text.
    """
    tags = list(_ANSWER_TAG.finditer(text))
    start, end = tags[-1].span(1) if tags else (0, len(text))
    inner = text[start:end]
    if not inner.strip():
        return Parsed("empty", "answer_tag" if tags else "none")
    reading = _select(inner, choices, (start, end))
    if reading is None:
        return Parsed("unparsed", "answer_tag" if tags else "none")
    if tags:
        return Parsed("ok", f"answer_tag:{reading.rule}", reading.index, reading.value, reading.span)
    return reading
