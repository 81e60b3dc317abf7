"""Parser of the questions that a language model wrote, in the form that the prompts ask for or in JSON."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alm_bench.core.foreign import parse_json
from alm_bench.data.inline_options import split_options, strip_letters
from alm_bench.synthesis.prompts import Form

_MARKUP = r"[\s*#>_-]*"
_QUESTION = re.compile(
    rf"^{_MARKUP}(?:\d{{1,2}}[.)]\s*)?{_MARKUP}(?:question|q)\s*#?\d{{0,2}}[\s*]*[:.)][\s*]*",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(rf"^{_MARKUP}\d{{1,2}}[.)]\s+", re.MULTILINE)
_ANSWER = re.compile(
    rf"(?:^{_MARKUP}|\s)(?:correct\s+|right\s+)?answer(?:\s+is)?[\s*]*:[\s*]*|^{_MARKUP}A\s*\d{{0,2}}:[\s*]*",
    re.IGNORECASE | re.MULTILINE,
)
_OPTION_LINE = re.compile(r"^[\s*-]*\(?([A-Ha-h])[).:](?:[ \t*]+(.*))?$")
_JSON = re.compile(r"\[\s*\{.*\}\s*\]|\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as the model wrote it. Nothing is corrected: filters find its faults."""

    question: str
    """Text of the question."""

    answer: str
    """Text after `Answer:`."""

    choices: tuple[str, ...] = ()
    """Texts of the options, without letters; empty ones are kept."""


@dataclass(frozen=True, slots=True)
class ParsedDrafts:
    """Questions in the answer to one call."""

    drafts: tuple[Draft, ...]
    """Questions that could be read."""

    unreadable: int
    """Number of questions that were begun and could not be read, because their options or their answer is missing."""


def parse_drafts(text: str, form: Form, truncated: bool = False) -> ParsedDrafts:
    """Parse the questions in `text`, a model's answer. If the answer is `truncated`, its last question is counted as
    unreadable, since it may be incomplete."""
    if (items := _find_json(text)) is not None:
        found = [_convert_item(item, form) for item in items]
    else:
        found = [_parse_block(block, form) for block in _split_blocks(text)]
    if truncated and found:
        found[-1] = None
    drafts = tuple(draft for draft in found if draft is not None)
    return ParsedDrafts(drafts, len(found) - len(drafts))


def _split_blocks(text: str) -> Iterator[str]:
    """Yield the text of each question: from its mark (`Question:`, or a number if there are no such marks) to the next
    one."""
    marks = list(_QUESTION.finditer(text)) or list(_NUMBERED.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)] * bool(marks)
    for mark, end in zip(marks, ends, strict=True):
        yield text[mark.end() : end]


def _parse_block(block: str, form: Form) -> Draft | None:
    """Parse one question; None if its answer or, for multiple choice, its options are missing."""
    mark = _ANSWER.search(block)
    if mark is None:
        return None
    lines = [line for line in block[mark.end() :].strip().splitlines() if line.strip()]
    answer = _convert_to_line(" ".join(lines) if form == "detail" else lines[0] if lines else "")
    body = block[: mark.start()]
    if form == "detail":
        question = _convert_to_line(body)
        return Draft(question, answer) if question and answer else None
    question, choices = _split_body(body)
    return Draft(question, answer, choices) if question and choices else None


def _split_body(body: str) -> tuple[str, tuple[str, ...]]:
    """Split the text of a question without its answer into the question and its options. The options are empty if it
    has none."""
    question: list[str] = []
    choices: list[str] = []
    for line in body.splitlines():
        if (option := _OPTION_LINE.match(line)) is not None:
            choices.append(_strip_marks(option[2] or ""))
        elif choices and line.strip():
            choices[-1] = f"{choices[-1]} {_strip_marks(line)}".strip()
        elif not choices:
            question.append(line)
    if choices:
        return _convert_to_line(" ".join(question)), tuple(choices)
    found = split_options(body, None)
    return _convert_to_line(found.question), found.choices


def _strip_marks(text: str) -> str:
    """Return a text without surrounding blanks and without the asterisks of Markdown."""
    return text.strip(" \t").strip("*").replace("**", "")


def _convert_to_line(text: str) -> str:
    """Return a text in one line, without the asterisks of Markdown at its ends and without bold marks (`**`)."""
    return " ".join(text.replace("**", "").split()).strip("* ")


def _find_json(text: str) -> Sequence[Any] | None:
    """Find JSON in a text, and return the objects that it contains, one per question.

    The JSON is a list of objects, one object with such a list, or the object of a single question. Returns None if the
    text contains no such JSON.
    """
    match = _JSON.search(text)
    if match is None:
        return None
    try:
        found = parse_json(match[0])
    except ValueError:
        return None
    if isinstance(found, Mapping) and "question" not in found:
        found = next((value for value in found.values() if isinstance(value, list)), found)
    items = found if isinstance(found, list) else [found]
    return items if any(isinstance(item, Mapping) and "question" in item for item in items) else None


def _convert_item(item: Any, form: Form) -> Draft | None:
    """Convert an object with `question`, `options` and `answer`; None if one is missing."""
    if not isinstance(item, Mapping):
        return None
    question, answer = item.get("question"), item.get("answer", item.get("correct_answer"))
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    options = item.get("options", item.get("choices"))
    texts = list(options.values()) if isinstance(options, Mapping) else options
    if form == "detail":
        return Draft(_convert_to_line(question), _convert_to_line(answer))
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        return None
    return Draft(_convert_to_line(question), _convert_to_line(answer), strip_letters(texts))
