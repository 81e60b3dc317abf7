"""Search index of options by their words, which finds the longest option at the start of a sequence of words."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache

from alm_bench.parsing.likeness import build_stem_key
from alm_bench.parsing.text import Token

_ACCIDENTALS = {"flat": "b", "sharp": "#"}
_PREFIX = re.compile(r"^(?:(?:l|d|qu|dell|all|nell|sull|dall)'(?=\w)|(?:و|ب|ل)?ال(?=\w{2}))")


class OptionSearchIndex:
    """Search index of options by their joined words, in which spaces and hyphens between words make no difference.

    Words are compared by their stems, or literally if two options have equal stems. Articles in a text are skipped
    within an option. `option_words` maps the index of each option to its words, `articles` are the words to skip.
    """

    def __init__(self, option_words: dict[int, list[str]], articles: frozenset[str]) -> None:
        self._articles = articles
        self._exact: dict[str, int] = {}
        self._stemmed: dict[str, int | None] = {}
        for i, parts in option_words.items():
            exact = stemmed = ""
            for before, part in zip(["", *parts], parts, strict=False):
                word = _strip_affixes(part, before)
                exact, stemmed = _append_word(exact, word), _append_word(stemmed, build_stem_key(word))
            self._exact.setdefault(exact, i)
            self._stemmed[stemmed] = None if self._stemmed.get(stemmed, i) != i else i
        keys = [*self._exact, *self._stemmed]
        self._prefixes = {key[:stop] for key in keys for stop in range(1, len(key) + 1)}
        self.longest = max(map(len, keys), default=0)
        self.notes = any(parts[0] == "a" and len(parts) > 1 for parts in option_words.values())

    @cached_property
    def may_begin_option(self) -> Callable[[str], bool]:
        """A function that takes a normalised word and returns True if an option may begin with it."""

        @lru_cache(maxsize=10_000)
        def may_begin_option(word: str) -> bool:
            plain = word.isascii() and "'" not in word
            return not plain or word in self._prefixes or build_stem_key(word) in self._prefixes

        return may_begin_option

    def match(self, tokens: Iterable[Token]) -> tuple[int, Token, Token, bool] | None:
        """Find the longest option whose words are at the start of the sequence `tokens`.

        Returns the option's index, the first and the last token of the match, and True if the match is inflected. A
        literal match is preferred to a longer inflected one. Returns None without a match.
        """
        exact, stemmed, before = "", "", ""
        first: Token | None = None
        best: tuple[int, Token, Token, bool] | None = None
        for token in tokens:
            word = _strip_affixes(token.text, before)
            longer, longer_stemmed = _append_word(exact, word), _append_word(stemmed, build_stem_key(word))
            if longer in self._prefixes or longer_stemmed in self._prefixes:
                exact, stemmed, first = longer, longer_stemmed, first or token
                if exact in self._exact:
                    best = (self._exact[exact], first, token, False)
                elif (index := self._stemmed.get(stemmed)) is not None and (best is None or best[3]):
                    best = (index, first, token, True)
            elif first is None or token.text not in self._articles:
                break
            before = token.text
        return best


def _strip_affixes(word: str, previous_word: str) -> str:
    """Return a word without the article or the ending that is attached to it. `previous_word` is the previous word.

    After the name of a note, "flat" and "sharp" become accidentals: `E flat` is `Eb`.
    """
    if word in _ACCIDENTALS and len(previous_word) == 1 and previous_word in "abcdefg":
        return _ACCIDENTALS[word]
    return _PREFIX.sub("", word.removesuffix("'s")) if "'" in word or not word.isascii() else word


def _append_word(key: str, word: str) -> str:
    """Append a word to a key, with a separator between two numbers."""
    return f"{key}/{word}" if key[-1:].isdigit() and word[:1].isdigit() else key + word
