"""Where a text names which of the options."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import islice
from typing import NamedTuple

import snowballstemmer
from num2words import num2words
from rapidfuzz import fuzz

from alm_bench.parsing.numbers import is_number, numbers
from alm_bench.parsing.old_text import Span, fold, normalise, past, words

_DROPPED = frozenset(
    word
    for words in (
        ("a", "an", "the", "and", "of", "is", "are", "was", "were", "be", "to", "in", "on", "at", "it", "its", "with"),
        ("their", "his", "her", "your", "this", "that"),
    )
    for word in words
)
"""Words that rarely tell options apart; kept where they do."""

_BETWEEN = frozenset(("a", "an", "the", "and"))
"""Words that may stand within an option's text without changing it."""

_PIECE = re.compile(r"[^\s,;_<>{}\\]+")
_MARKS = "\"'.,!?:()[]{}<>*-&`$\\"

# Denied: "not a dog", "no sign of a dog", "rather than a dog"; but not in "what does not fit is a dog".
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|without|unlike|except|excluding|cannot|whether|rather\s+than|instead\s+of|other\s+than)"
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


@cache
def _stemmer() -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    said = num2words(int(word)).replace("-", " ") if word.isascii() and word.isdigit() and len(word) < 12 else word
    return " ".join(_stemmer().stemWords(said.replace("neither", "none").split()))


def stems(text: str) -> list[str]:
    """The words of a text without their endings, numbers in words."""
    return [part for word in words(text.replace("-", " ")) for part in _stem(word).split()]


class Piece(NamedTuple):
    """What stands between two blanks or commas, without the marks around it. `place` is its start, `end` its end."""

    text: str
    place: int
    end: int


def pieces(plain: str, start: int, end: int) -> Iterator[Piece]:
    for match in _PIECE.finditer(plain, start, end):
        bare = match[0].lstrip(_MARKS)
        place = match.end() - len(bare)
        if bare := bare.rstrip(_MARKS):
            yield Piece(bare, place, place + len(bare))


