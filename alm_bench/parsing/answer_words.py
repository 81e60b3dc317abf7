"""Yes/no words and number words by language, from the sections `answers` and `numerals` of the language tables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from alm_bench.parsing.languages import DEFAULT, Language, load_languages
from alm_bench.parsing.text import fold, split_words

LEVELS = ("yes", "no", "yes_alone", "no_alone", "yes_whole", "no_whole", "neither")
"""Keys of `AnswerWords.yes_no`, which are also the keys of the section `answers` (see languages/README.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerWords:
    """Yes/no words and number words of one language, as described in languages/README.md.

    All words are normalised with `fold`: lower case, one width and one kind of quotation marks.
    """

    name: str
    """File name of the language table, without its suffix."""

    script: str = ""
    """Character class of the language's script; empty for languages in Latin letters."""

    spaced: bool = True
    """True if a space or punctuation mark must follow an answer word."""

    frequent: frozenset[str] = frozenset()
    """Frequent words of a language in Latin letters, by which a text in it is recognised."""

    yes_no: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Answer words by level, one of `LEVELS`."""

    num2words: str | None = None
    """Language code of the package num2words; None if that package does not generate this language's number words."""

    numerals: Mapping[str, int] = field(default_factory=dict)
    """Values of number words that the package num2words does not generate."""

    attributive: Mapping[str, int] = field(default_factory=dict)
    """Values of number words that are read only before a counter word."""

    articles: frozenset[str] = frozenset()
    """Number words that are also articles or particles; they are read only if nothing else is in the text."""

    counters: tuple[str, ...] = ()
    """Counter words, which follow a number (個, 只)."""

    digits: Mapping[str, int] = field(default_factory=dict)
    """Values of the digits of positional numerals (二)."""

    units: Mapping[str, int] = field(default_factory=dict)
    """Values of the units of positional numerals (十, 百)."""


@cache
def load_answer_words() -> Mapping[str, AnswerWords]:
    """Return the words of every language whose table has the section `answers`, by language name.

    English comes first, and languages with their own script come last.
    """
    found = [_build_answer_words(name, language) for name, language in load_languages().items() if language.answers]
    return {one.name: one for one in sorted(found, key=lambda one: (one.name != DEFAULT, bool(one.script)))}


def _build_answer_words(name: str, language: Language) -> AnswerWords:
    """Build the normalised word lists of one language from its table."""
    answers, numerals = language.answers, language.numerals
    return AnswerWords(
        name=name,
        script=language.script,
        spaced=answers.get("spaced", language.spaced),
        frequent=_normalise_phrases(answers.get("words", ())),
        yes_no={level: _normalise_phrases(answers.get(level, ())) for level in LEVELS},
        num2words=numerals.get("num2words"),
        numerals=_normalise_keys(numerals.get("words", {})),
        attributive=_normalise_keys(numerals.get("attributive", {})),
        articles=_normalise_phrases(numerals.get("articles", ())),
        counters=tuple(map(fold, numerals.get("counters", ()))),
        digits=_normalise_keys(numerals.get("digits", {})),
        units=_normalise_keys(numerals.get("units", {})),
    )


def _normalise_phrases(phrases: Iterable[str]) -> frozenset[str]:
    """Normalise every phrase with `fold`."""
    return frozenset(map(fold, phrases))


def _normalise_keys(table: Mapping[str, int]) -> dict[str, int]:
    """Normalise the keys of a table with `fold`, and keep its values."""
    return {fold(phrase): value for phrase, value in table.items()}


@cache
def _compile_script_patterns() -> Mapping[str, re.Pattern[str]]:
    """Return a pattern of one character of the script, for each language that has its own script."""
    return {name: re.compile(f"[{one.script}]") for name, one in load_answer_words().items() if one.script}


def detect_main_language(plain: str) -> AnswerWords:
    """Return the words of the language in which a normalised text is written.

    This is the first language whose script makes up more than a quarter of the text's letters. If there is none, it is
    the language in Latin letters with the most frequent words in the text; English wins ties. Only the first 2000
    characters are examined.
    """
    plain = plain[:2000]
    if not plain.isascii():
        total = sum(map(str.isalpha, plain))
        # Japanese is tested first, since it shares characters with Chinese. A few words in a script are a quotation.
        for name in sorted(_compile_script_patterns(), key=lambda name: load_answer_words()[name].script):
            if 4 * len(_compile_script_patterns()[name].findall(plain)) > total:
                return load_answer_words()[name]
    said = split_words(plain)
    latin = [one for one in load_answer_words().values() if not one.script]
    return max(latin, key=lambda one: sum(word in one.frequent for word in said))
