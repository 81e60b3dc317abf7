"""Where a text states its answer, and where it declines to give one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from alm_bench.parsing.old_text import Span, blank

_THOUGHT = re.compile(r"<\s*(/?)\s*think(?:ing)?\s*>")
_TAG = re.compile(r"[<\[]\s*(/?)\s*(?:final[ _])?answer\s*[>\]]?(?=\s|\W|\w)")
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]{0,200}\}){0,400})\}")
_DICT = re.compile(r"\{([^{}\n]{1,600})\}")
_PAIR = re.compile(r"""["']?([^\W\d][\w ]{0,30}?)["']?\s*:\s*(?:"([^"]*)"|'(.*?)'(?=\s*(?:,|$))|([^,"']+))""")
_VALUE_KEYS = ("answer", "choice", "option", "prediction", "label", "response")

_NOUN = r"(?:answer|option|choice|match|fit|output|selection|guess|verdict|candidate)"
_REASON = r"\b(?:indicat|impl|suggest|because|since)"
_SAYS = re.compile(
    rf"\b(?:{_NOUN}\b(?![^.\n:?!]{{0,40}}\b(?:options|choices|following)\b)(?:(?!{_REASON})[^.\n:=?!<>\[\]]){{0,60}}?"
    r"(?:\b(?:is|was|be)\b(?:\s+(?:that(?!')|either|most\s+likely|likely|probably|simply|indeed)\b)?\s*:?|[:=]|->)"
    r"|(?:respuesta|antwort|réponse|resposta|risposta)\b[^.\n:]{0,30}?(?:\b(?:es|ist|est|é|è)\b|:)"
    r")|答案\s*(?:是|为|應該是|应该是|is|:)?"
)
_COUNTS = re.compile(r"\b(?:total|count)\b[^.\n:=?!<>\[\]]{0,40}?(?:\b(?:is|was)\b|[:=])")
_CHOOSES = re.compile(r"\b(?:choos(?:e|ing)|select(?:ing)?|pick(?:ing)?|(?:go|going|went)\s+with|opt(?:ing)?\s+for)\b")
_CONDITIONAL = re.compile(r"\b(?:if|whether|when|unless)\b[^.\n]*$")
CONDITION = re.compile(r"\W*(?:if|whether|when|unless)\b")
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"')\]*<]|$)|\n|</")

CUE = re.compile(
    r"\b(?:therefore|thus|hence|so|consequently|in conclusion|conclude|finally|likely|best|most|must be|final"
    r"|suggests?|closest|closely|indicat\w+|correspond\w*)\b"
)
"""Words by which a sentence says that it concludes."""

NONE = re.compile(
    r"\bnone\s+of\s+(?:(?:the|these|those)\s+)?(?:[\w-]+\s+){0,3}(?:options?|choices?|answers?|numbers?|values?|above|them|"
    r"these|those|listed)\b|\bnone\b[^.\n]{0,30}\b(?:fits?|match(?:es)?|appl(?:y|ies)|correspond)|^\W*none\W*$"
    r"|(?:\bnot\b|n't\b)[^.\n]{0,40}\b(?:among|listed|provided\s+(?:within|in)|in\s+the\s+(?:list|options|choices)"
    r"|an\s+option)\b|\bno\s+(?:valid|correct|suitable|matching|answer)\b[^.\n]{0,40}\b(?:options?|answers?|choices?|range)"
    r"|\b(?:options?|answers?|count)\b[^.\n]{0,60}(?:\bnot|n't)\s+(?:\w+\s+){0,2}(?:match|include|contain|appear|align)"
    r"|(?:\bnot|n't)\s+(?:\w+\s+){0,2}(?:match|correspond)[^.\n]{0,60}\boptions?\b"
)
REFUSAL = re.compile(
    r"\b(?:cannot|can't|can\s+not|could\s+not|couldn't|unable\s+to|not\s+able\s+to|impossible\s+to"
    r"|(?:not|n't)\s+possible\s+to)\s+(?:\w+\s+){0,5}(?:determine|identify|answer|process|analyz?s?e|provide|tell|listen|hear"
    r"|access|assist|infer|know|count|calculate|select|choose|generate|pinpoint|deduce|parse|be\s+(?:determined|resolved|"
    r"solved|answered))\b"
    r"|\bcannot\s+be\s+\w+ed\b|\b(?:please|could\s+you|can\s+you|would\s+you|if\s+you(?:\s+(?:can|could))?)\s+(?:\w+\s+){0,3}"
    r"(?:provide|clarify|share|describe|specify|confirm|upload|verify)\b|\binsufficient\b|\bnot\s+enough\s+(?:information|data"
    r"|context)|\bneed\s+(?:\w+\s+){0,3}(?:context|information|details|utterance)\b|\bunknown\b|\bi(?:'m|\s+am)\s+sorry\b"
    r"|\bapologi[sz]e\b|\bwithout\s+(?:actually\s+)?(?:hearing|listening|access|the\s+(?:actual|audio))|\bis\s+unclear\b"
    r"|\bnot\s+explicit\b|(?:\bnot|n't)\s+(?:\w+\s+){0,3}(?:sufficient|enough)\b"
)

_STOPS = ("", *".!?\n<")

TAKEN_BACK = re.compile(
    r"\b(?:wait|hold\s+on|actually|hmm)\b\W{0,3}(?:no\.|let\s+me\s+(?:think|re))|\b(?:reconsider|rethink)\b"
)

LONGEST = 1000
"""Characters of a sentence that are read."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A place where a text says what its answer is, `span`: a tag, boxed, dict, said, chosen or counted, `kind`."""

    kind: str
    span: Span


