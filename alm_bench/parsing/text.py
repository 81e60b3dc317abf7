"""Text as the rules see it: one character for one of the original's, so that every span is a span of the original."""

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
"""Characters that stand around an answer without being part of it."""

ENDS = ".!?。।؟…"
"""Characters that end a sentence."""

SINGLES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f\uac00-\ud7a3"
"""Scripts in which each character counts as a word of its own, since blanks do not tell words apart."""

LETTER_END = rf"(?!'?[^\W{SINGLES}]|#)"
"""Pattern of a single letter's end: no other letter follows, but a script without blanks may."""

_MARKS = "\u0300-\u036f\u064b-\u065f\u0900-\u0903\u093a-\u094f"  # combining marks, which are no \w
_LETTERS = rf"(?:[^\W_{SINGLES}]++|[{_MARKS}])+"
_TOKEN = re.compile(rf"[{SINGLES}]|{_LETTERS}#?(?:['.]{_LETTERS}#?)*")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+#?(?:['.][a-z0-9]+#?)*")  # the same for ASCII, several times as fast
_WORDS = re.compile(r"[^\W_]+#?(?:['.][^\W_]+#?)*")


class Token(NamedTuple):
    """A word of a folded text, or a character of a script without blanks."""

    text: str
    start: int
    end: int


@cache
def _folded(character: str) -> str:
    """Lower case, half width, ASCII digits and quotation marks; the character itself where those are longer."""
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    for form in (unicodedata.normalize("NFKC", character), character):
        small = form.lower().translate(_SAME)
        if len(small) == 1:
            return small
    return character


def fold(text: str) -> str:
    """Return the text in one case, width and style of quotation marks, as long as before."""
    return text.lower().translate(_SAME) if text.isascii() else "".join(map(_folded, text))


def blank(text: str, spans: Iterable[Span]) -> str:
    """Return the text with spaces where `spans`, in order, were; line breaks stay."""
    parts, done = [], 0
    for start, end in spans:
        if end > done:
            start = max(start, done)
            parts += [text[done:start], "\n".join(" " * len(line) for line in text[start:end].split("\n"))]
            done = end
    return "".join([*parts, text[done:]])


def past(text: str, span: Span, passed: str | None = None) -> int:
    """Return where in `span` the first character is that is none of `passed`; default: white space."""
    return span[1] - len(text[slice(*span)].lstrip(passed))


def normalise(text: str) -> str:
    """Return the text without differences of case, width and wrapping punctuation."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(fold(text).replace("_", " ").split()).strip(WRAPPING)


def words(text: str) -> list[str]:
    return (_ASCII_TOKEN if text.isascii() and text.islower() else _WORDS).findall(text)


def word_spans(plain: str) -> list[Span]:
    """Return where the words of a folded text are; each character of a script without blanks is one."""
    return [match.span() for match in (_ASCII_TOKEN if plain.isascii() else _TOKEN).finditer(plain)]


def words_from(plain: str, spans: Sequence[Span], number: int) -> Iterator[Token]:
    """Yield the words at `spans` of a text, from one of them on."""
    for index in range(number, len(spans)):
        start, end = spans[index]
        yield Token(plain[start:end], start, end)


def tokens(plain: str, start: int, end: int) -> Iterator[Token]:
    """Yield the words of a part of a folded text."""
    pattern = _ASCII_TOKEN if plain.isascii() else _TOKEN
    for match in pattern.finditer(plain, start, end):
        yield Token(match[0], *match.span())
