"""Which of some labels a text says, in any of a label's phrases and their inflected forms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from alm_bench.core.types import ParseStatus
from alm_bench.parsing.document import Document
from alm_bench.parsing.likeness import stems
from alm_bench.parsing.text import WRAPPING, Span, fold

_WORD = re.compile(r"[^\W_]+(?:['.][^\W_]+)*")
_DENIED = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|without|whether|if|cannot|rather\s+than|instead\s+of|other\s+than)\b|n't\b)"
    r"(?:\s+(?!but\b|so\b|rather\b)[\w'-]+){0,4}\s*[\"'(*]*$"
)
_CLAUSE = re.compile(r"[.;:!?\n]|,\s*which\b|\b(?:but|so|therefore|thus|hence|however)\b")
_SETS_APART = re.compile(r"[\"'*_)\]]*\s*(?:[.:;(\n]|\s-\s)(?!\s*\d)")


@dataclass(frozen=True, slots=True)
class LabelMention:
    """A label's phrase at `span`."""

    label: int
    span: Span
    denied: bool


@dataclass(frozen=True, slots=True)
class LabelReading:
    """The label that a statement gives, or why it gives none."""

    status: ParseStatus
    rule: str
    span: Span
    label: int | None = None


class Labels:
    """The phrases of some labels, ready to be looked for: the longest first, words without their endings."""

    def __init__(self, phrases: Sequence[Sequence[str]]) -> None:
        pairs = [(tuple(stems(fold(one))), label) for label, group in enumerate(phrases) for one in group]
        self._starts: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for phrase, label in sorted(pairs, key=lambda pair: -len(pair[0])):
            if phrase:
                self._starts.setdefault(phrase[0], []).append((phrase, label))

    def mentions(self, plain: str, span: Span) -> list[LabelMention]:
        """Every phrase between the two ends, in order; none within another."""
        tokens = [(part, word.span()) for word in _WORD.finditer(plain, *span) for part in stems(word[0])]
        found, place = [], 0
        while place < len(tokens):
            phrase, label = next(
                (
                    (phrase, label)
                    for phrase, label in self._starts.get(tokens[place][0], ())
                    if tuple(stem for stem, _ in tokens[place : place + len(phrase)]) == phrase
                ),
                ((), -1),
            )
            if phrase:
                start, end = tokens[place][1][0], tokens[place + len(phrase) - 1][1][1]
                clause = _clause_start(plain, span[0], start)
                found.append(LabelMention(label, (start, end), bool(_DENIED.search(plain, clause, start))))
            place += max(1, len(phrase))
        return found

    def read(self, doc: Document, span: Span) -> LabelReading:
        """Read one statement, or the body of a text."""
        plain = doc.plain
        mentions = self.mentions(plain, span)
        kept = [mention for mention in mentions if not mention.denied]
        if len({mention.label for mention in kept}) == 1:
            whole = plain[slice(*span)].strip(WRAPPING + "()[]{}<>") == plain[slice(*kept[-1].span)]
            return LabelReading("ok", "exact" if whole else "named", kept[-1].span, kept[-1].label)
        if kept:
            return _several(doc, span, kept)
        if doc.search("refusals", *span) or doc.search("none", *span):
            return LabelReading("refused", "refusal", span)
        return LabelReading("unparsed", "denied" if mentions else "off_list", span)


def _several(doc: Document, span: Span, kept: Sequence[LabelMention]) -> LabelReading:
    """Of several labels, the one that the last clause concludes on, or that the text begins with."""
    plain = doc.plain
    last = kept[-1]
    clause = _clause_start(plain, span[0], last.span[0])
    # The word that concludes stands at the clause's start, so it belongs to the break before it.
    concludes = doc.search("conclusions", max(span[0], clause - 12), last.span[0])
    alone = {mention.label for mention in kept if mention.span[0] >= clause} == {last.label}
    if concludes and alone and clause > span[0]:
        return LabelReading("ok", "conclusion", last.span, last.label)
    first = kept[0]
    opened = not plain[span[0] : first.span[0]].strip(WRAPPING + "()[]#")
    if opened and _SETS_APART.match(plain, first.span[1], span[1]):
        return LabelReading("ok", "leading", first.span, first.label)
    refused = doc.search("refusals", *span)
    return LabelReading("refused" if refused else "ambiguous", "refusal" if refused else "several", span)


def _clause_start(plain: str, start: int, end: int) -> int:
    begun = start
    for mark in _CLAUSE.finditer(plain, max(start, end - 300), end):
        begun = mark.end()
    return begun


@lru_cache(maxsize=256)
def labels_of(phrases: tuple[tuple[str, ...], ...]) -> Labels:
    return Labels(phrases)


def phrases_of(labels: Mapping[str, Sequence[str]]) -> Labels:
    """The labels' phrases, prepared once."""
    return labels_of(tuple(tuple(phrases) for phrases in labels.values()))
