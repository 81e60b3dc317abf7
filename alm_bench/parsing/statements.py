"""Search for passages of a text that state its answer.

They are answer tags, boxes, dictionaries, calls, and sentences such as "the answer is ...".
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alm_bench.parsing.languages import Cues
from alm_bench.parsing.tags import Tag, load_tag_table
from alm_bench.parsing.text import ENDS, Span, blank_out_spans

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{[^{}]{0,200}\}){0,400})\}")
_PAIR = re.compile(
    r"""["']?([^\W\d][\w -]{0,30}?)["']?\s*:\s*"""
    r"""(?:"([^"\n]*)"|'(.*?)'(?=\s*(?:[,}\]]|$))|(\[[^\[\]{}\n]*\])|([^,"'{}\[\]\n]+))"""
)
_BRACES = re.compile(r"[{}]")
_CALL = re.compile(r"\bfinal_?answer\(\s*([^()\n]*)\)")
_QUESTION = re.compile(r"""(["'])(?=[^\n]{3,600}?\1\s*(?:is|was|:|=|,))[^\n]{3,600}?\1(?=\s*(?:is|was|:|=|,))""")
_LINE_END = re.compile(rf"[{re.escape(ENDS)}](?=[\s\"')\]*_<]|$|[^\x00-\x7f])|[。।؟]|\n|</")
_DIRECT = r"(?!s?\s*[#(\[\"'*]*(?:[a-z]|\d{1,2})(?![\w']))(?!s?\s+(?:options|choices))"
_SAID = (
    rf"@answer_nouns{_DIRECT}(?:(?!\b(?:because|since|indicat|impl|suggest))(?:[^.\n:=?!<>\[\]。\s]|\s++)){{0,60}}?"
    r"(?:@links\s*:?|\s*(?:[:=]|[-=]+>|\s-\s))"
)
_LABEL = r"(?<![^\n.!?;>,*#|。])[\s>#*_\-]{0,12}+@labels[\s*_]*(?:[:=,]|\s-|[-=]+>|\s*\n)"
_CHOSEN = r"@choosing\s*:?"

MAX_STATEMENT_LENGTH = 600
"""Maximum length of a statement in characters."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A passage of a text that states its answer."""

    kind: str
    """Form of the statement: tag, boxed, dict, index, call, said ("the answer is ...") or chosen ("I choose ...")."""

    span: Span
    """Start and end of the stated answer in the text."""

    @property
    def is_markup(self) -> bool:
        """True if markup, rather than a sentence, shows that this is the answer."""
        return self.kind in MARKUP_KINDS


MARKUP_KINDS = ("tag", "boxed", "dict", "call", "index")
"""Kinds of statements that are marked by markup."""


def find_statements(plain: str, tags: Sequence[Tag], cues: Cues) -> list[Statement]:
    """Return all statements of a normalised text, in order.

    A statement within the markup of another one is left out.
    """
    found: list[Statement] = []
    for find_frames in (lambda text: _find_tag_statements(text, tags), _find_boxes, _find_dict_values, _find_calls):
        if new := list(find_frames(plain)):
            found += new
            plain = blank_out_spans(plain, sorted(statement.span for statement in new))
    occupied = sorted(statement.span for statement in found)
    found += [
        said
        for start, said in _find_answer_sentences(plain, cues)
        if not _overlaps_any_span(occupied, start, said.span[1])
    ]
    return sorted(found, key=lambda statement: statement.span)


def _overlaps_any_span(occupied: Sequence[Span], start: int, end: int) -> bool:
    """Return True if the span from `start` to `end` shares a character with any span of `occupied`.

    The spans of `occupied` are sorted and do not overlap.
    """
    number = bisect_left(occupied, (end, end)) - 1
    return number >= 0 and occupied[number][1] > start