class Options:
    """The options of one question, ready to be looked for. Among equal options the first stands for all."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.texts = [normalise(choice) for choice in choices]
        self.first = [self.texts.index(text) for text in self.texts]
        self._folded = [fold(choice).strip() for choice in choices]
        self._distinct = [i for i, first in enumerate(self.first) if first == i and self.texts[i]]

    @cached_property
    def _starts(self) -> dict[str, list[tuple[int, list[str]]]]:
        """By first piece, the longest first: an option's place and its pieces, without an article before them."""
        found: dict[str, list[tuple[int, list[str]]]] = {}
        for i in sorted(self._distinct, key=lambda i: -len(self.texts[i])):
            parts = [piece.text for piece in pieces(self._folded[i], 0, len(self._folded[i]))]
            kept = parts[1:] if len(parts) > 1 and parts[0] in _BETWEEN else parts
            if kept:
                found.setdefault(kept[0], []).append((i, kept))
        return found

    @cached_property
    def numeric(self) -> bool:
        return any(is_number(text) for text in self.texts)

    @cached_property
    def _bags(self) -> list[list[str]]:
        """Each option's telling words: without those that are dropped, unless options would be equal then."""
        whole = [stems(text) for text in self.texts]
        bare = [[stem for stem in bag if stem not in _DROPPED] for bag in whole]
        distinct = {tuple(sorted(bag)) for bag in whole}
        return bare if len({tuple(sorted(bag)) for bag in bare}) == len(distinct) and all(bare) else whole

    def letter(self, index: int) -> bool:
        """Whether an option is a single letter: within a sentence that is a word or a name."""
        return len(self.texts[index]) == 1 and self.texts[index].isalpha()

    def foreign(self, text: str) -> bool:
        """Whether a text is in another script than the options, so that it cannot name one."""
        return all(option.isascii() for option in self.texts) and not re.search(r"[a-z0-9]", text)

    def exact(self, text: str) -> int | None:
        plain = normalise(text)
        return self.texts.index(plain) if plain in self.texts else None

    def at(self, plain: str, start: int, end: int) -> Mention | None:
        """The longest option that the text names at `start`, an article before it passed over."""
        said = list(islice(pieces(plain, start, end), self._longest))
        if not said or said[0].place != past(plain, (start, end), _MARKS):
            return None
        for place, piece in enumerate(said[:3]):
            if found := self._match(plain, said, place):
                return found[0]
            after = said[place + 1].place if place + 1 < len(said) else piece.end
            if piece.text not in _BETWEEN or plain[piece.end : after].strip():
                return None
        return None

    def named(self, plain: str, start: int, end: int) -> list[Mention]:
        """All options that the text names between `start` and `end`, the longer where one holds another."""
        said, mentions, place = list(pieces(plain, start, end)), [], 0
        while place < len(said):
            if found := self._match(plain, said, place):
                mentions.append(found[0])
                place = found[1]
            else:
                place += 1
        return mentions

    def _match(self, plain: str, said: Sequence[Piece], place: int) -> tuple[Mention, int] | None:
        """The longest option that begins with piece `place`, and the piece behind it."""
        for i, wanted in self._starts.get(said[place].text, self._starts.get(_owner(said[place].text), ())):
            at, last = place, place
            for part in wanted:
                while at < len(said) and at > place and said[at].text != part and said[at].text in _BETWEEN:
                    at += 1
                if at == len(said) or part not in (said[at].text, _owner(said[at].text)):
                    break
                last, at = at, at + 1
            else:
                piece = said[last]
                end = piece.end if piece.text == wanted[-1] else piece.end - len("'s")
                return self._mention(plain, i, said[place].place, end), at
        return None

    @cached_property
    def _longest(self) -> int:
        """Pieces that an option can take up in a text, articles between them included."""
        return 3 + 2 * max((len(wanted) for starts in self._starts.values() for _, wanted in starts), default=0)

    def glued(self, plain: str, start: int, end: int) -> Mention | None:
        """An option at `start` that a leftover sticks to: a placeholder (`Jazzyour_answer`), or after several words."""
        for i in sorted(self._distinct, key=lambda i: -len(self._folded[i])):
            if plain.startswith(self._folded[i], start, end):
                rest = _LEFTOVER.match(plain, start + len(self._folded[i]), end)
                if rest and ("_" in rest[0] or len(words(self.texts[i])) > 2):
                    return self._mention(plain, i, start, rest.start())
        return None

    def _mention(self, plain: str, index: int, start: int, end: int) -> Mention:
        before, after = plain[max(0, start - _WINDOW) : start], plain[end : end + 30]
        clause = _CLAUSE.split(before)[-1]
        other = self.texts[index] == "none" and after.startswith(" of ")  # "none of the options" names no option
        denied = other or bool(_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(after))
        marked = bool(_OPENS.match(before[-1:]) and _CLOSES.match(after))
        return Mention(index, (start, end), denied, marked)

    def like(self, text: str) -> tuple[int, str] | None:
        """The one option that a short text means in other words, and by which rule."""
        said = stems(text) if len(text) < _LONG else []
        telling = [stem for stem in said if stem not in _DROPPED] or said
        if not telling or (_DENIAL.search(text) and not any(map(_DENIAL.search, self.texts))):
            return None
        for rule, fits in _LIKENESS:
            hits = [i for i in self._distinct if fits(telling, said, self._bags[i])]
            if len(hits) == 1:
                return hits[0], rule
            if hits:
                return None
        return self._quantity(text)

    def _quantity(self, text: str) -> tuple[int, str] | None:
        """The option with the one number that a text gives: `132 BPM` is `132.0`. "One" may be no number."""
        said = {float(number) for span, number in numbers(text, (0, len(text))).items() if text[slice(*span)] != "one"}
        hits = [i for i in self._distinct if len(said) == 1 and self._numbers[i] == said]
        return (hits[0], "quantity") if len(hits) == 1 else None

    @cached_property
    def _numbers(self) -> list[set[float]]:
        return [{float(number) for number in numbers(text, (0, len(text))).values()} for text in self.texts]

    def covering(self, text: str, named: Iterable[int]) -> int | None:
        """The one option that joins all those named: "thunder and rain" is "Rain and thunder", "or" is not."""
        said, parts = set(stems(text)), {stem for i in named for stem in self._bags[i]}
        hits = [i for i in self._distinct if parts <= set(self._bags[i]) <= said]
        return hits[0] if len(hits) == 1 and not said & {"or", "either"} else None


@cache
def _numerals() -> frozenset[str]:
    """Stems of the words that numbers are made of."""
    numbers = (*range(20), *range(20, 100, 10), 100, 1000)
    return frozenset(stem for number in numbers for stem in stems(str(number))) - _DROPPED


def _in_order(telling: list[str], said: list[str], option: list[str]) -> bool:
    """All the option's words in its own order, others between them."""
    return len(option) >= 3 and [stem for stem in said if stem in option] == option


def _same(telling: list[str], said: list[str], option: list[str]) -> bool:
    """The same words in another order or with other endings."""
    return sorted(telling) == sorted(option) or sorted(said) == sorted(option)


def _inside(telling: list[str], said: list[str], option: list[str]) -> bool:
    """All the option's words among others; a numeral is no such word."""
    return set(option) <= set(said) and not set(option) <= _numerals() and len("".join(option)) > 1


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


_LIKENESS: tuple[tuple[str, Callable[[list[str], list[str], list[str]], bool]], ...] = (
    ("in_order", _in_order),
    ("reordered", _same),
    ("inside", _inside),
    ("fragment", _fragment),
    ("most_of", _most),
    ("spelled", _spelled),
)
"""Rules from strict to loose: whether telling words, or all that are said, mean an option."""


def _owner(word: str) -> str:
    """`dog` of `dog's`."""
    return word.removesuffix("'s")
