"""Language tables of the parsers: one TOML file of phrases per language (see README.md).

No code depends on a particular language.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

DEFAULT = "english"
"""Key of the language that every text is parsed with."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")  # the same for folded ASCII, several times as fast
_NEVER = "(?!)"
_KEY = re.compile(r"@([a-z_]+)")
_SIGN_FIRST = re.compile(r"(?:\(\?:)*+(?:[^\w(\\]|\\[^w])")
_FLAGS = ("name", "script", "signs", "spaced", "stemmer", "articles", "numbers", "synonyms", "answers", "numerals")


@dataclass(frozen=True, slots=True)
class Language:
    """One language table (see README.md)."""

    name: str
    """English name of the language."""

    script: str
    """Character class of the language's script; empty if the script does not identify the language."""

    signs: frozenset[str]
    """Words that identify a text in this language, for languages in Latin script."""

    spaced: bool
    """False if words are not separated by spaces."""

    stemmer: str
    """Name of the language's snowball stemmer."""

    articles: tuple[str, ...]
    """Words that may be before or within an option without changing its meaning."""

    numbers: Mapping[str, str]
    """Values of the table's key `numbers`; empty by default."""

    synonyms: tuple[tuple[str, ...], ...]
    """Groups of words with the same meaning; the first word represents its group."""

    phrases: Mapping[str, tuple[str, ...]]
    """Phrases by key, as regular expressions in which a space matches any white space."""

    answers: Mapping[str, Any]
    """Section `answers`, from which `answer_words` reads yes/no words."""

    numerals: Mapping[str, Any]
    """Section `numerals`, from which `answer_words` reads number words."""


@cache
def load_languages() -> dict[str, Language]:
    """Return every language table by file name, English first."""
    tables = {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in sorted(files(__package__).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }
    return {key: _parse_language(tables[key]) for key in sorted(tables, key=lambda key: (key != DEFAULT, key))}


def _parse_language(table: Mapping[str, Any]) -> Language:
    """Convert one parsed TOML table to a `Language`."""
    return Language(
        table["name"],
        table["script"],
        frozenset(table["signs"]),
        table["spaced"],
        table.get("stemmer", DEFAULT),
        tuple(table["articles"]),
        table.get("numbers", {}),
        tuple(tuple(group) for group in table.get("synonyms", ())),
        {key: tuple(value) for key, value in table.items() if key not in _FLAGS},
        table.get("answers", {}),
        table.get("numerals", {}),
    )


@cache
def _compile_script_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return pairs of a language's key and a pattern that matches one character of the language's script.

    Only languages with a script of their own are included.
    """
    return tuple((key, re.compile(f"[{lang.script}]")) for key, lang in load_languages().items() if lang.script)


@cache
def _map_signs_to_languages() -> dict[str, tuple[str, ...]]:
    """Return a mapping from each identifying word (`signs` in the language tables) to the keys of its languages."""
    found: dict[str, tuple[str, ...]] = {}
    for key, language in load_languages().items():
        for sign in language.signs:
            found[sign] = (*found.get(sign, ()), key)
    return found


def detect_cues(plain: str) -> "Cues":
    """Return the phrases of English and of every other language that is detected in a normalised text.

    A language is detected by a character of its script or by one of its identifying words.
    """
    keys = {DEFAULT}
    signs = _map_signs_to_languages()
    for word in set((_ASCII_WORD if plain.isascii() else _WORD).findall(plain)).intersection(signs):
        keys.update(signs[word])
    if not plain.isascii():
        keys.update(key for key, script in _compile_script_patterns() if script.search(plain))
    return get_cues(tuple(sorted(keys, key=lambda key: (key != DEFAULT, key))))


@lru_cache(maxsize=64)
def get_cues(keys: tuple[str, ...]) -> "Cues":
    """Return the combined phrases of the languages with these keys."""
    return Cues([load_languages()[key] for key in keys])


class Cues:
    """Phrases of several languages as regular expressions, to be matched against normalised text."""

    def __init__(self, languages: Iterable[Language]) -> None:
        self.languages = tuple(languages)
        self._patterns: dict[str, re.Pattern[str]] = {}

    def build_phrase_pattern(self, key: str) -> str:
        """Return a regular expression, as text, that matches any phrase listed under a key such as `refusals`.

        The expression matches nothing if the key has no phrases.
        """
        parts = []
        for language in self.languages:
            if phrases := language.articles if key == "articles" else language.phrases.get(key):
                joined = "|".join(phrase.replace(" ", r"\s+") for phrase in phrases)
                if not language.spaced:
                    parts.append(f"(?:{joined})")
                else:  # \b is several times as fast as the lookbehind, and equivalent before a letter
                    edge = r"(?<!\w)" if any(map(_SIGN_FIRST.match, phrases)) else r"\b"
                    parts.append(rf"{edge}(?:{joined})(?!\w)")
        return f"(?:{'|'.join(parts)})" if parts else _NEVER

    def compile_pattern(self, template: str) -> re.Pattern[str]:
        """Return a compiled regular expression, in which each `@key` of the template matches any phrase of that key.

        Example: `@refusals` matches any phrase of the key `refusals`.
        """
        if template not in self._patterns:
            self._patterns[template] = re.compile(_KEY.sub(lambda match: self.build_phrase_pattern(match[1]), template))
        return self._patterns[template]

    @cached_property
    def articles(self) -> frozenset[str]:
        """Articles of all languages together."""
        return frozenset(article for language in self.languages for article in language.articles)

    @cached_property
    def cardinal_positions(self) -> dict[str, int]:
        """Map from cardinal number words to positions of options, counted from 0: the value of `one` is 0."""
        return {
            word: position
            for language in self.languages
            for position, words in enumerate(language.phrases.get("counts", ()))
            for word in words.split("|")
        }

    def parse_ordinal(self, word: str) -> int:
        """Return the option position of a normalised ordinal word (0 for `first`), or -1 for any other word."""
        for language in self.languages:
            for position, phrase in enumerate(language.phrases.get("ordinals", ())):
                if re.fullmatch(phrase.replace(" ", r"\s+"), word):
                    return position
        return -1
