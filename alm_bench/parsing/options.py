"""Where a text names which of the options."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer
from num2words import num2words
from rapidfuzz import fuzz

from alm_bench.parsing.text import Span, fold, normalise, words

_DROPPED = {
    "a",
    "an",
    "the",
    "and",
    "of",
    "is",
    "are",
    "was",
    "were",
    "be",
    "to",
    "in",
    "on",
    "at",
    "it",
    "its",
    "with",
}
_DROPPED |= {"their", "his", "her", "your", "this", "that"}
"""Words that rarely tell options apart; kept where they do."""

_JOIN = r"[\s,;:_\"'*&-]+(?:(?:and|the|an|a)[\s,;:_\"'*&-]+)*"
_BEFORE = r"(?<![\w#])(?<!\w[-'/])(?<!\d\.)"
_AFTER = r"(?![\w#]|[-/]\w|'(?!s\b)\w|\.\d)"

# Denied: "not a dog", "no sign of a dog", "rather than a dog"; but not in "what does not fit is a dog".
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|without|unlike|except|excluding|cannot|rather\s+than|instead\s+of|other\s+than)"
    r"|n't)\b(?:\s+(?!(?:is|are|was|were|but)\b)[(\[]?[\w'-]+[)\]]?,?){0,4}[\s\"'(\[<*]*$"
)
_DENIED_AFTER = re.compile(
    r"[\s\"')\]>*]*(?:(?:is|are|was|were|can|could|would|does|do|did|has|have|seems?)\s*(?:not\b|n't\b|never\b"
    r"|also\s+not\b)|cannot\b|(?:is|are|was|were|seems?)\s+(?:incorrect|wrong|unlikely|absent|ruled\s+out|eliminated))"
)
_DENIAL = re.compile(r"\b(?:not|no|never|neither|nor|none|without)\b|n't\b")
_CLAUSE = re.compile(r"[.;:!?\n](?=\s|$)|\bbut\b")
_OPENS, _CLOSES = re.compile(r"[\"'<\[(*]"), re.compile(r"[.,]?[\"'>\])*]")
_LONG = 600
"""Characters beyond which a text is no paraphrase of an option."""
_LEFTOVER = re.compile(r"[\"')\]]*[^\W\d]\w*")
_WINDOW = 60
"""Characters before a mention in which it can be denied."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An option's text at `span`. `marked` where quotation marks or brackets stand around it."""

    index: int
    span: Span
    denied: bool
    marked: bool


@lru_cache(maxsize=1)
def _stemmer() -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    said = num2words(int(word)).replace("-", " ") if word.isascii() and word.isdigit() and len(word) < 12 else word
    return " ".join(_stemmer().stemWords(said.split()))


def stems(text: str) -> list[str]:
    """The words of a text without their endings, numbers in words."""
    return [part for word in words(text.replace("-", " ")) for part in _stem(word).split()]


