"""Parser of labels: finds which label a text names, by any of the label's phrases or their inflected forms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from alm_bench.core.types import ParseStatus
from alm_bench.parsing.document import Document
from alm_bench.parsing.likeness import list_stems
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
    """One occurrence of a label's phrase in a text."""

    label: int
    """Index of the label."""

    span: Span
    """Start and end of the phrase in the text."""

    denied: bool
    """True if the text denies the label ("not entailed")."""


@dataclass(frozen=True, slots=True)
class LabelReading:
    """The label that a statement selects, or the reason why it selects none."""

    status: ParseStatus
    """Outcome of parsing, as in `Parsed`."""

    rule: str
    """Name of the rule that decided."""

    span: Span
    """Start and end of the part of the text that decided."""

    label: int | None = None
    """Index of the label; None unless `status` is `ok`."""


class LabelIndex:
    """Index of the phrases of all labels, for search in texts.

    Phrases are compared by the stems of their words. A longer phrase is tried before a shorter one.
    """

    def __init__(self, phrases: Sequence[Sequence[str]]) -> None:
        pairs = [(tuple(list_stems(fold(one))), label) for label, group in enumerate(phrases) for one in group]
        self._starts: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for phrase, label in sorted(pairs, key=lambda pair: -len(pair[0])):
            if phrase:
                self._starts.setdefault(phrase[0], []).append((phrase, label))

    def find_mentions(self, plain: str, span: Span) -> list[LabelMention]:
        """Return every occurrence of a phrase within `span`, in order, without overlaps."""
        tokens = [(part, word.span()) for word in _WORD.finditer(plain, *span) for part in list_stems(word[0])]
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
                clause = _find_clause_start(plain, span[0], start)
                found.append(LabelMention(label, (start, end), bool(_DENIED.search(plain, clause, start))))
            place += max(1, len(phrase))
        return found

    def select_label(self, doc: Document, span: Span) -> LabelReading:
        """Return the label that one statement, or a whole text, selects."""
        plain = doc.plain
        mentions = self.find_mentions(plain, span)
        kept = [mention for mention in mentions if not mention.denied]
        if len({mention.label for mention in kept}) == 1:
            whole = plain[slice(*span)].strip(WRAPPING + "()[]{}<>") == plain[slice(*kept[-1].span)]
            return LabelReading("ok", "exact" if whole else "named", kept[-1].span, kept[-1].label)
        if kept:
            return _choose_among_labels(doc, span, kept)
        if doc.search_phrase("refusals", *span) or doc.search_phrase("none", *span):
            return LabelReading("refused", "refusal", span)
        return LabelReading("unparsed", "denied" if mentions else "off_list", span)


def _choose_among_labels(doc: Document, span: Span, mentions: Sequence[LabelMention]) -> LabelReading:
    """Return the reading of a statement that names several labels.

    It selects the last label if a conclusion word such as "so" begins its clause and no other label is in that clause.
    Otherwise it selects the label at the start of the statement, if a punctuation mark follows that label. Otherwise it
    selects no label: its status is `ambiguous`, or `refused` if the statement refuses to answer.
    """
    plain = doc.plain
    last = mentions[-1]
    clause = _find_clause_start(plain, span[0], last.span[0])
    # A conclusion word such as "so" ends the clause before it, so the search begins a few characters earlier.
    concludes = doc.search_phrase("conclusions", max(span[0], clause - 12), last.span[0])
    alone = {mention.label for mention in mentions if mention.span[0] >= clause} == {last.label}
    if concludes and alone and clause > span[0]:
        return LabelReading("ok", "conclusion", last.span, last.label)
    first = mentions[0]
    opened = not plain[span[0] : first.span[0]].strip(WRAPPING + "()[]#")
    if opened and _SETS_APART.match(plain, first.span[1], span[1]):
        return LabelReading("ok", "leading", first.span, first.label)
    refused = doc.search_phrase("refusals", *span)
    return LabelReading("refused" if refused else "ambiguous", "refusal" if refused else "several", span)


def _find_clause_start(plain: str, start: int, end: int) -> int:
    """Return the start of the clause that ends at `end`, at least `start`."""
    begun = start
    for mark in _CLAUSE.finditer(plain, max(start, end - 300), end):
        begun = mark.end()
    return begun


@lru_cache(maxsize=256)
def build_label_index(phrases: tuple[tuple[str, ...], ...]) -> LabelIndex:
    """Return the index of some labels' phrases, one tuple of phrases per label; built once."""
    return LabelIndex(phrases)


def index_label_phrases(labels: Mapping[str, Sequence[str]]) -> LabelIndex:
    """Return the index of the phrases of `labels` (name to phrases), built once."""
    return build_label_index(tuple(tuple(phrases) for phrases in labels.values()))
