"""When words mean an option without being it: other endings, another order, numbers in words, a slip of spelling."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache

import snowballstemmer
from num2words import num2words
from rapidfuzz import fuzz

from alm_bench.parsing.languages import load_languages
from alm_bench.parsing.text import words

_DROPPED = frozenset(
    word
    for words in (
        ("a", "an", "the", "and", "of", "is", "are", "was", "were", "be", "to", "in", "on", "at", "it", "its", "with"),
        ("their", "his", "her", "your", "this", "that"),
    )
    for word in words
)
"""Words that rarely tell options apart; kept where they do."""


@cache
def _stemmers() -> list[tuple[re.Pattern[str], "snowballstemmer.stemmer"]]:
    """The stemmers of languages that their script gives away."""
    return [
        (re.compile(f"[{language.script}]"), snowballstemmer.stemmer(language.stemmer))
        for language in load_languages().values()
        if language.script and language.spaced and language.stemmer in snowballstemmer.algorithms()
    ]


@cache
def _english() -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer("english")


@cache
def _synonyms() -> dict[str, str]:
    """The first word's stem by the stems of words that mean the same."""
    return {_endless(word): _endless(group[0]) for group in synonym_groups() for word in group}


@cache
def synonym_groups() -> tuple[tuple[str, ...], ...]:
    return tuple(group for language in load_languages().values() for group in language.synonyms)


def _endless(word: str) -> str:
    stemmer = _english()
    if not word.isascii():
        stemmer = next((stemmer for script, stemmer in _stemmers() if script.match(word)), stemmer)
    return str(stemmer.stemWord(word))


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    said = num2words(int(word)).replace("-", " ") if word.isascii() and word.isdigit() and len(word) < 12 else word
    return " ".join(_endless(part) for part in said.replace("neither", "none").split())


@lru_cache(maxsize=65536)
def stem_key(word: str) -> str:
    """Return what words of one meaning share, without blanks: `angry` and `anger`, `21` and `twenty one`."""
    stem = _stem(word)
    return _synonyms().get(stem, stem).replace(" ", "")


def stems(text: str) -> list[str]:
    """Return the words of a text without their endings, numbers in words."""
    return [part for word in words(text.replace("-", " ")) for part in _stem(word).split()]


class Bags:
    """Each option's telling words: without those that are dropped, unless options would be equal then."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def _bags(self) -> list[list[str]]:
        whole = [stems(text) for text in self._texts]
        bare = [[stem for stem in bag if stem not in _DROPPED] for bag in whole]
        distinct = {tuple(sorted(bag)) for bag in whole}
        return bare if len({tuple(sorted(bag)) for bag in bare}) == len(distinct) and all(bare) else whole

    def __getitem__(self, index: int) -> list[str]:
        return self._bags[index]

    def telling(self, said: list[str]) -> list[str]:
        return [stem for stem in said if stem not in _DROPPED] or said


@cache
def _numerals() -> frozenset[str]:
    """Stems of the words that numbers are made of."""
    values = (*range(20), *range(20, 100, 10), 100, 1000)
    return frozenset(stem for value in values for stem in stems(str(value))) - _DROPPED


def is_numeral(word: str) -> bool:
    """Whether a word is part of a number in words: in "twenty-nine" neither word is a number of its own."""
    return _stem(word) in _numerals() and not word.isdigit()


def _in_order(telling: list[str], said: list[str], option: list[str]) -> bool:
    """All the option's words in its own order, others between them."""
    return len(option) >= 3 and [stem for stem in said if stem in option] == option


def _same(telling: list[str], said: list[str], option: list[str]) -> bool:
    """The same words in another order or with other endings."""
    return sorted(telling) == sorted(option) or sorted(said) == sorted(option)


def _inside(telling: list[str], said: list[str], option: list[str]) -> bool:
    """All the option's words among others; a numeral is no such word."""
    words = set(option)
    held = words.issubset(said) and (len(words) == len(option) or Counter(option) <= Counter(said))
    return held and not words <= _numerals() and len("".join(option)) > 1


def _fragment(telling: list[str], said: list[str], option: list[str]) -> bool:
    """Nothing but words of the option."""
    return len(telling) < len(option) and set(telling) <= set(option) and not set(telling) <= _numerals()


def _most(telling: list[str], said: list[str], option: list[str]) -> bool:
    """Nearly all of the words of a long option."""
    return len(option) >= 4 and len(set(option) & set(said)) >= 0.75 * len(set(option))


def _spelled(telling: list[str], said: list[str], option: list[str]) -> bool:
    """The option's words, long ones with a slip in them; `unhappy` is no slip of `happy`, nor one number of another."""
    return len(telling) == len(option) and all(
        a == b or (min(len(a), len(b)) >= 5 and a[0] == b[0] and b not in _numerals() and fuzz.ratio(a, b) >= 85)
        for a, b in zip(telling, option, strict=True)
    )


LIKENESS: tuple[tuple[str, Callable[[list[str], list[str], list[str]], bool]], ...] = (
    ("in_order", _in_order),
    ("reordered", _same),
    ("inside", _inside),
    ("fragment", _fragment),
    ("most_of", _most),
    ("spelled", _spelled),
)
"""Rules from strict to loose: whether telling words, or all that are said, mean an option."""
