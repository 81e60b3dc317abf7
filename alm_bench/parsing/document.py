"""An explicit model of a model's text, for every form of answer: choices, yes or no, labels and numbers.

A `Document` knows which part of a text is reasoning and which is the answer, where its sentences and lines are, in
which languages it is written, and where it states its answer (`statements`). It knows nothing of options.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from alm_bench.parsing.languages import detect_cues
from alm_bench.parsing.statements import Statement, find_statements
from alm_bench.parsing.tags import Tag, find_tags
from alm_bench.parsing.text import ENDS, Span, blank, fold, word_spans, words

_MARKUP = re.compile(
    r"<\s*\|[^|<>]{0,30}\|\s*>|</?(?:s|eos|bos|pad|unk|b|i|u|em|strong|p|br|div|span|end_of_turn|start_of_turn|eot)\s*/?>"
    r"|```(?!json|xml|text|markdown|md)[a-z+#]+[^`]*(?:```|\Z)"
    r"|```[a-z]*|\\(?=[\"'])|\\[()\[\],;! ]"
    r"|\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname)\b|\*\*|__"
)
_SPEAKER = re.compile(r"\s*(?:assistant|user|system|model)\b(?:\s*:|(?=\s))")
_EXAMPLE = re.compile(r"\(\s*e\.\s?g\.[^)\n]*(?:\)|$)", re.MULTILINE)
_END = re.compile(  # begins with a set of characters, for which the others are passed over at once
    rf"[{re.escape(ENDS)}\n<](?:(?<=[{re.escape(ENDS)}])[{re.escape(ENDS)}]*+"
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bmr\.)(?<!\bmrs\.)(?<!\bdr\.)(?<!\n\d\.)(?<!\n\d\d\.)"
    r"(?=[\s\"')\]*_}<]|$|[^\x00-\x7f])|(?<=[。।؟\n])|(?<=<)/)"
)
_FINISHED = re.compile(rf"[{re.escape(ENDS)}>)\]}}*`）」$][\s\"'*_]*\Z|\w\"\s*\Z")
_WORD = re.compile(r"\w")
_QUOTED = re.compile(r"\"[^\"\n]{1,300}\"")

LONGEST = 1000
"""Characters of a sentence that are read."""


class Document:
    """One text. `original` is the text as it came, `plain` folded and as long, with markup and reasoning left blank.

    `words` are where the words of `plain` are (see `text.word_spans`), `cues` the phrases of the languages that it
    shows. `cut` is true where the text ends within reasoning that was never closed. `tags` are all tags of the table.
    """

    def __init__(self, text: str, answer_tags: Sequence[str] = ()) -> None:
        self.original = text
        self.memo: dict[object, Any] = {}  # what others find in the text once, by whom
        folded = fold(text)
        self.tags = tuple(find_tags(folded, answer_tags))
        hidden, self.cut = _reasoning(self.tags, folded)
        self._shown = blank(folded, sorted(_markup(folded, self.tags)))
        visible = blank(self._shown, hidden)
        if hidden and not words(visible):  # nothing but reasoning
            visible = blank(self._shown, hidden[:-1]) if not self.cut else visible
        self.plain = visible
        self.words = word_spans(visible)
        self.cues = detect_cues(visible)

    def leave_blank(self, spans: Iterable[Span]) -> None:
        """Replace parts of the text, in order, by spaces."""
        self.plain = blank(self.plain, spans)
        self.words = word_spans(self.plain)

    def count_words(self, start: int, end: int) -> int:
        """Count the words between two positions; in scripts without blanks, a run of characters is one."""
        if not self.plain.isascii():
            return len(words(self.plain[start:end]))
        return bisect_left(self.words, (end,)) - bisect_left(self.words, (start,))

    @cached_property
    def sentences(self) -> list[Span]:
        """The sentences outside the reasoning, in order; a line break ends one."""
        return list(split_sentences(self.plain, 0, len(self.plain)))

    def sentence_at(self, position: int) -> Span:
        """Return the sentence that holds a position, or else the one before it."""
        return self.sentences[max(0, bisect_right(self.sentences, (position, len(self.plain))) - 1)]

    @cached_property
    def lines(self) -> list[Span]:
        """The lines outside the reasoning that hold a word."""
        spans, start = [], 0
        for line in self.plain.split("\n"):
            if _WORD.search(line):
                spans.append((start, start + len(line)))
            start += len(line) + 1
        return spans

    @cached_property
    def statements(self) -> list[Statement]:
        """Where the text states its answer, in order."""
        return find_statements(self.plain, self.tags, self.cues)

    @cached_property
    def finished(self) -> bool:
        """Whether the text ends as a sentence ends; a text that does not may have been cut."""
        return any(_FINISHED.search(text[-40:].rstrip()) for text in (self.original, self.plain))

    def search(self, key: str, start: int = 0, end: int | None = None) -> re.Match[str] | None:
        """Find the first phrase of a language table's key, such as `refusals`, outside of quotations."""
        return self.cues.pattern("@" + key).search(self.unquoted, start, len(self.plain) if end is None else end)

    def first(self, key: str, start: int, end: int) -> re.Match[str] | None:
        """Find as `search` does, by a list that is made once: for what is asked of many parts of a text."""
        if key not in self.memo:
            self.memo[key] = list(self.cues.pattern("@" + key).finditer(self.unquoted))
        matches: list[re.Match[str]] = self.memo[key]
        number = bisect_left(matches, start, key=lambda match: match.start())
        return matches[number] if number < len(matches) and matches[number].end() <= end else None

    @cached_property
    def unquoted(self) -> str:
        """`plain` with quotations of several words left blank: what is quoted is not said."""
        spans = (match.span() for match in _QUOTED.finditer(self.plain))
        return blank(self.plain, (span for span in spans if len(words(self.plain[slice(*span)])) > 1))

    @cached_property
    def _denies(self) -> bool:
        """Whether the text denies anything."""
        return self.cues.pattern(r"@denials_before|@denials_after|[❌✗✘✖?]").search(self.plain) is not None

    def is_denied(self, start: int, end: int) -> bool:
        """Whether what stands between two positions is denied: "not a dog", "no sign of a dog", "the dog is absent"."""
        if not self._denies:
            return False
        window = self.plain[max(0, start - WINDOW) : start]
        clause = self.cues.pattern(_CLAUSE).split(window)[-1]
        if self.cues.pattern(_BEFORE).search(clause):
            return True
        return self.cues.pattern(_AFTER).match(self.plain, end, end + WINDOW) is not None