def after_thought(plain: str) -> tuple[int, bool]:
    """Where the answer begins, behind the reasoning blocks, and whether the last of them was left open."""
    start, opened = 0, False
    for match in _THOUGHT.finditer(plain):
        opened = not match[1]
        if not opened:
            start = match.end()
    return start, opened


def statements(plain: str, start: int) -> list[Statement]:
    """All from `start` on, in their order. What stands within a tag, a box or a dictionary is no other statement."""
    found: list[Statement] = []
    for search in (_tags, _boxes, _dicts, _said):
        new = list(search(plain, start))
        plain = blank(plain, (statement.span for statement in new)) if search is not _said else plain
        found += new
    return sorted(found, key=lambda statement: statement.span)


def sentence_end(plain: str, start: int) -> int:
    stop = min(len(plain), start + LONGEST)
    match = _SENTENCE_END.search(plain, start, stop)
    return match.start() if match else stop


def sentences(plain: str, start: int) -> Iterator[Span]:
    while start < len(plain):
        end = sentence_end(plain, start)
        if plain[start:end].strip():
            yield start, end
        start = end + 1 if plain[end : end + 1] in _STOPS else end


def _tags(plain: str, start: int) -> Iterator[Statement]:
    """Between an answer tag and the next one; where none follows, the rest of its line."""
    marks = list(_TAG.finditer(plain, start))
    for place, mark in enumerate(marks):
        if mark[1]:
            continue
        line = plain.find("\n", mark.end() + 1)
        stop = marks[place + 1].start() if place + 1 < len(marks) else len(plain) if line < 0 else line
        yield Statement("tag", (mark.end(), stop))


def _boxes(plain: str, start: int) -> Iterator[Statement]:
    for match in _BOXED.finditer(plain, start):
        yield Statement("boxed", match.span(1))


def _dicts(plain: str, start: int) -> Iterator[Statement]:
    """The value of a dictionary's answer, or its only value."""
    for match in _DICT.finditer(plain, start):
        pairs = list(_PAIR.finditer(match[1]))
        keyed = [pair for pair in pairs if any(key in pair[1] for key in _VALUE_KEYS)]
        if len(chosen := keyed or pairs) == 1:
            group = chosen[0].lastindex or 0
            yield Statement("dict", (match.start(1) + chosen[0].start(group), match.start(1) + chosen[0].end(group)))


def _said(plain: str, start: int) -> Iterator[Statement]:
    for kind, pattern in (("said", _SAYS), ("chosen", _CHOOSES), ("counted", _COUNTS)):
        for match in pattern.finditer(plain, start):
            before = plain[max(start, match.start() - 100) : match.start()]
            if not _CONDITIONAL.search(before):
                yield Statement(kind, (match.end(), sentence_end(plain, match.end())))
