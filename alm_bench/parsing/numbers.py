"""Numbers in a text: digits, English number words of any size, and number words of other languages up to 100."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from num2words import num2words

from alm_bench.parsing.answer_words import AnswerWords, detect_main_language, load_answer_words
from alm_bench.parsing.languages import DEFAULT
from alm_bench.parsing.text import WRAPPING, Span, fold, split_words

LARGEST_WORD = 100
"""Largest number that is read in words in languages other than English."""

_UNITS = (
    r"(?:st|nd|rd|th|x|%|s|ms|sec|secs|seconds?|min|mins|minutes?|h|hrs?|hours?|hz|khz|mhz|db|dbfs|bpm|km|m|cm|mm|kg|g)"
)
# Letter of a script with spaces between words: the 3 in 共3只 is a number, the 7 in F#m7 is not.
_LETTER = r"[^\W\u0e00-\U0010ffff]"
_DIGITS = re.compile(
    rf"(?<!{_LETTER})(?<!{_LETTER}\#)(?<!\d\.)((?<![\w.,)-])-)?"
    r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,]\d|,\d)|\d+,\d{1,2}(?!\d|[.,]\d)|\d+(?:\.\d+)?)"
    rf"(st|nd|rd|th)?(?:{_UNITS})?(?!{_LETTER})"
)
_TENS = {num2words(number): number for number in range(20, 100, 10)}
_SMALL = {num2words(number): number for number in range(20)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = {**_SMALL, **_TENS, **_SCALES}
_WORD = rf"(?:{'|'.join(sorted(_VALUES, key=len, reverse=True))})"
_SPOKEN = re.compile(rf"\b(?:(minus|negative)\s+)?({_WORD}(?:,?[\s-]+(?:and\s+)?{_WORD})*)\b")
_TOKEN = re.compile(rf"(,?)[\s-]*(and\s+)?({_WORD})(?!\w)")
_POINT = re.compile(rf"\s+point((?:[\s-]+(?:{'|'.join(list(_SMALL)[:10])}))+)\b")
_HALF = re.compile(r"\s+and\s+a\s+half\b")
_ORDINALS = {num2words(number, to="ordinal"): number for number in range(1, 101)}
_NOT = re.compile(r"\bnot\s+(?:just\s+|only\s+)?$")


@dataclass(frozen=True, slots=True)
class Number:
    """One number in a text."""

    span: Span
    """Start and end of the number in the text."""

    value: str
    """Canonical value in digits: `3` for `3.0`, `1200` for `1,200`."""

    is_ordinal: bool = False
    """True for an ordinal number (`3rd`)."""


def find_cardinal_numbers(plain: str, span: Span) -> dict[Span, str]:
    """Return every cardinal number within `span` of a normalised text: its value in digits, by its span.

    Numbers in digits and in English words are read.
    """
    return {one.span: one.value for one in _find_digits_and_english_numbers(plain, span) if not one.is_ordinal}


def is_number(text: str) -> bool:
    """Return True if a normalised text is one number and nothing else."""
    return list(find_cardinal_numbers(text, (0, len(text)))) == [(0, len(text))]


def read_numbers(plain: str, span: Span) -> list[Number]:
    """Return the numbers within `span` of a normalised text, in order.

    Number words are read in the language of the text. A text without any number that is too short to show its language
    is read in all languages in Latin letters. Ordinals are returned only if there are no other numbers. Denied numbers
    ("not 3 but 4") are left out.
    """
    language = detect_main_language(plain[slice(*span)])
    found = {
        one.span: one
        for one in (*_find_digits_and_english_numbers(plain, span), *_find_number_words(plain, span, language))
    }
    if not found and language.name == DEFAULT and not language.frequent & set(split_words(plain[slice(*span)])):
        # The text is too short to show its language: try all languages in Latin letters.
        for other in load_answer_words().values():
            found |= {} if other.script else {one.span: one for one in _find_number_words(plain, span, other)}
    kept: list[Number] = []
    for one in sorted(found.values(), key=lambda one: (one.span[0], -one.span[1])):
        if (not kept or one.span[0] >= kept[-1].span[1]) and not _NOT.search(
            plain, max(span[0], one.span[0] - 24), one.span[0]
        ):
            kept.append(one)
    return [one for one in kept if not one.is_ordinal] or kept


def parse_single_number(text: str) -> str | None:
    """Return the value of a normalised text that consists of one number, in any language; None for any other text.

    Punctuation and brackets around the number are ignored.
    """
    bare = text.strip(WRAPPING + "()[]{}<>#$\\/。،।").rstrip("-")
    cardinals = list(_find_digits_and_english_numbers(bare, (0, len(bare))))
    if len(cardinals) == 1 and cardinals[0].span == (0, len(bare)):
        return cardinals[0].value
    phrase = " ".join(bare.split())
    if phrase.removeprefix("the ") in _ORDINALS:
        return str(_ORDINALS[phrase.removeprefix("the ")])
    for language in load_answer_words().values():
        if phrase in (table := _load_number_words(language)):
            return str(table[phrase])
        if phrase and (value := _parse_positional_numeral(phrase, language)) is not None:
            return str(value)
    return None


def normalise_decimal(number: str) -> str:
    """Return a decimal number without leading zeros and without trailing zeros after the point."""
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    whole, _, part = digits.partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    value = f"{whole}.{part}" if part else whole
    return value if value == "0" else sign + value


def _find_digits_and_english_numbers(plain: str, span: Span) -> Iterator[Number]:
    """Yield the numbers in digits (also ordinals such as `3rd`), then the numbers in English words."""
    for match in _DIGITS.finditer(plain, *span):
        digits = match[2]
        thousands = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits)
        value = digits.replace(",", "" if thousands else ".")
        # The span excludes the unit, and the "rd" of 3rd.
        end = match.end(2)
        yield Number((match.start(), end), normalise_decimal((match[1] or "") + value), match[3] is not None)
    for match in _SPOKEN.finditer(plain, *span):
        numerals = list(_split_number_words(plain, match.span(2)))
        for place, ((start, end), amount) in enumerate(numerals):
            last = place == len(numerals) - 1
            value = str(amount)
            if last and (point := _POINT.match(plain, end, span[1])):
                value, end = (
                    value + "." + "".join(str(_SMALL[word]) for word in re.split(r"[\s-]+", point[1].strip())),
                    point.end(),
                )
            elif last and (half := _HALF.match(plain, end, span[1])):
                value, end = value + ".5", half.end()
            if place == 0 and match[1]:
                start, value = match.start(), "-" + value
            yield Number((start, end), normalise_decimal(value))


def _split_number_words(plain: str, span: Span) -> Iterator[tuple[Span, int]]:
    """Yield the span and value of each number in a sequence of English number words.

    `two hundred and five` is one number; `one, two, three` are three.
    """
    start, end, total, current, before = span[0], span[0], 0, 0, ""
    for token in _TOKEN.finditer(plain, *span):
        word, value = token[3], _VALUES[token[3]]
        scaled = before in _SCALES
        if before and (token[1] or token[2]) and not scaled:
            fits = False
        elif word == "hundred":
            fits = 1 <= current <= 99 and before != "hundred"
        elif word in _SCALES:
            fits = 1 <= current < 1000 and (total == 0 or (total % (value * 1000) == 0 and total >= value * 1000))
        elif word in _TENS:
            fits = not before or scaled
        else:
            fits = not before or (scaled and value > 0) or (before in _TENS and 0 < value < 10)
        if not fits and before:
            yield (start, end), total + current
            start, total, current = token.start(3), 0, 0
        if word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total, current = total + (current or 1) * value, 0
        else:
            current += value
        end, before = token.end(), word
    if before:
        yield (start, end), total + current


@cache
def _load_number_words(language: AnswerWords) -> Mapping[str, int]:
    """Return the number words of a language with their values, from its table and from the package num2words.

    English number words are read by `_find_cardinals`, so only the ones in the table are returned for English.
    """
    found = dict(language.numerals)
    if language.num2words is not None and language.name != DEFAULT:
        for number in range(LARGEST_WORD + 1):
            found.setdefault(fold(num2words(number, lang=language.num2words)), number)
    return found


@cache
def _compile_number_words(language: AnswerWords) -> re.Pattern[str] | None:
    """Return the pattern of a language's number words within a sentence, or None if it has none."""
    spelled = [word for word in _load_number_words(language) if word not in language.articles]
    parts = []
    if spelled and language.spaced:
        parts.append(rf"(?<!\w)(?P<word>{_join_alternatives(spelled)})(?![\w\u0300-\u036f\u0900-\u0903\u093a-\u094f])")
    elif spelled:
        parts.append(rf"(?P<word>{_join_alternatives(spelled)})")
    counters = _join_alternatives(language.counters)
    if counters and language.attributive:
        parts.append(rf"(?<!\w)(?P<attribute>{_join_alternatives(language.attributive)})\s*(?={counters})")
    if counters and language.digits:
        signs = "".join((*language.digits, *language.units))
        parts.append(rf"(?P<positional>[{signs}]+)(?={counters})")
    return re.compile("|".join(parts)) if parts else None


def _join_alternatives(words: Mapping[str, int] | tuple[str, ...] | list[str]) -> str:
    """Return the source of a regular expression that matches any of the words, longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _find_number_words(plain: str, span: Span, language: AnswerWords) -> Iterator[Number]:
    """Yield the numbers that are written in number words of one language."""
    pattern = _compile_number_words(language)
    for match in pattern.finditer(plain, *span) if pattern is not None else ():
        said = match[0].strip()
        value: int | None
        if match.lastgroup == "positional":
            value = _parse_positional_numeral(said, language)
        else:
            value = (language.attributive if match.lastgroup == "attribute" else _load_number_words(language)).get(said)
        if value is not None:
            yield Number(match.span(), str(value))


def _parse_positional_numeral(text: str, language: AnswerWords) -> int | None:
    """Return the value of a numeral of digits and units, such as 二十一 or 三百, or None for any other text."""
    total, current = 0, None
    for sign in text:
        if sign in language.digits and current is None:
            current = language.digits[sign]
        elif sign in language.units:
            total, current = total + (1 if current is None else current) * language.units[sign], None
        elif sign in language.digits and current == 0:
            current = language.digits[sign]
        else:
            return None
    return total + (current or 0)