WINDOW = 90
"""Characters before and after a mention in which it can be denied."""

_CLAUSE = r"[.;:!?。\n](?=\s|$|[^\x00-\x7f])|@contrasts|,\s*(?=@turns)"
_BEFORE = r"@denials_before(?:\s*+(?!@copulas)[(\[]?[^\s,.;:()]++[)\]]?){0,6}?(?:\s*@articles\s*,)?[\s\"'(\[<*]*$"
_AFTER = r"[\s\"')\]>*.]*(?:@denials_after|❌|✗|✘|✖|\?\s*@no(?![\w ]))"


def split_sentences(plain: str, start: int, end: int) -> Iterator[Span]:
    """Yield the sentences of a part of a folded text; a line break ends one, a list's number does not."""
    for match in _END.finditer(plain, start, end):
        yield from _pieces(plain, start, match.start())
        start = match.end()
    yield from _pieces(plain, start, end)


def _pieces(plain: str, start: int, end: int) -> Iterator[Span]:
    for begin in range(start, end, LONGEST):
        if plain[begin : min(end, begin + LONGEST)].strip():
            yield begin, min(end, begin + LONGEST)


def _reasoning(tags: Sequence[Tag], folded: str) -> tuple[list[Span], bool]:
    """Return the spans of reasoning, and whether the last was never closed.

    An answer's tag that ends the text ends the reasoning too; one with more words behind it is part of the reasoning.
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
        elif not hidden:  # its beginning was part of the prompt
            hidden = [(0, tag.span[0])]
    if opened:
        hidden.append((opened.span[1], len(folded)))
    return hidden, opened is not None


def _markup(folded: str, tags: Sequence[Tag]) -> Iterator[Span]:
    for tag in tags:
        yield tag.span
    if speaker := _SPEAKER.match(folded):
        yield speaker.span()
    for pattern in (_MARKUP, _EXAMPLE):
        for match in pattern.finditer(folded):
            yield match.span()
