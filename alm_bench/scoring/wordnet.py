"""Meanings of English words by WordNet 3.0 (Miller, CACM 1995), from the copy inside METEOR's jar (no Java is started).

The jar is a part of the package pycocoevalcap, which also computes METEOR; its WordNet licence is in the jar.
"""

import zipfile
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

from alm_bench.core.errors import MetricError
from alm_bench.scoring.java import find_pycocoevalcap_folder

JAR = "meteor-1.5.jar"
_FOLDER = "synonym/english."

# WordNet's own rules of inflection (morphy): ending of an inflected form, ending of its base form.
_ENDINGS = (
    *(
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    *(("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
)

SHORTEST_PART = 4
"""Minimum number of letters of the part of a compound that two words share (`plane` in `airplane`)."""

SHORTEST_REST = 3
"""Minimum number of letters of the other part of a compound, which must be a word, too."""


@cache
def _load_meanings() -> Mapping[str, frozenset[str]]:
    """Return the ids of the sets of synonyms that contain each base form. Raises MetricError if the jar is missing."""
    return {word: frozenset(ids.split()) for word, ids in _read_entries("synsets")}


@cache
def _load_irregular_forms() -> Mapping[str, tuple[str, ...]]:
    """Return the base forms of irregular inflected forms (`teeth`: `tooth`)."""
    found: dict[str, tuple[str, ...]] = {}
    for base, forms in _read_entries("exceptions"):
        for form in forms.split():
            found[form] = (*found.get(form, ()), base)
    return found


def _read_entries(name: str) -> Iterator[tuple[str, str]]:
    """Return an iterator over the entries (word, value) of the table `name` in METEOR's jar.

    Each entry has two lines in the file: the word, then its value.

    Raises MetricError if the jar cannot be read.
    """
    path = find_pycocoevalcap_folder("meteor") / JAR
    try:
        with zipfile.ZipFile(path) as jar:
            lines = jar.read(f"{_FOLDER}{name}").decode().splitlines()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise MetricError(
            f"needs WordNet from {path}, which cannot be read ({error}): reinstall pycocoevalcap"
        ) from error
    return zip(lines[::2], lines[1::2], strict=True)


@lru_cache(maxsize=65536)
def list_base_forms(word: str) -> frozenset[str]:
    """Return a lower-case word and its possible base forms in WordNet (`running`: `running`, `run`)."""
    known = _load_meanings()
    stripped = {word[: -len(end)] + base for end, base in _ENDINGS if word.endswith(end)}
    return frozenset({word, *_load_irregular_forms().get(word, ()), *(form for form in stripped if form in known)})


@lru_cache(maxsize=65536)
def _look_up_meanings(word: str) -> frozenset[str]:
    """Return the ids of all sets of synonyms of a word in any form."""
    known = _load_meanings()
    return frozenset().union(*(known.get(form, frozenset()) for form in list_base_forms(word)))


def are_synonyms(one: str, other: str) -> bool:
    """Return True if two lower-case words are synonyms in any of their meanings (`running` and `flowing`)."""
    return not _look_up_meanings(one).isdisjoint(_look_up_meanings(other))


def is_part_of_compound(one: str, other: str) -> bool:
    """Return True if one word begins or ends the other, and the rest is a word, too (`rain`, `rainfall`)."""
    short, long = sorted((one, other), key=len)
    known = _load_meanings()
    for part in list_base_forms(short):
        for whole in list_base_forms(long):
            rest = whole.removeprefix(part) if whole.startswith(part) else whole.removesuffix(part)
            if len(part) >= SHORTEST_PART and SHORTEST_REST <= len(rest) < len(whole) and rest in known:
                return True
    return False
