"""Rules that decide if a text means the same as an option although its wording differs.

They allow other endings, another word order, numbers written as words, and spelling mistakes.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache

import snowballstemmer
from num2words import num2words
from rapidfuzz import fuzz

from alm_bench.parsing.languages import load_languages
from alm_bench.parsing.text import split_words

FUNCTION_WORDS = frozenset(
    word
    for words in (
        ("a", "an", "the", "and", "of", "is", "are", "was", "were", "be", "to", "in", "on", "at", "it", "its", "with"),
        ("their", "his", "her", "your", "this", "that"),
    )
    for word in words
)
"""Function words, which rarely distinguish options. They are compared only where options would be equal without
them."""


@cache
def _load_stemmers() -> list[tuple[re.Pattern[str], "snowballstemmer.stemmer"]]:
    """Return the stemmers of languages with their own script, each with a pattern of one character of the script."""
    return [
        (re.compile(f"[{language.script}]"), snowballstemmer.stemmer(language.stemmer))
        for language in load_languages().values()
        if language.script and language.spaced and language.stemmer in snowballstemmer.algorithms()
    ]


@cache
def _load_english_stemmer() -> "snowballstemmer.stemmer":
    """Return the English stemmer."""
    return snowballstemmer.stemmer("english")


@cache
def _index_synonym_stems() -> dict[str, str]:
    """Return, for the stem of each synonym, the stem of the first word in its group."""
    return {_stem_word(word): _stem_word(group[0]) for group in load_synonym_groups() for word in group}


@cache
def load_synonym_groups() -> tuple[tuple[str, ...], ...]:
    """Return the synonym groups of all languages."""
    return tuple(group for language in load_languages().values() for group in language.synonyms)


def _stem_word(word: str) -> str:
    """Return the stem of one word: by the stemmer of its script, else by the English one."""
    stemmer = _load_english_stemmer()
    if not word.isascii():
        stemmer = next((stemmer for script, stemmer in _load_stemmers() if script.match(word)), stemmer)
    return str(stemmer.stemWord(word))


@lru_cache(maxsize=65536)
def _stem_with_numbers(word: str) -> str:
    """Return the stems of a word, separated by spaces; a number in digits is written as words first."""
    said = num2words(int(word)).replace("-", " ") if word.isascii() and word.isdigit() and len(word) < 12 else word
    return " ".join(_stem_word(part) for part in said.replace("neither", "none").split())


@lru_cache(maxsize=65536)
def build_stem_key(word: str) -> str:
    """Return a key, without spaces, that words with the same meaning share.

    `angry` and `anger` have the same key, and so have `21` and `twenty one`.
    """
    stem = _stem_with_numbers(word)
    return _index_synonym_stems().get(stem, stem).replace(" ", "")


def list_stems(text: str) -> list[str]:
    """Return the stems of the words in a text, in order; numbers in digits are written as words first."""
    return [part for word in split_words(text.replace("-", " ")) for part in _stem_with_numbers(word).split()]


class OptionStems:
    """Stems of each option's words, without function words.

    Function words are included if options would otherwise become equal or empty.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def _stems_by_option(self) -> list[list[str]]:
        whole = [list_stems(text) for text in self._texts]
        bare = [[stem for stem in bag if stem not in FUNCTION_WORDS] for bag in whole]
        distinct = {tuple(sorted(bag)) for bag in whole}
        return bare if len({tuple(sorted(bag)) for bag in bare}) == len(distinct) and all(bare) else whole

    def __getitem__(self, index: int) -> list[str]:
        return self._stems_by_option[index]

    def list_content_stems(self, text_stems: list[str]) -> list[str]:
        """Return `text_stems` without function words. If nothing else remains, return all of them."""
        return [stem for stem in text_stems if stem not in FUNCTION_WORDS] or text_stems


@cache
def _collect_numeral_stems() -> frozenset[str]:
    """Return the stems of the words that make up numbers."""
    values = (*range(20), *range(20, 100, 10), 100, 1000)
    return frozenset(stem for value in values for stem in list_stems(str(value))) - FUNCTION_WORDS


def is_numeral(word: str) -> bool:
    """Return True if a word can be part of a number in words, such as both words of "twenty-nine"."""
    return _stem_with_numbers(word) in _collect_numeral_stems() and not word.isdigit()


def _matches_in_order(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text contains all words of an option in the same order, possibly with other words in between.

    Only options of at least three words match. `LIKENESS_RULES` describes the parameters of all rules.
    """
    return len(option) >= 3 and [stem for stem in text_stems if stem in option] == option


def _matches_reordered(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text consists of the same words as an option, in any order and with any endings.

    `LIKENESS_RULES` describes the parameters.
    """
    return sorted(content_stems) == sorted(option) or sorted(text_stems) == sorted(option)


def _matches_inside(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text contains all words of an option, in any order, among other words.

    An option that consists of number words alone does not match. `LIKENESS_RULES` describes the parameters.
    """
    words = set(option)
    held = words.issubset(text_stems) and (len(words) == len(option) or Counter(option) <= Counter(text_stems))
    return held and not words <= _collect_numeral_stems() and len("".join(option)) > 1


def _matches_fragment(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text consists of some of an option's words. A text of number words alone does not match.

    `LIKENESS_RULES` describes the parameters.
    """
    return (
        len(content_stems) < len(option)
        and set(content_stems) <= set(option)
        and not set(content_stems) <= _collect_numeral_stems()
    )


def _matches_most_words(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text contains at least 75 % of the distinct words of an option of four or more words.

    `LIKENESS_RULES` describes the parameters.
    """
    return len(option) >= 4 and len(set(option) & set(text_stems)) >= 0.75 * len(set(option))


def _matches_misspelled(content_stems: list[str], text_stems: list[str], option: list[str]) -> bool:
    """Return True if a text consists of an option's words in order, some of them misspelled.

    Words of five or more letters may have spelling mistakes. The first letters must be equal (`unhappy` does not match
    `happy`), and a number does not match another number. `LIKENESS_RULES` describes the parameters.
    """
    return len(content_stems) == len(option) and all(
        a == b
        or (min(len(a), len(b)) >= 5 and a[0] == b[0] and b not in _collect_numeral_stems() and fuzz.ratio(a, b) >= 85)
        for a, b in zip(content_stems, option, strict=True)
    )


LIKENESS_RULES: tuple[tuple[str, Callable[[list[str], list[str], list[str]], bool]], ...] = (
    ("in_order", _matches_in_order),
    ("reordered", _matches_reordered),
    ("inside", _matches_inside),
    ("fragment", _matches_fragment),
    ("most_of", _matches_most_words),
    ("spelled", _matches_misspelled),
)
"""Rules by name, from strict to loose.

Each rule takes the stems of a text without function words (`content_stems`), all stems of the text (`text_stems`), and
the stems of an option (`option`). It returns True if the text means the option.
"""
