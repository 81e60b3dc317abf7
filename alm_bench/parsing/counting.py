"""Choice of one number as the answer, among all numbers in a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from alm_bench.parsing.document import Document, split_sentences
from alm_bench.parsing.likeness import stems
from alm_bench.parsing.numbers import Number
from alm_bench.parsing.text import WRAPPING, Span, fold

_HOW_MANY = re.compile(r"\bhow\s+(?:many|often)\b([^?.,;]*)|\bnumber\s+of\b([^?.,;]*)|\bhow\s+many\s+times\b")
_VERB = re.compile(r"\b(?:are|is|were|was|do|does|did|can|could|has|have|will|in|on|at|there)\b")
_TOTAL_BEFORE = re.compile(
    r"(?:\ba\s+total\s+of|(?<!in )\btotal(?:s|ling)?\b\W*(?:is|of|to)?|=|\bsum\s+is|\bmaking|\badds?\s+up\s+to)\W*$"
)
_TOTAL_AFTER = re.compile(r"\W*(?:[\w-]+\s+){0,3}(?:in\s+total|in\s+all|altogether|overall|total\b)")
_SETS_APART = re.compile(r"[\"'*_)\]]*\s*(?:[:;(\n]|\s-\s|[.,]\s)")
NOTHING = re.compile(
    r"\W*(?:none\b|nothing\b|zero\b|not\s+(?:any|a\s+single)\b|there\s+(?:is|are|were|was)\s+(?:no|none)\b|no\s+\w+)"
)
"""Pattern of the beginning of an answer that means 0 ("none", "there are no ..."), for questions such as "How many
...?"."""

AFTER = 3
"""Number of words after a number in which the counted noun is searched."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The number that a rule chose as the answer."""

    value: str | None
    """The number in digits; None if several numbers remain possible."""

    rule: str
    """Name of the rule."""

    span: Span
    """Start and end of the number in the text."""


@lru_cache(maxsize=4096)
def counted_nouns(question: str) -> frozenset[str] | None:
    """Return the stems of the noun that a question counts: `dog` for "How many dogs are there?".

    A question such as "How often ...?", without a noun, counts "times". Returns None for a question that counts
    nothing.
    """
    asked = _HOW_MANY.search(fold(question))
    if asked is None:
        return None
    noun = _VERB.split(asked[1] or asked[2] or "times")[0]
    return frozenset(stems(noun)) or frozenset(stems("times"))


def choose_number(doc: Document, span: Span, found: Sequence[Number], counted: frozenset[str] | None) -> Chosen:
    """Choose the answer among the numbers of a statement or of a whole text.

    Rules, in this order:
    - the number before the noun that the question counts;
    - the only number;
    - the number that the text begins with, if a punctuation mark follows;
    - the number that the text calls the total;
    - the only number in a final sentence that is a conclusion.

    If no rule applies, the value of the result is None. There must be at least one number to choose from.

    `counted` is the result of `counted_nouns`.
    """
    plain = doc.plain
    if counted and (
        chosen := _only([one for one in found if _counts(plain, one, span, counted)], "of_what_is_counted")
    ):
        return chosen
    if chosen := _only(found, "number"):
        return chosen
    first = found[0]
    opened = not plain[span[0] : first.span[0]].strip(WRAPPING + "()[]#")
    listed = first.value == "1" and plain[first.span[1] : first.span[1] + 1] in (".", ")")
    if opened and not listed and _SETS_APART.match(plain, first.span[1], span[1]):
        return Chosen(first.value, "leading", first.span)
    return _summed_up(doc, span, found) or Chosen(None, "number", span)


def _only(found: Sequence[Number], rule: str) -> Chosen | None:
    """Return the last of some numbers if all have the same value, else None."""
    values = {one.value for one in found}
    return Chosen(found[-1].value, rule, found[-1].span) if len(values) == 1 else None


def _counts(plain: str, number: Number, span: Span, counted: frozenset[str]) -> bool:
    """Return True if a counted noun is among the first words after a number."""
    following = stems(plain[number.span[1] : min(span[1], number.span[1] + 60)])[:AFTER]
    return bool(counted & set(following))


def _summed_up(doc: Document, span: Span, found: Sequence[Number]) -> Chosen | None:
    """Return the number that the text calls the total, else the only number of a final sentence that is a conclusion.

    Returns None if there is neither.
    """
    plain = doc.plain
    totals = [
        one
        for one in found
        if _TOTAL_BEFORE.search(plain, max(span[0], one.span[0] - 40), one.span[0])
        or _TOTAL_AFTER.match(plain, one.span[1], span[1])
    ]
    if chosen := _only(totals, "total"):
        return chosen
    parts = list(split_sentences(plain, *span))
    if len(parts) > 1 and doc.search("conclusions", *parts[-1]):
        return _only([one for one in found if parts[-1][0] <= one.span[0] < parts[-1][1]], "conclusion")
    return None