def find_answer_span(plain: str, start: int) -> Span:
    """Return the span of a stated answer: from `start` to the end of the sentence.

    If the line ends there without a word, or with a colon, the next line is also part of the span. The maximum length
    is `MAX_STATEMENT_LENGTH`.
    """
    stop = min(len(plain), start + MAX_STATEMENT_LENGTH)
    match = _LINE_END.search(plain, start, stop)
    end = match.start() if match else stop
    if (
        match
        and plain[end] == "\n"
        and (not re.search(r"\w", plain[start:end]) or plain[start:end].rstrip(" *_").endswith(":"))
    ):
        following = re.compile(r"\s*[^\n]*").match(plain, end, stop)
        end = following.end() if following else end
    return start, end


def _find_tag_statements(plain: str, tags: Sequence[Tag]) -> Iterator[Statement]:
    """Yield the text between an answer tag and the next tag, or up to the end of the line if no tag follows."""
    for number, tag in enumerate(tags):
        if not tag.answers or tag.closes:
            continue
        if number + 1 < len(tags):
            yield Statement("tag", (tag.span[1], tags[number + 1].span[0]))
        else:
            line = re.compile(r"\s*[^\n]*").match(plain, tag.span[1])
            yield Statement("tag", (tag.span[1], line.end() if line else len(plain)))


def _find_boxes(plain: str) -> Iterator[Statement]:
    """Yield the content of each LaTeX box (`boxed`, `fbox`)."""
    for match in _BOXED.finditer(plain) if "\\" in plain else ():
        yield Statement("boxed", match.span(1))


def _find_calls(plain: str) -> Iterator[Statement]:
    """Yield the argument of each call `final_answer(...)`."""
    for match in _CALL.finditer(plain) if "answer(" in plain else ():
        yield Statement("call", match.span(1))


def _find_dict_values(plain: str) -> Iterator[Statement]:
    """Yield the statement of each dictionary in the text: the value of a key such as `answer`, or the only value.

    If the dictionary has a key such as `index`, the statement is the value of this key, a position counted from 0, and
    its kind is `index`.
    """
    for start, end in _find_braces(plain) if "{" in plain else ():
        pairs = list(_PAIR.finditer(plain, start, end))
        if indices := [pair for pair in pairs if re.sub(r"[\s_-]+", " ", pair[1]) in _INDEX_KEYS]:
            yield Statement("index", indices[-1].span(indices[-1].lastindex or 0))
            continue
        keyed = [pair for pair in pairs if _is_answer_key(pair[1])]
        if len(chosen := keyed[-1:] or pairs) == 1:
            yield Statement("dict", chosen[0].span(chosen[0].lastindex or 0))


def _is_answer_key(key: str) -> bool:
    """Return True if a dictionary's key names the answer, by its whole name or by its first or last word."""
    name = re.sub(r"[\s_-]+", " ", key)
    return name not in _INDEX_KEYS and not _ANSWER_KEYS.isdisjoint((name, name.split(" ")[-1], name.split(" ")[0]))


_ANSWER_KEYS = frozenset(load_tag_table()["keys"])
_INDEX_KEYS = frozenset(load_tag_table()["indices"])


def _find_braces(plain: str) -> Iterator[Span]:
    """Yield the span inside each outermost pair of braces that contains a colon."""
    depth, start = 0, 0
    for match in _BRACES.finditer(plain):
        if match[0] == "{":
            depth, start = depth + 1, start if depth else match.end()
        elif depth:
            depth -= 1
            if not depth and ":" in plain[start : match.start()]:
                yield start, match.start()


def _find_answer_sentences(plain: str, cues: Cues) -> Iterator[tuple[int, Statement]]:
    """Yield each sentence that states an answer without a condition: its start, and the statement."""
    if "?" in plain:
        plain = blank_out_spans(plain, (match.span() for match in _QUESTION.finditer(plain)))
    condition = cues.compile_pattern(r"@conditions[^.\n。]*$")
    denial = cues.compile_pattern(r"@denials_before(?:\s+\w+){0,2}\s*$")
    for kind, template in (("said", _SAID), ("said", _LABEL), ("chosen", _CHOSEN)):
        for match in cues.compile_pattern(template).finditer(plain):
            before = plain[max(0, match.start() - 100) : match.start()]
            if not condition.search(before) and not (kind == "chosen" and denial.search(before)):
                yield match.start(), Statement(kind, find_answer_span(plain, match.end()))
