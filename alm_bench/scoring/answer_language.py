"""Language of an answer: which language a text is written in, and whether that is the expected one.

The script of the letters is looked at first, then yes/no words, then the frequencies of letter sequences (py3langid, a
naive Bayes model that is part of the package). An answer of one or two words is often a name, which is the same in
many languages. Its language is then `unsure`, which is a result of its own and never counted as right or wrong.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

from alm_bench.core.languages import LANGUAGE_NAMES, WRITTEN_AS, normalise_language
from alm_bench.parsing.answer_words import load_answer_words
from alm_bench.parsing.text import normalise_text

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

VERSION = "language@1"
"""Name and version of the rules. The version is raised with every change that can change a result."""

LanguageVerdict = Literal["expected", "other", "unsure"]
"""The answer is in the expected language, in another one, or its language cannot be determined."""

MIN_PROBABILITY = 0.8
"""Smallest probability of the most likely language. At this value, the language of 87 % of 14,548 real questions in 14
languages is determined, and it is right for all but 11, which quote another language (docs/languages.md)."""

MIN_WORDS = 3
"""Smallest number of words whose language is determined by letter sequences."""

MIN_SHARE = 0.8
"""Smallest share of the letters of a text that are in one script."""

MIN_HAN = 10
"""Number of Chinese characters from which on a text without kana is Chinese: a Japanese sentence of this length has
kana."""

_LATIN = ("de", "en", "es", "fr", "id", "it", "nl", "pl", "pt", "ro", "sv", "tr", "vi")
_SCRIPTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "latin": ("a-zA-Z\u00c0-\u024f\u1e00-\u1eff", _LATIN),
    "cyrillic": ("\u0400-\u052f", ("bg", "ru", "uk")),
    "arabic": ("\u0600-\u06ff\u0750-\u077f", ("ar", "fa", "ur")),
    "devanagari": ("\u0900-\u0963\u0970-\u097f", ("hi", "mr", "ne")),
    "cjk": ("\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff", ("ja", "zh")),
    "hangul": ("\u1100-\u11ff\uac00-\ud7af", ("ko",)),
    "bengali": ("\u0980-\u09ff", ("bn",)),
    "tamil": ("\u0b80-\u0bff", ("ta",)),
    "thai": ("\u0e00-\u0e7f", ("th",)),
    "greek": ("\u0370-\u03ff", ("el",)),
    "hebrew": ("\u0590-\u05ff", ("he",)),
}
"""Characters of each script, as a character class, and the languages that are written in it."""

_KANA = re.compile("[\u3040-\u30ff]")
_WORD = re.compile(r"[^\W\d_]+")
_NAMES_TO_CODES = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """Language of a text, or the languages that it may be in."""

    language: str | None
    """Code of the language; None if it is not certain."""

    possible: frozenset[str] = frozenset()
    """Codes of the languages that the text may be in; empty if the text excludes none."""


@lru_cache(maxsize=65536)
def detect_language(text: str) -> DetectedLanguage:
    """Return the language of a text. Cantonese counts as Chinese, as which it is written."""
    letters = [character for character in unicodedata.normalize("NFKC", text) if character.isalpha()]
    counts = Counter(script for letter in letters if (script := _find_writing_system(letter)) is not None)
    if not counts:
        return DetectedLanguage(None)
    script, count = counts.most_common(1)[0]
    if count < MIN_SHARE * len(letters):
        return DetectedLanguage(None)
    if (languages := _find_yes_no_languages(text)) is not None:
        return DetectedLanguage(next(iter(languages)) if len(languages) == 1 else None, languages)
    candidates = _SCRIPTS[script][1]
    if len(candidates) == 1:
        return DetectedLanguage(candidates[0], frozenset(candidates))
    found = _detect_cjk(letters) if script == "cjk" else _classify_language(text, candidates)
    # Names are written in Latin letters in texts of many languages, so that these letters alone exclude none.
    possible = frozenset((found,)) if found else frozenset() if script == "latin" else frozenset(candidates)
    return DetectedLanguage(found, possible)


def check_language(text: str, expected: str) -> LanguageVerdict:
    """Compare the language of a text with the expected one, given by its code.

    Return `expected` if they are the same, `other` if the text cannot be in the expected language, else `unsure`.
    """
    code = normalise_language(expected)
    code = WRITTEN_AS.get(code, code)
    detected = detect_language(text)
    if detected.possible and code not in detected.possible:
        return "other"
    return "expected" if detected.language == code else "unsure"


@lru_cache(maxsize=4096)
def _find_writing_system(letter: str) -> str | None:
    """Return the name of the writing system of a letter (a key of `_SCRIPTS`), or None."""
    return next((name for name, pattern in _compile_writing_system_patterns().items() if pattern.match(letter)), None)


@cache
def _compile_writing_system_patterns() -> Mapping[str, re.Pattern[str]]:
    """Return, by name of the writing system, a pattern that matches one of its characters."""
    return {name: re.compile(f"[{characters}]") for name, (characters, _) in _SCRIPTS.items()}


def _find_yes_no_languages(text: str) -> frozenset[str] | None:
    """Return the languages in which the whole text is a yes or a no; None for any other text."""
    return _list_yes_no_words().get(normalise_text(text).strip(".!。！ "))


@cache
def _list_yes_no_words() -> Mapping[str, frozenset[str]]:
    """Return the languages of each word and phrase that means yes or no, from the parser's language tables."""
    found: dict[str, set[str]] = {}
    for name, words in load_answer_words().items():
        if (code := _NAMES_TO_CODES.get(name)) is not None:
            for word in (word for level in words.yes_no.values() for word in level):
                found.setdefault(word, set()).add(code)
    return {word: frozenset(codes) for word, codes in found.items()}


def _detect_cjk(letters: Sequence[str]) -> str | None:
    """Return `ja` or `zh` for a text in kana or Chinese characters; None if it may be both.

    The character sets of the national standards tell them apart: JIS X 0208 has no simplified characters, GB 2312 and
    Big5 have no Japanese ones.
    """
    text = "".join(letters)
    if _KANA.search(text):
        return "ja"
    japanese, chinese = _is_encodable(text, "shift_jis"), _is_encodable(text, "gb2312") or _is_encodable(text, "big5")
    if japanese != chinese:
        return "ja" if japanese else "zh"
    return "zh" if len(letters) >= MIN_HAN else None


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _classify_language(text: str, candidates: tuple[str, ...]) -> str | None:
    """Return the most likely language of a text by its letter sequences; None if it is too short or not certain."""
    if len(_WORD.findall(text)) < MIN_WORDS:
        return None
    language, probability = _load_language_classifier(candidates).classify(text)
    return str(language) if probability >= MIN_PROBABILITY else None


@cache
def _load_language_classifier(candidates: tuple[str, ...]) -> "LanguageIdentifier":
    """Return py3langid's classifier, limited to the candidate languages; with no candidates, for all its languages."""
    if candidates:
        identifier = copy(_load_language_classifier(()))  # a copy shares the arrays of the model
        identifier.set_languages(candidates)
        return identifier
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
