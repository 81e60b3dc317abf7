"""Text as the rules see it: one character for one of the original's, so that every span is a span of what was said."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

Span = tuple[int, int]

_SAME = str.maketrans({"‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_SAME |= str.maketrans({"–": "-", "—": "-", "−": "-", "‐": "-", "。": ".", "、": ",", "「": '"', "」": '"'})

WRAPPING = " \t\r\n*_`\"'.,;:!"
"""What stands around an answer without being part of it."""

_BOLD = re.compile(r"\*\*|__")
_MARKUP = re.compile(r"<\|[^|<>]{0,30}\|>|^\s*(?:assistant|user|system)\b\s*:?(?=\s)|\\(?=[\"'])", re.IGNORECASE)
_EXAMPLE = re.compile(r"\(\s*e\.\s?g\.[^)\n]*(?:\)|$)", re.IGNORECASE | re.MULTILINE)
_ON_THE_LINE = re.compile(r"[^\n]")
_WORDS = re.compile(r"[^\W_]+#?(?:['.][^\W_]+#?)*")


@cache
def _folded(character: str) -> str:
    """Lower case, half width, ASCII digits and quotation marks; the character itself where those are longer."""
    if digit := unicodedata.decimal(character, None):
        return str(digit)
    for form in (unicodedata.normalize("NFKC", character), character):
        small = form.lower().translate(_SAME)
        if len(small) == 1:
            return small
    return character


def fold(text: str) -> str:
    """The text in one case, width and style of quotation marks, as long as before."""
    return text.lower().translate(_SAME) if text.isascii() else "".join(map(_folded, text))


def blank(text: str, spans: Iterable[Span]) -> str:
    """The text with spaces where `spans` were; line breaks stay."""
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], _ON_THE_LINE.sub(" ", text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def past(text: str, span: Span, passed: str | None = None) -> int:
    """Where in `span` the first character is that is none of `passed`, white space where none are given."""
    return span[1] - len(text[slice(*span)].lstrip(passed))


def prepared(text: str) -> str:
    """Folded, and without chat markers, bold marks and examples such as `(e.g., The answer is B)`, all left blank."""
    plain = fold(text)
    for pattern in (_BOLD, _MARKUP, _EXAMPLE):
        plain = blank(plain, (match.span() for match in pattern.finditer(plain)))
    return plain


def normalise(text: str) -> str:
    """Case, width, white space and wrapping punctuation do not make an answer another one."""
    return " ".join(fold(unicodedata.normalize("NFKC", text)).replace("_", " ").split()).strip(WRAPPING)


def words(text: str) -> list[str]:
    return _WORDS.findall(text)
