"""The languages that answers are parsed in: one table of phrases per language (see README.md), no code for any."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

DEFAULT = "english"
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")  # the same for folded ASCII, several times as fast
_NEVER = "(?!)"
_KEY = re.compile(r"@([a-z_]+)")
_SIGN_FIRST = re.compile(r"(?:\(\?:)*+(?:[^\w(\\]|\\[^w])")
_FLAGS = ("name", "script", "signs", "spaced", "stemmer", "articles", "numbers", "synonyms", "answers", "numerals")


@dataclass(frozen=True, slots=True)
class Language:
    """One table. `script` is a character class, `signs` are words that show the language, `phrases` are by key;
    `answers` and `numerals` are what `answer_words` reads."""

    name: str
    script: str
    signs: frozenset[str]
    spaced: bool
    stemmer: str
    articles: tuple[str, ...]
    numbers: Mapping[str, str]
    synonyms: tuple[tuple[str, ...], ...]
    phrases: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, Any]
    numerals: Mapping[str, Any]


@cache
def load_languages() -> dict[str, Language]:
    """Read every table, by file name, English first."""
    tables = {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in sorted(files(__package__).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }
    return {key: _language(tables[key]) for key in sorted(tables, key=lambda key: (key != DEFAULT, key))}


def _language(table: Mapping[str, Any]) -> Language:
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
def _scripts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((key, re.compile(f"[{lang.script}]")) for key, lang in load_languages().items() if lang.script)


@cache
def _signs() -> dict[str, tuple[str, ...]]:
    """The languages of each sign word."""
    found: dict[str, tuple[str, ...]] = {}
    for key, language in load_languages().items():
        for sign in language.signs:
            found[sign] = (*found.get(sign, ()), key)
    return found


def detect_cues(plain: str) -> "Cues":
    """Return the phrases of English and of the languages that a folded text shows by its script or its words."""
    keys = {DEFAULT}
    signs = _signs()
    for word in set((_ASCII_WORD if plain.isascii() else _WORD).findall(plain)).intersection(signs):
        keys.update(signs[word])
    if not plain.isascii():
        keys.update(key for key, script in _scripts() if script.search(plain))
    return cues(tuple(sorted(keys, key=lambda key: (key != DEFAULT, key))))


@lru_cache(maxsize=64)
def cues(keys: tuple[str, ...]) -> "Cues":
    """Return the phrases of these languages together."""
    return Cues([load_languages()[key] for key in keys])


class Cues:
    """The phrases of some languages, as regular expressions over folded text."""

    def __init__(self, languages: Iterable[Language]) -> None:
        self.languages = tuple(languages)
        self._patterns: dict[str, re.Pattern[str]] = {}

    def source(self, key: str) -> str:
        """Return an alternation of all phrases of a key; it matches nothing where there are none."""
        parts = []
        for language in self.languages:
            if phrases := language.articles if key == "articles" else language.phrases.get(key):
                joined = "|".join(phrase.replace(" ", r"\s+") for phrase in phrases)
                if not language.spaced:
                    parts.append(f"(?:{joined})")
                else:  # \b is several times as fast as the lookbehind, and the same before what begins with a letter
                    edge = r"(?<!\w)" if any(map(_SIGN_FIRST.match, phrases)) else r"\b"
                    parts.append(rf"{edge}(?:{joined})(?!\w)")
        return f"(?:{'|'.join(parts)})" if parts else _NEVER

    def pattern(self, template: str) -> re.Pattern[str]:
        """Return a regular expression in which `@key` stands for the phrases of a key, such as `@refusals`."""
        if template not in self._patterns:
            self._patterns[template] = re.compile(_KEY.sub(lambda match: self.source(match[1]), template))
        return self._patterns[template]

    @cached_property
    def articles(self) -> frozenset[str]:
        return frozenset(article for language in self.languages for article in language.articles)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return positions by the words that count options: `one` is 0."""
        return {
            word: position
            for language in self.languages
            for position, words in enumerate(language.phrases.get("counts", ()))
            for word in words.split("|")
        }

    def ordinal(self, word: str) -> int:
        """Return the position that a folded word names: `first` is 0; -1 for another word."""
        for language in self.languages:
            for position, phrase in enumerate(language.phrases.get("ordinals", ())):
                if re.fullmatch(phrase.replace(" ", r"\s+"), word):
                    return position
        return -1
