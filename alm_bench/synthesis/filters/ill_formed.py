"""Filter of ill-formed questions: they quote the caption, are cut off, or repeat themselves."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

LEAST_WORDS = 3
"""Smallest number of words of a question."""

MOST_WORDS = 60
"""Largest number of words of a question, without its options."""

_REPEATS, _RUN = 3, 6
"""Number of times that the same run of words may not occur in one text, and the length of the run."""

_CAPTION = re.compile(
    r"\b(?:caption|transcript|(?:described|mentioned|stated|written) (?:above|below)"
    r"|(?:the|this|given|above|following|provided) (?:\w+ )?(?:description|passage|text|sentence|prompt)"
    r"|(?:mentioned|described|stated) in the (?:\w+ )?(?:description|text|passage|sentence))\b",
    re.IGNORECASE,
)
_LEFTOVER = re.compile(
    r"[<\[{][^<>\[\]{}]{1,40}[>\]}]|\b(?:question|answer) ?\d*:|\boption [a-h]\b|\*\*", re.IGNORECASE
)
_WORDS = re.compile(r"\w+(?:'\w+)?")


class IllFormed(RowFilter):
    """Finds questions that mention the caption, contain leftovers of the output format, are too short or too long, or
    repeat themselves."""

    name = "ill_formed"
    summary = "questions that mention the caption, hold leftovers of a list, are cut off or repeat themselves"
    order = 15

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        for row in rows:
            if (reason := _find_fault(row)) is not None:
                yield Finding(row.id, reason, row.question[:80])


def _find_fault(row: QuestionRow) -> str | None:
    """Return the first fault of a row's question; None if there is none."""
    words = _WORDS.findall(row.question.lower())
    if len(words) < LEAST_WORDS:
        return "question of fewer than three words"
    if len(words) > MOST_WORDS:
        return f"question of more than {MOST_WORDS} words"
    if _CAPTION.search(row.question):
        return "question mentions the caption"
    if _LEFTOVER.search(row.question) or (not row.choices and _LEFTOVER.search(row.answer)):
        return "leftover of the output format"
    for text in (words, _WORDS.findall(row.answer.lower())):
        runs = Counter(zip(*(text[start:] for start in range(_RUN)), strict=False))
        if runs and max(runs.values()) >= _REPEATS:
            return "text repeats itself"
    return None


FILTERS = (IllFormed,)
