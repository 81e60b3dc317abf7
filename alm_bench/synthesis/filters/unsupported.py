"""Filter of answers that the caption does not support."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from alm_bench.core import Request
from alm_bench.parsing import parse_yes_no
from alm_bench.parsing.likeness import FUNCTION_WORDS, build_stem_key
from alm_bench.scoring.wordnet import are_synonyms, is_part_of_compound
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.prompts import load_synthesis_prompts
from alm_bench.synthesis.rows import QuestionRow

LEAST_COVERAGE = 0.5
"""Smallest share of the content words of an answer that its caption must have."""

_WORDS = re.compile(r"[^\W_]+")
_GENERAL = frozenset(
    (
        *("sound", "sounds", "sounding", "noise", "noises", "audio", "recording", "clip", "hear", "heard", "hearing"),
        *("someone", "something", "there", "then", "after", "before", "while", "during", "first", "last", "second"),
        *("followed", "follows", "by", "from", "for", "as", "or", "but", "and", "can", "be"),
        *("being", "been", "has", "have", "had", "who", "which", "what", "when", "where", "also"),
        *("only", "very", "more", "most", "into", "over", "under", "near", "some", "any", "other"),
        *("several",),
    )
)
"""Words that say nothing about the content of a recording."""


class Unsupported(RowFilter):
    """Finds answers most of whose content words are not in the caption.

    A word of the answer counts as present if the caption contains an inflected form of it, a synonym (WordNet), or a
    compound with it. A yes/no answer is checked with the words of its question; "no" is accepted if they are absent.
    Answers that are inferred ("outdoors") have none of the caption's words. Rows are therefore flagged by default, not
    removed. With a judge (`FilterSettings.judge`), a text model decides about these rows, and only those that it
    rejects are found.
    """

    name = "unsupported"
    summary = "answers that the caption does not support"
    action = "flag"
    order = 60

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        found = [
            Finding(row.id, "answer not in the caption", f"{100 * coverage:.0f} % of its words: {row.answer[:60]}")
            for row in rows
            if row.captions and (coverage := compute_support(row)) < LEAST_COVERAGE
        ]
        if settings.judge is None or not found:
            yield from found
            return
        by_id = {row.id: row for row in rows}
        answers = settings.judge([_create_judge_request(by_id[one.row]) for one in found])
        for one in found:
            verdict = parse_yes_no(answers.get(f"{one.row}/judge", ""))
            if verdict.index != 0:
                said = "the judge says no" if verdict.index == 1 else "the judge says neither yes nor no"
                yield Finding(one.row, one.reason, f"{one.detail}; {said}")


def _create_judge_request(row: QuestionRow) -> Request:
    template = load_synthesis_prompts()["judge"]
    fields = {"caption": row.caption, "question": row.question, "answer": row.answer}
    return Request(f"{row.id}/judge", template.render(fields))


def compute_support(row: QuestionRow) -> float:
    """Return the share of the content words of a row's answer that occur in its captions, 0 to 1; 1 if the answer has
    no content words.

    For the answer "yes", the words of the question are looked up instead. For "no", the result is 0 if all of them
    occur in the captions, else 1.
    """
    caption = list_content_words(row.caption)
    said = parse_yes_no(row.answer) if len(row.answer.split()) <= 3 else None
    if said is not None and said.index is not None:
        covered = compute_coverage(list_content_words(row.question), caption)
        return covered if said.index == 0 else 1.0 if covered < 1.0 else 0.0
    return compute_coverage(list_content_words(row.answer), caption)


def compute_coverage(words: Sequence[str], available: Sequence[str]) -> float:
    """Return the share of `words` that occur in `available`, as an inflected form, a synonym or in a compound, 0 to 1;
    1 if there are no `words`."""
    keys = {build_stem_key(word) for word in available}
    covered = sum(
        build_stem_key(word) in keys or any(_are_related_words(word, other) for other in available) for word in words
    )
    return covered / len(words) if words else 1.0


@lru_cache(maxsize=262144)
def _are_related_words(word: str, other: str) -> bool:
    """Return True if two words are synonyms, or if one is part of the other, a compound."""
    return are_synonyms(word, other) or is_part_of_compound(word, other)


@lru_cache(maxsize=65536)
def list_content_words(text: str) -> tuple[str, ...]:
    """Return the different words of a text in lower case, without function words and words for sounds in general."""
    words = dict.fromkeys(_WORDS.findall(text.casefold()))
    return tuple(word for word in words if word not in FUNCTION_WORDS and word not in _GENERAL)


FILTERS = (Unsupported,)
