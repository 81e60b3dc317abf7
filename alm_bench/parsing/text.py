"""Normalisation and tokenisation of text.

`fold` replaces each character by exactly one character, so that a span of the normalised text is also a span of the
original.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

Span = tuple[int, int]

_SAME = str.maketrans({"‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_SAME |= str.maketrans({"–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "、": ",", "،": ",", "「": '"', "」": '"'})
_SAME |= str.maketrans({"『": '"', "』": '"', "《": '"', "》": '"', "【": "[", "】": "]", "♭": "b", "♯": "#", "→": ">"})
_SAME |= str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\xad", " "))

WRAPPING = " \t\r\n*_`\"'.,;:!。।"
"""Characters around an answer that are not part of it."""

ENDS = ".!?。।؟…"
"""Characters that end a sentence."""

SINGLES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f\uac00-\ud7a3"
"""Scripts without spaces between words, in which each character is one token."""

LETTER_END = rf"(?!'?[^\W{SINGLES}]|#)"
"""Pattern that matches after a single letter if no other letter follows; a character of `SINGLES` may follow."""

_MARKS = "\u0300-\u036f\u064b-\u065f\u0900-\u0903\u093a-\u094f"  # combining marks, which \w does not match
_LETTERS = rf"(?:[^\W_{SINGLES}]++|[{_MARKS}])+"
_TOKEN = re.compile(rf"[{SINGLES}]|{_LETTERS}#?(?:['.]{_LETTERS}#?)*")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+#?(?:['.][a-z0-9]+#?)*")  # the same for ASCII, several times as fast
_WORDS = re.compile(r"[^\W_]+#?(?:['.][^\W_]+#?)*")


class Token(NamedTuple):
    """One word of a normalised text, or one character of a script without spaces."""

    text: str
    """Characters of the token."""

    start: int
    """Position of its first character in the text."""

    end: int
    """Position after its last character."""


@cache
def _fold_character(character: str) -> str:
    """Return one character in lower case and half width, with an ASCII digit or quotation mark for any variant of it.

    Returns the character itself if the result would be longer than one character.
    """
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    for form in (unicodedata.normalize("NFKC", character), character):
        small = form.lower().translate(_SAME)
        if len(small) == 1:
            return small
    return character


def fold(text: str) -> str:
    """Return the text in lower case, one width and one kind of quotation marks, with the same length."""
    return text.lower().translate(_SAME) if text.isascii() else "".join(map(_fold_character, text))


def blank_out_spans(text: str, spans: Iterable[Span]) -> str:
    """Return the text with spaces in place of `spans`, which are in order. Line breaks within them stay."""
    parts, done = [], 0
    for start, end in spans:
        if end > done:
            start = max(start, done)
            parts += [text[done:start], "\n".join(" " * len(line) for line in text[start:end].split("\n"))]
            done = end
    return "".join([*parts, text[done:]])


def skip_characters(text: str, span: Span, skipped_characters: str | None = None) -> int:
    """Return the position of the first character in `span` that is not skipped.

    `skipped_characters` are the characters to skip (default: white space).

    Returns the end of `span` if all characters are skipped.
    """
    return span[1] - len(text[slice(*span)].lstrip(skipped_characters))


def normalise_text(text: str) -> str:
    """Return the text in one form of case, width and white space, without punctuation around it.

    Unlike with `fold`, the length may change.
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(fold(text).replace("_", " ").split()).strip(WRAPPING)


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order. Unlike in `find_word_spans`, a run of characters of a script without spaces
    is one word."""
    return (_ASCII_TOKEN if text.isascii() and text.islower() else _WORDS).findall(text)


def find_word_spans(plain: str) -> list[Span]:
    """Return the spans of the words in a normalised text; each character of a script without spaces is one word."""
    return [match.span() for match in (_ASCII_TOKEN if plain.isascii() else _TOKEN).finditer(plain)]


def iterate_tokens_at_spans(plain: str, spans: Sequence[Span], first_index: int) -> Iterator[Token]:
    """Yield a token for each of `spans[first_index:]`, the places of the words of the text `plain`."""
    for index in range(first_index, len(spans)):
        start, end = spans[index]
        yield Token(plain[start:end], start, end)


def iterate_tokens(plain: str, start: int, end: int) -> Iterator[Token]:
    """Yield the words between two positions of a normalised text."""
    pattern = _ASCII_TOKEN if plain.isascii() else _TOKEN
    for match in pattern.finditer(plain, start, end):
        yield Token(match[0], *match.span())
