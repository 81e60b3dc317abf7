"""Structure of a model's text, shared by the parsers of all forms of answer: options, yes/no, labels and numbers.

A `Document` separates the reasoning from the answer, splits the text into sentences and lines, detects its languages,
and finds the passages that state the answer (`statements`). It does not depend on the options of a question.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from alm_bench.parsing.languages import detect_cues
from alm_bench.parsing.statements import Statement, find_statements
from alm_bench.parsing.tags import Tag, find_tags
from alm_bench.parsing.text import ENDS, Span, blank_out_spans, find_word_spans, fold, split_words

_MARKUP = re.compile(
    r"<\s*\|[^|<>]{0,30}\|\s*>|</?(?:s|eos|bos|pad|unk|b|i|u|em|strong|p|br|div|span|end_of_turn|start_of_turn|eot)\s*/?>"
    r"|```(?!json|xml|text|markdown|md)[a-z+#]+[^`]*(?:```|\Z)"
    r"|```[a-z]*|\\(?=[\"'])|\\[()\[\],;! ]"
    r"|\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname)\b|\*\*|__"
)
_SPEAKER = re.compile(r"\s*(?:assistant|user|system|model)\b(?:\s*:|(?=\s))")
_EXAMPLE = re.compile(r"\(\s*e\.\s?g\.[^)\n]*(?:\)|$)", re.MULTILINE)
_END = re.compile(  # a set of characters first, so that all others are skipped quickly
    rf"[{re.escape(ENDS)}\n<](?:(?<=[{re.escape(ENDS)}])[{re.escape(ENDS)}]*+"
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bdr\.)(?<!\n\d\.)(?<!\n\d\d\.)"
    r"(?=[\s\"')\]*_}<]|$|[^\x00-\x7f])|(?<=[。।؟\n])|(?<=<)/)"
)
_FINISHED = re.compile(rf"[{re.escape(ENDS)}>)\]}}*`）」$][\s\"'*_]*\Z|\w\"\s*\Z")
_WORD = re.compile(r"\w")
_QUOTED = re.compile(r"\"[^\"\n]{1,300}\"")

MAX_SENTENCE_LENGTH = 1000
"""Maximum length of a sentence in characters; a longer sentence is split into pieces."""


class Document:
    """One text with its structure.

    Attributes:
    - `original`: the text as the model wrote it;
    - `plain`: the text normalised with `fold`, of the same length, with spaces in place of markup and reasoning;
    - `words`: spans of the words in `plain` (see `text.find_word_spans`);
    - `cues`: phrases of the languages that were detected in `plain`;
    - `reasoning`: spans of the text between reasoning tags, in order;
    - `ends_in_reasoning`: True if the text ends within reasoning, whose closing tag is missing;
    - `tags`: all reasoning tags and answer tags in the text, in order;
    - `memo`: cache for results that other modules compute from the text.

    `answer_tags` are names of further answer tags, in addition to the ones in tags.toml.
    """

    def __init__(self, text: str, answer_tags: Sequence[str] = ()) -> None:
        self.original = text
        self.memo: dict[object, Any] = {}  # results of other modules, by their key
        folded = fold(text)
        self.tags = tuple(find_tags(folded, answer_tags))
        hidden, self.ends_in_reasoning = _find_reasoning(self.tags, folded)
        self.reasoning = tuple(hidden)
        self._shown = blank_out_spans(folded, sorted(_find_markup(folded, self.tags)))
        self.plain = visible = self._blank_reasoning(hidden)
        self.words = find_word_spans(visible)
        self.cues = detect_cues(visible)

    def _blank_reasoning(self, reasoning_spans: Sequence[Span]) -> str:
        """Return the normalised text with spaces in place of markup and reasoning. `reasoning_spans`: spans of the
        reasoning.

        If no word would be left, the last of these spans is not replaced with spaces, since it must contain the answer.
        It is replaced, however, if the text ends within the reasoning.
        """
        visible = blank_out_spans(self._shown, sorted([*reasoning_spans, *find_outer_reasoning(self.tags)]))
        if not reasoning_spans or split_words(visible):
            return visible
        visible = blank_out_spans(self._shown, reasoning_spans)
        if split_words(visible) or self.ends_in_reasoning:
            return visible
        return blank_out_spans(self._shown, reasoning_spans[:-1])

    def blank_spans(self, spans: Iterable[Span]) -> None:
        """Replace `spans` of `plain`, which are in order, with spaces."""
        self.plain = blank_out_spans(self.plain, spans)
        self.words = find_word_spans(self.plain)

    def count_words(self, start: int, end: int) -> int:
        """Return the number of words between two positions.

        In scripts without spaces between words, a run of characters counts as one word, unlike in
        `reasoning.count_words`.
        """
        if not self.plain.isascii():
            return len(split_words(self.plain[start:end]))
        return bisect_left(self.words, (end,)) - bisect_left(self.words, (start,))

    @cached_property
    def sentences(self) -> list[Span]:
        """Spans of the sentences outside the reasoning, in order. A line break ends a sentence."""
        return list(split_sentences(self.plain, 0, len(self.plain)))

    def get_sentence_span(self, position: int) -> Span:
        """Return the span of the sentence that contains a position, or of the last sentence before it."""
        return self.sentences[max(0, bisect_right(self.sentences, (position, len(self.plain))) - 1)]

    @cached_property
    def lines(self) -> list[Span]:
        """Spans of the lines outside the reasoning that contain at least one word."""
        spans, start = [], 0
        for line in self.plain.split("\n"):
            if _WORD.search(line):
                spans.append((start, start + len(line)))
            start += len(line) + 1
        return spans

    @cached_property
    def statements(self) -> list[Statement]:
        """Passages in which the text states its answer, in order."""
        return find_statements(self.plain, self.tags, self.cues)

    @cached_property
    def looks_complete(self) -> bool:
        """True if the text ends like a complete sentence. A text that does not may have been truncated."""
        return any(_FINISHED.search(text[-40:].rstrip()) for text in (self.original, self.plain))

    def search_phrase(self, key: str, start: int = 0, end: int | None = None) -> re.Match[str] | None:
        """Return the first match of a phrase list, such as `refusals`, between `start` and `end`.

        `key` is a key of the language tables. Quotations are not searched. Returns None without a match.
        """
        return self.cues.compile_pattern("@" + key).search(
            self.plain_without_quotes, start, len(self.plain) if end is None else end
        )

    @cached_property
    def plain_without_quotes(self) -> str:
        """`plain` with spaces in place of quotations of two or more words, because a quotation is not an assertion."""
        spans = (match.span() for match in _QUOTED.finditer(self.plain))
        return blank_out_spans(self.plain, (span for span in spans if len(split_words(self.plain[slice(*span)])) > 1))

    @cached_property
    def _has_denial(self) -> bool:
        """True if the text contains any denial."""
        return self.cues.compile_pattern(r"@denials_before|@denials_after|[❌✗✘✖?]").search(self.plain) is not None

    def is_denied(self, start: int, end: int) -> bool:
        """Return True if the text denies the words between two positions.

        Examples: "not a dog", "no sign of a dog", "the dog is absent".
        """
        if not self._has_denial:
            return False
        window = self.plain[max(0, start - DENIAL_WINDOW) : start]
        clause = self.cues.compile_pattern(_CLAUSE).split(window)[-1]
        if self.cues.compile_pattern(_BEFORE).search(clause):
            return True
        return self.cues.compile_pattern(_AFTER).match(self.plain, end, end + DENIAL_WINDOW) is not None


DENIAL_WINDOW = 90
"""Number of characters before and after a mention in which a denial is searched."""

_CLAUSE = r"[.;:!?。\n](?=\s|$|[^\x00-\x7f])|@contrasts|,\s*(?=@turns)"
_BEFORE = r"@denials_before(?:\s*+(?!@copulas)[(\[]?[^\s,.;:()]++[)\]]?){0,6}?(?:\s*@articles\s*,)?[\s\"'(\[<*]*$"
_AFTER = r"[\s\"')\]>*.]*(?:@denials_after|❌|✗|✘|✖|\?\s*@no(?![\w ]))"


def split_sentences(plain: str, start: int, end: int) -> Iterator[Span]:
    """Yield the span of each sentence in a part of a normalised text.

    A line break ends a sentence; the point after a list number ("2.") does not.
    """
    for match in _END.finditer(plain, start, end):
        yield from _split_long_span(plain, start, match.start())
        start = match.end()
    yield from _split_long_span(plain, start, end)


def _split_long_span(plain: str, start: int, end: int) -> Iterator[Span]:
    """Yield a span in pieces of at most `MAX_SENTENCE_LENGTH` characters, without pieces of white space."""
    for begin in range(start, end, MAX_SENTENCE_LENGTH):
        if plain[begin : min(end, begin + MAX_SENTENCE_LENGTH)].strip():
            yield begin, min(end, begin + MAX_SENTENCE_LENGTH)


def _find_reasoning(tags: Sequence[Tag], folded: str) -> tuple[list[Span], bool]:
    """Return the spans of reasoning, and True if the last reasoning tag was never closed.

    An answer tag that ends the text also ends the reasoning before it. An answer tag with a closing tag and more words
    after it is part of the reasoning.
    """
    hidden: list[Span] = []
    opened: Tag | None = None
    ends = bool(tags) and not (tags[-1].closes and _WORD.search(folded, tags[-1].span[1]))
    last_close = max((number for number, tag in enumerate(tags) if tag.closes and not tag.answers), default=-1)
    for number, tag in enumerate(tags):
        if tag.answers:
            if opened and not tag.closes and number > last_close and ends:
                hidden.append((opened.span[1], tag.span[0]))
                opened = None
        elif not tag.closes:
            if opened:
                hidden.append((opened.span[1], tag.span[0]))
            opened = tag
        elif opened:
            hidden.append((opened.span[1], tag.span[0]))
            opened = None
        elif not hidden:  # the opening tag was part of the prompt
            hidden = [(0, tag.span[0])]
    if opened:
        hidden.append((opened.span[1], len(folded)))
    return hidden, opened is not None


def find_outer_reasoning(tags: Sequence[Tag]) -> Iterator[Span]:
    """Yield the spans between a reasoning tag and the closing tag of the same name, whatever tags are within them."""
    opened: dict[str, Tag] = {}
    for tag in tags:
        if tag.answers:
            continue
        if not tag.closes:
            opened.setdefault(tag.name, tag)
        elif (start := opened.pop(tag.name, None)) is not None:
            yield start.span[1], tag.span[0]


def _find_markup(folded: str, tags: Sequence[Tag]) -> Iterator[Span]:
    """Yield the spans of markup: tags, the speaker's name at the start, HTML and LaTeX commands, "(e.g. ...)"."""
    for tag in tags:
        yield tag.span
    if speaker := _SPEAKER.match(folded):
        yield speaker.span()
    for pattern in (_MARKUP, _EXAMPLE):
        for match in pattern.finditer(folded):
            yield match.span()
