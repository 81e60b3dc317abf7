"""Filter of refused answers: the right answer is that nothing can be known."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from alm_bench.data.inline_options import normalise_option
from alm_bench.parsing.document import Document
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

_LABEL_SET_ROWS = 20
"""Number of rows with the same options from which these are taken for the labels of a task, such as entailment, where
"cannot be determined" is a proper answer."""

_UNKNOWN = re.compile(
    r"(?:\b(?:not|never|isn't|aren't|wasn't|no(?:t)? \w+ly)\b|n't) (?:\w+ )?"
    r"(?:specified|mentioned|stated|given|provided|described|indicated|available|clear|known|possible to \w+|sure)\b"
    r"|\bno (?:\w+ )?(?:information|mention|details?|indication|description)\b"
    r"|\b(?:hard|difficult|impossible) to (?:tell|say|know|determine)\b|\bcan(?:not|'t| not) (?:tell|say|be told)\b"
    r"|\b(?:undetermined|indeterminate|unspecified|unknown|undisclosed)\b|\b(?:i|we) (?:do not|don't) know\b"
    r"|\bas an? (?:ai|language model)\b",
    re.IGNORECASE,
)


class Refused(RowFilter):
    """Finds rows whose right answer refuses to answer or says that the answer is not known."""

    name = "refused"
    summary = "answers that refuse, or say that nothing can be known"
    order = 20

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        label_sets = Counter(_get_option_set(row) for row in rows if row.choices)
        for row in rows:
            if row.choices and label_sets[_get_option_set(row)] >= _LABEL_SET_ROWS:
                continue
            if is_refusal(row.answer):
                yield Finding(row.id, "refused answer", row.answer[:80])


def _get_option_set(row: QuestionRow) -> frozenset[str]:
    return frozenset(map(normalise_option, row.choices))


@lru_cache(maxsize=65536)
def is_refusal(answer: str) -> bool:
    """Return True if an answer contains a phrase of refusal: one that the answer parser knows in any language, or one
    that says that a fact is not known ("not specified")."""
    if _UNKNOWN.search(answer) is not None:
        return True
    document = Document(answer)
    return document.search_phrase("refusals") is not None


FILTERS = (Refused,)