class Options:
    """The options of one question, ready to be looked for. Among equal options the first stands for all."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.texts = [normalise(choice) for choice in choices]
        self.first = [self.texts.index(text) for text in self.texts]
        patterns = {i: _pattern(choice) for i, choice in enumerate(choices) if self.first[i] == i and self.texts[i]}
        self._places = sorted(patterns, key=lambda i: -len(self.texts[i]))
        found = "|".join(f"(?P<o{i}>{patterns[i]})" for i in self._places)
        self._named = re.compile(f"{_BEFORE}(?:(?:an?|the)\\s+)?(?:{found}){_AFTER}") if patterns else None
        self._glued = re.compile(f"(?:(?:an?|the)\\s+)?(?:{found})") if patterns else None
        self._bags = self._content()
        self.numeric = any(text and set(stems(text)) <= NUMERALS for text in self.texts)

    def _content(self) -> list[list[str]]:
        """Each option's telling words: without those that are dropped, unless options would be equal then."""
        whole = [stems(text) for text in self.texts]
        bare = [[stem for stem in bag if stem not in _DROPPED] for bag in whole]
        distinct = {tuple(sorted(bag)) for bag in whole}
        kept = bare if len({tuple(sorted(bag)) for bag in bare}) == len(distinct) and all(bare) else whole
        return kept

    def foreign(self, text: str) -> bool:
        """Whether a text is in another script than the options, so that it cannot name one."""
        return all(option.isascii() for option in self.texts) and not re.search(r"[a-z0-9]", text)

    def exact(self, text: str) -> int | None:
        plain = normalise(text)
        return self.texts.index(plain) if plain in self.texts else None

    def at(self, plain: str, start: int, end: int) -> Mention | None:
        """The longest option that the text names at `start`."""
        match = self._named.match(plain, start, end) if self._named else None
        return None if match is None else self._mention(plain, match)

    def named(self, plain: str, start: int, end: int) -> list[Mention]:
        """All options that the text names between `start` and `end`, the longer where one holds another."""
        matches = self._named.finditer(plain, start, end) if self._named else ()
        return [self._mention(plain, match) for match in matches]

    def glued(self, plain: str, start: int, end: int) -> Mention | None:
        """An option at `start` that a leftover sticks to: a placeholder (`Jazzyour_answer`), or after several words."""
        match = self._glued.match(plain, start, end) if self._glued else None
        rest = _LEFTOVER.match(plain, match.end(), end) if match else None
        if match is None or rest is None:
            return None
        mention = self._mention(plain, match)
        return mention if "_" in rest[0] or len(words(self.texts[mention.index])) > 2 else None

    def _mention(self, plain: str, match: re.Match[str]) -> Mention:
        start, end = match.span()
        before, after = plain[max(0, start - _WINDOW) : start], plain[end : end + 30]
        clause = _CLAUSE.split(before)[-1]
        index = int(str(match.lastgroup)[1:])
        other = self.texts[index] == "none" and after.startswith(" of ")  # "none of the options" names no option
        denied = other or bool(_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(after))
        marked = bool(_OPENS.match(before[-1:]) and _CLOSES.match(after))
        return Mention(index, (start, end), denied, marked)

    def like(self, text: str) -> tuple[int, str] | None:
        """The one option that a short text means in other words, and by which rule."""
        said = stems(text) if len(text) < _LONG else []
        telling = [stem for stem in said if stem not in _DROPPED] or said
        if not telling or _DENIAL.search(text):
            return None
        for rule, fits in _LIKENESS:
            hits = [i for i in self._places if fits(telling, said, self._bags[i])]
            if len(hits) == 1:
                return hits[0], rule
            if hits:
                return None
        return None


NUMERALS = {stem for number in (*range(20), *range(20, 100, 10), 100, 1000) for stem in stems(str(number))} - _DROPPED
"""Words of numbers."""


def _same(telling: list[str], said: list[str], option: list[str]) -> bool:
    """The same words in another order or with other endings."""
    return sorted(telling) == sorted(option) or sorted(said) == sorted(option)


def _inside(telling: list[str], said: list[str], option: list[str]) -> bool:
    """All the option's words among others; a numeral is no such word."""
    return set(option) <= set(said) and not set(option) <= NUMERALS and len("".join(option)) > 1


def _fragment(telling: list[str], said: list[str], option: list[str]) -> bool:
    """Nothing but words of the option."""
    return len(telling) < len(option) and set(telling) <= set(option) and not set(telling) <= NUMERALS


def _most(telling: list[str], said: list[str], option: list[str]) -> bool:
    """Nearly all of the words of a long option."""
    return len(option) >= 4 and len(set(option) & set(said)) >= 0.75 * len(set(option))


def _spelled(telling: list[str], said: list[str], option: list[str]) -> bool:
    """The option's words, long ones with a slip in them; `unhappy` is no slip of `happy`, nor one number of another."""
    return len(telling) == len(option) and all(
        a == b or (min(len(a), len(b)) >= 5 and a[0] == b[0] and b not in NUMERALS and fuzz.ratio(a, b) >= 85)
        for a, b in zip(telling, option, strict=True)
    )


_LIKENESS: tuple[tuple[str, Callable[[list[str], list[str], list[str]], bool]], ...] = (
    ("reordered", _same),
    ("inside", _inside),
    ("fragment", _fragment),
    ("most_of", _most),
    ("spelled", _spelled),
)
"""Rules from strict to loose: whether telling words, or all that are said, mean an option."""


def _pattern(choice: str) -> str:
    """A regular expression for an option's words, whatever stands between them."""
    pieces = [piece.strip("\"'.,!?:()[]{}<>*-&") for piece in re.split(r"[\s,;_]+", fold(choice))]
    pieces = [piece for piece in pieces if piece]
    if len(pieces) > 1 and pieces[0] in ("a", "an", "the"):
        pieces = pieces[1:]
    return _JOIN.join(map(re.escape, pieces)) if pieces else re.escape(fold(choice).strip())
