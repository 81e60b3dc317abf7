"""Words of yes and no, and of numbers, by language: the sections `answers` and `numerals` of the language tables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from alm_bench.parsing.languages import DEFAULT, Language, load_languages
from alm_bench.parsing.text import fold, words

LEVELS = ("yes", "no", "yes_alone", "no_alone", "yes_whole", "no_whole", "neither")


@dataclass(frozen=True, slots=True, eq=False)
class AnswerWords:
    """The two sections of one language, described in languages/README.md. All words are folded."""

    name: str
    script: str = ""
    spaced: bool = True
    frequent: frozenset[str] = frozenset()
    yes_no: Mapping[str, frozenset[str]] = field(default_factory=dict)
    num2words: str | None = None
    numerals: Mapping[str, int] = field(default_factory=dict)
    attributive: Mapping[str, int] = field(default_factory=dict)
    articles: frozenset[str] = frozenset()
    counters: tuple[str, ...] = ()
    digits: Mapping[str, int] = field(default_factory=dict)
    units: Mapping[str, int] = field(default_factory=dict)


@cache
def answer_words() -> Mapping[str, AnswerWords]:
    """Return the words of every language that has some: English first, those with scripts of their own last."""
    found = [_answer_words(name, language) for name, language in load_languages().items() if language.answers]
    return {one.name: one for one in sorted(found, key=lambda one: (one.name != DEFAULT, bool(one.script)))}


def _answer_words(name: str, language: Language) -> AnswerWords:
    answers, numerals = language.answers, language.numerals
    return AnswerWords(
        name=name,
        script=language.script,
        spaced=answers.get("spaced", language.spaced),
        frequent=_folded(answers.get("words", ())),
        yes_no={level: _folded(answers.get(level, ())) for level in LEVELS},
        num2words=numerals.get("num2words"),
        numerals=_values(numerals.get("words", {})),
        attributive=_values(numerals.get("attributive", {})),
        articles=_folded(numerals.get("articles", ())),
        counters=tuple(map(fold, numerals.get("counters", ()))),
        digits=_values(numerals.get("digits", {})),
        units=_values(numerals.get("units", {})),
    )


def _folded(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(map(fold, phrases))


def _values(table: Mapping[str, int]) -> dict[str, int]:
    return {fold(phrase): value for phrase, value in table.items()}


@cache
def _scripts() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(f"[{one.script}]") for name, one in answer_words().items() if one.script}


def main_language(plain: str) -> AnswerWords:
    """Return the language that a folded text is written in: by its script, else by its frequent words, else English."""
    plain = plain[:2000]
    if not plain.isascii():
        total = sum(map(str.isalpha, plain))
        # Kana before the characters that Japanese shares with Chinese; a word of another script is a quotation.
        for name in sorted(_scripts(), key=lambda name: answer_words()[name].script):
            if 4 * len(_scripts()[name].findall(plain)) > total:
                return answer_words()[name]
    said = words(plain)
    latin = [one for one in answer_words().values() if not one.script]
    return max(latin, key=lambda one: sum(word in one.frequent for word in said))
