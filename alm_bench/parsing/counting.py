"""Choice of one number as the answer, among all numbers in a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from alm_bench.parsing.document import Document, split_sentences
from alm_bench.parsing.likeness import list_stems
from alm_bench.parsing.numbers import Number
from alm_bench.parsing.text import WRAPPING, Span, fold

_HOW_MANY = re.compile(r"\bhow\s+(?:many|often)\b([^?.,;]*)|\bnumber\s+of\b([^?.,;]*)|\bhow\s+many\s+times\b")
_VERB = re.compile(r"\b(?:are|is|were|was|do|does|did|can|could|has|have|will|in|on|at|there)\b")
_TOTAL_BEFORE = re.compile(
    r"(?:\ba\s+total\s+of|(?<!in )\btotal(?:s|ling)?\b\W*(?:is|of|to)?|=|\bsum\s+is|\bmaking|\badds?\s+up\s+to)\W*$"
)
_TOTAL_AFTER = re.compile(r"\W*(?:[\w-]+\s+){0,3}(?:in\s+total|in\s+all|altogether|overall|total\b)")
_SETS_APART = re.compile(r"[\"'*_)\]]*\s*(?:[:;(\n]|\s-\s|[.,]\s)")
ZERO_ANSWER = re.compile(
    r"\W*(?:none\b|nothing\b|zero\b|not\s+(?:any|a\s+single)\b|there\s+(?:is|are|were|was)\s+(?:no|none)\b|no\s+\w+)"
)
"""Pattern of the beginning of an answer that means 0 ("none", "there are no ..."), for questions such as "How many
...?"."""

MAX_WORDS_TO_NOUN = 3
"""Number of words after a number in which the counted noun is searched."""


@dataclass(frozen=True, slots=True)
class ChosenNumber:
    """The number that a rule chose as the answer."""

    value: str | None
    """The number in digits; None if several numbers remain possible."""

    rule: str
    """Name of the rule."""

    span: Span
    """Start and end of the number in the text."""


@lru_cache(maxsize=4096)
def find_counted_nouns(question: str) -> frozenset[str] | None:
    """Return the stems of the noun that a question counts: `dog` for "How many dogs are there?".

    A question such as "How often ...?", without a noun, counts "times". Returns None for a question that counts
    nothing.
    """
    how_many = _HOW_MANY.search(fold(question))
    if how_many is None:
        return None
    noun = _VERB.split(how_many[1] or how_many[2] or "times")[0]
    return frozenset(list_stems(noun)) or frozenset(list_stems("times"))


def choose_number(
    doc: Document, span: Span, candidates: Sequence[Number], counted: frozenset[str] | None
) -> ChosenNumber:
    """Choose the answer among the numbers of a statement or of a whole text.

    Rules, in this order:
    - the number before the noun that the question counts;
    - the only number;
    - the number that the text begins with, if a punctuation mark follows;
    - the number that the text calls the total;
    - the only number in a final sentence that is a conclusion.

    If no rule applies, the value of the result is None. There must be at least one number to choose from.

    `counted` is the result of `find_counted_nouns`.
    """
    plain = doc.plain
    if counted and (
        chosen := _choose_agreed_value(
            [one for one in candidates if _precedes_counted_noun(plain, one, span, counted)], "of_what_is_counted"
        )
    ):
        return chosen
    if chosen := _choose_agreed_value(candidates, "number"):
        return chosen
    first = candidates[0]
    opened = not plain[span[0] : first.span[0]].strip(WRAPPING + "()[]#")
    listed = first.value == "1" and plain[first.span[1] : first.span[1] + 1] in (".", ")")
    if opened and not listed and _SETS_APART.match(plain, first.span[1], span[1]):
        return ChosenNumber(first.value, "leading", first.span)
    return _choose_total(doc, span, candidates) or ChosenNumber(None, "number", span)


def _choose_agreed_value(candidates: Sequence[Number], rule: str) -> ChosenNumber | None:
    """Return the last of `candidates` if all have the same value, else None. `rule`: the rule's name in the result."""
    values = {one.value for one in candidates}
    return ChosenNumber(candidates[-1].value, rule, candidates[-1].span) if len(values) == 1 else None


def _precedes_counted_noun(plain: str, number: Number, span: Span, nouns: frozenset[str]) -> bool:
    """Return True if one of the nouns `nouns` is among the first `MAX_WORDS_TO_NOUN` words after a number."""
    following = list_stems(plain[number.span[1] : min(span[1], number.span[1] + 60)])[:MAX_WORDS_TO_NOUN]
    return bool(nouns & set(following))


def _choose_total(doc: Document, span: Span, candidates: Sequence[Number]) -> ChosenNumber | None:
    """Return the number that the text calls the total, else the only number of a final sentence that is a conclusion.

    Returns None if there is neither.
    """
    plain = doc.plain
    totals = [
        one
        for one in candidates
        if _TOTAL_BEFORE.search(plain, max(span[0], one.span[0] - 40), one.span[0])
        or _TOTAL_AFTER.match(plain, one.span[1], span[1])
    ]
    if chosen := _choose_agreed_value(totals, "total"):
        return chosen
    parts = list(split_sentences(plain, *span))
    if len(parts) > 1 and doc.search_phrase("conclusions", *parts[-1]):
        return _choose_agreed_value(
            [one for one in candidates if parts[-1][0] <= one.span[0] < parts[-1][1]], "conclusion"
        )
    return None
