"""The reasoning of a text, and the position at which the answer begins after it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alm_bench.parsing.document import Document, find_outer_reasoning, split_sentences
from alm_bench.parsing.tags import TAG_SIGNS, Tag
from alm_bench.parsing.text import Span, find_word_spans, fold, split_words

MIN_UNTAGGED_WORDS = 10
"""Minimum number of words before the sentence of the answer for which a text without reasoning tags is reasoning."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Reasoning of one text, before its answer."""

    passages: tuple[Span, ...]
    """Spans of the reasoning in the text, in order, without tags and without white space around them."""

    answer: int
    """Position of the answer, after the tags and line breaks that follow the reasoning; the length of the text if
    nothing follows."""

    tagged: bool
    """True if tags enclose the reasoning, False if it is prose before the sentence with the answer."""

    complete: bool
    """False if the text ends within its reasoning."""


def find_reasoning(text: str, answer: Span | None, answer_tags: Sequence[str] = ()) -> Reasoning | None:
    """Find the reasoning of a text; None if it has none before its answer.

    Text in reasoning tags (see tags.toml) is reasoning. Without such tags, the sentences before the one with the answer
    are the reasoning if they have at least `MIN_UNTAGGED_WORDS` words. `answer` is the span of the parsed answer
    (`Parsed.span`), None if it is not known; an explanation after it is not reasoning.
    """
    words = 0 if answer is None else count_words(text[: answer[0]])
    if words < MIN_UNTAGGED_WORDS and not any(sign in text for sign in TAG_SIGNS):
        return None  # most outputs, which need not be analysed
    document = Document(text, answer_tags)
    spans = [span for span in document.reasoning if split_words(fold(text[slice(*span)]))]
    if spans:
        return _find_tagged_reasoning(document, spans, answer)
    return None if answer is None else _find_untagged_reasoning(document, answer)


def _find_tagged_reasoning(document: Document, spans: Sequence[Span], answer: Span | None) -> Reasoning | None:
    """Return the reasoning in tags, whose spans are `spans`; None if the answer precedes it."""
    tags = [tag for tag in document.tags if not tag.answers]
    opened = [tag.span for tag in document.tags if tag.answers and not tag.closes]
    outside = [tag for tag in opened if not any(start <= tag[0] < end for start, end in spans)]
    if answer is None and outside:
        answer = outside[-1]
    if answer is not None:  # an explanation after the answer is not part of it
        spans = [span for span in spans if span[0] < answer[1]]
    if not spans or (outside and outside[0][0] < spans[0][0]):
        return None
    end = spans[-1][1]
    outer = [span for span in find_outer_reasoning(tags) if span[0] <= end <= span[1]]
    end = max([end, *(span[1] for span in outer)])
    passages = tuple(_list_passages(document.original, tags, end))
    if document.ends_in_reasoning and end == len(document.original):
        return Reasoning(passages, len(document.original), tagged=True, complete=False)
    return Reasoning(passages, _skip_tags(document, end), tagged=True, complete=True)


def _list_passages(text: str, tags: Sequence[Tag], end: int) -> Iterator[Span]:
    """Yield the spans before `end` that are between tags, without white space around them."""
    start = 0
    for stop, following in [*(tag.span for tag in tags if tag.span[0] < end), (end, end)]:
        if (inner := text[start:stop].strip()) != "":
            begin = text.index(inner, start)
            yield begin, begin + len(inner)
        start = following


def _skip_tags(document: Document, position: int) -> int:
    """Return the position after the tags and line breaks at `position`, up to and including an opening answer tag."""
    for tag in document.tags:
        if tag.span[0] < position:
            continue
        if document.original[position : tag.span[0]].strip():
            break
        position = tag.span[1]
        if tag.answers and not tag.closes:
            break
    text = document.original
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _find_untagged_reasoning(document: Document, answer: Span) -> Reasoning | None:
    """Return the sentences before the one with the answer; None if they have too few words."""
    start = next((span[0] for span in reversed(document.sentences) if span[0] <= answer[0]), 0)
    before = document.original[:start].strip()
    if count_words(before) < MIN_UNTAGGED_WORDS:
        return None
    begin = document.original.index(before)
    return Reasoning(((begin, begin + len(before)),), start, tagged=False, complete=True)


def list_sentences(text: str) -> list[Span]:
    """Return the span of each sentence of a text, in order. A line break ends a sentence."""
    return list(split_sentences(fold(text), 0, len(text)))


def count_words(text: str) -> int:
    """Return the number of words of a text; each character of a script without spaces is one word."""
    return len(find_word_spans(fold(text)))
