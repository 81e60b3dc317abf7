"""Rows of a question file as drafts of questions: text, clips and options, before the answers are interpreted."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alm_bench.core import AudioRef, DataError
from alm_bench.core.files import hash_json
from alm_bench.core.rng import create_item_generator
from alm_bench.data.inline_options import AMBIGUOUS, split_options
from alm_bench.data.questions.cells import (
    find_separators,
    is_empty,
    parse_choices,
    parse_references,
    remove_placeholders,
    to_text,
)
from alm_bench.data.questions.clips import make_ids_unique, parse_clips
from alm_bench.data.questions.layout import Layout, get_cell
from alm_bench.data.questions.settings import CONSTANT, FileSettings
from alm_bench.data.questions.tables import QuestionTable, Row
from alm_bench.data.root import LocalRoot

MAX_OPTIONS = 26
"""Largest number of options of a question, which are lettered."""

_MIN_ENDING = 10
"""Smallest number of characters of a text that ends all questions and is not part of their options."""

_MARK = re.compile(r"\(?[A-Za-z]\)|(?<!\S)[A-Za-z][.:]\s")
_SENTENCE_START = re.compile(r"(?<=[.?!]\s)(?=\S)|(?<=\n)(?=\S)")


@dataclass(frozen=True, slots=True)
class Problem:
    """Fault of one row."""

    row: int
    """Number of the row, from 1, without the header."""

    column: str
    """Column, or columns joined by `+`."""

    reason: str
    """Description of the fault: the content and the expected content."""

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.reason}"


@dataclass(slots=True)
class Draft:
    """One row before its answer is interpreted."""

    number: int
    """Number of the row, from 1."""

    row: Row
    """Cells of the row."""

    question: str
    """Question, without options in its text."""

    clips: tuple[AudioRef, ...]
    """Clips, in order."""

    choices: tuple[str, ...] = ()
    """Options; empty for a question without options."""

    answer: Any = None
    """Cell of the answer, or the list of the cells of several columns of references; None if it is empty."""

    target: int | None = None
    """Index of the correct option, if the form of the options determines it (wrong options are in other columns)."""

    problem: Problem | None = None
    """First fault of the row."""

    def record_problem(self, column: str, reason: str) -> None:
        """Store a fault of the row, with its column and reason, as `problem`. Only the first fault is kept."""
        if self.problem is None:
            self.problem = Problem(self.number, column, reason)

    def hash_content(self) -> str:
        """Return a hash over clips, question and options, independent of the order of the options."""
        return hash_json([[clip.id for clip in self.clips], self.question, sorted(self.choices)])[:12]


def make_drafts(table: QuestionTable, layout: Layout, root: LocalRoot) -> list[Draft]:
    """Return one draft per row, with question, clips and the cell of the answer."""
    drafts = []
    known: dict[Any, tuple[AudioRef, ...]] = {}
    constant = layout.question.removeprefix(CONSTANT) if layout.question.startswith(CONSTANT) else None
    for number, row in enumerate(table.rows, 1):
        cell = constant if constant is not None else get_cell(row, layout.question)
        question = "" if is_empty(cell) else remove_placeholders(to_text(cell))
        draft = Draft(number, row, question, (), answer=_get_answer(row, layout))
        if not draft.question:
            draft.record_problem(layout.question, "is empty, expected a question")
        _add_clips(draft, layout, root, known)
        drafts.append(draft)
    for draft, clips in zip(drafts, make_ids_unique([draft.clips for draft in drafts]), strict=True):
        draft.clips = clips
    return drafts


def _get_answer(row: Row, layout: Layout) -> Any:
    """Return the cell of the answer, or the list of cells if several columns hold references; None if empty."""
    cells = [cell for name in layout.answer if not is_empty(cell := get_cell(row, name))]
    if len(layout.answer) == 1:
        return cells[0] if cells else None
    return cells or None


def _add_clips(draft: Draft, layout: Layout, root: LocalRoot, clips_by_cell: dict[Any, tuple[AudioRef, ...]]) -> None:
    """Read the clips of a row into the draft. If the file has no column of clips, the row's id is the name of its
    clip's file.

    `clips_by_cell` is a cache that maps the text of a cell to the clips that it names, so that rows about the same clip
    share one object. It is used only if a row has a single cell of clips.
    """
    names = layout.audio or tuple(filter(None, [layout.id]))
    cells = [get_cell(draft.row, name) for name in names]
    key = cells[0] if len(cells) == 1 and isinstance(cells[0], str) else None
    if key is not None and key in clips_by_cell:
        draft.clips = clips_by_cell[key]
        return
    if not layout.audio:
        cells = [None if is_empty(cell) else to_text(cell) for cell in cells]
    column = "+".join(names)
    try:
        draft.clips = parse_clips(cells, root, f"row-{draft.number}")
        if key is not None and draft.clips:
            clips_by_cell[key] = draft.clips
    except ValueError as error:
        draft.record_problem(column, str(error))
        return
    if not draft.clips:
        draft.record_problem(column, "names no clip")


def add_options(drafts: Sequence[Draft], layout: Layout, settings: FileSettings, path: Any) -> list[str]:
    """Read the options of all rows into their drafts. Returns notes on how they were read, for the user.

    Raises DataError if no single form of the options fits the whole file.
    """
    if len(layout.choices) == 1:
        return _add_options_from_cells(drafts, layout.choices[0], settings.separator, path)
    if layout.choices:
        _add_options_from_columns(drafts, layout.choices)
        return []
    if layout.distractors:
        return _add_options_from_distractors(drafts, layout, settings.separator)
    return _add_options_from_questions(drafts, layout.question)


def _add_options_from_cells(drafts: Sequence[Draft], column: str, separator: str | None, path: Any) -> list[str]:
    """Read options from one column, whose cells hold all options. Returns notes for the user. Raises DataError."""
    cells = [get_cell(draft.row, column) for draft in drafts]
    notes: list[str] = []
    texts = [
        (cell, draft.answer)
        for cell, draft in zip(cells, drafts, strict=True)
        if isinstance(cell, str) and not is_empty(cell) and parse_choices(cell) is None
    ]
    if texts and separator is None:
        proved = find_separators(texts)
        if len(proved) != 1:
            shown = str(texts[0][0])[:60]
            raise DataError(
                f"{path}: column {column} holds text such as {shown!r}: say what stands between its options with "
                "--map separator=';'"
            )
        (separator,) = proved
        notes.append(f"options in {column} are separated by {separator!r}, since every answer is then one of them")
    for cell, draft in zip(cells, drafts, strict=True):
        if is_empty(cell):
            continue
        choices = parse_choices(cell, separator) or ()
        if len(choices) < 2:
            draft.record_problem(column, f"{str(cell)[:60]!r} is no list of two or more options")
        draft.choices = choices
    _reject_long_option_lists(drafts, column)
    _cut_repeated_options(drafts)
    return notes


def _cut_repeated_options(drafts: Iterable[Draft]) -> None:
    """Remove the options from a question's text if they are the same as in the question's column of options."""
    for draft in drafts:
        if draft.choices and _MARK.search(draft.question):
            cut = split_options(draft.question, None)
            if [one.strip() for one in cut.choices] == [one.strip() for one in draft.choices]:
                draft.question = cut.question


def _add_options_from_columns(drafts: Iterable[Draft], columns: Sequence[str]) -> None:
    """Read options from several columns with one option each."""
    for draft in drafts:
        cells = [get_cell(draft.row, name) for name in columns]
        while cells and is_empty(cells[-1]):
            cells.pop()
        hole = next((name for name, cell in zip(columns, cells, strict=False) if is_empty(cell)), None)
        if hole is not None:
            draft.record_problem(hole, "is empty before a later option that is not, expected no gap between options")
        elif len(cells) == 1:
            draft.record_problem(columns[0], "is the only option, expected two or more")
        elif len(cells) > MAX_OPTIONS:
            draft.record_problem("+".join(columns), f"has {len(cells)} options, expected at most {MAX_OPTIONS}")
        elif cells:
            draft.choices = tuple(map(to_text, cells))


def _add_options_from_distractors(drafts: Iterable[Draft], layout: Layout, separator: str | None) -> list[str]:
    """Build the options of all rows from wrong options and the answer, in a random order seeded by the item's id.

    Returns a note on the order, for the user.
    """
    column = "+".join(layout.distractors)
    for draft in drafts:
        cells = [get_cell(draft.row, name) for name in layout.distractors]
        if len(cells) == 1:
            wrong = tuple(_parse_wrong_options(cells[0], separator))
        else:
            wrong = tuple(to_text(cell) for cell in cells if not is_empty(cell))
        right = parse_references(draft.answer)
        if not wrong:
            draft.record_problem(column, "has no wrong option")
            continue
        if len(right) != 1:
            draft.record_problem(
                "+".join(layout.answer), "has no single answer, expected the text of the correct option"
            )
            continue
        options = (right[0], *wrong)
        name = get_cell(draft.row, layout.id) if layout.id is not None else None
        draft.choices = options
        key = draft.hash_content() if is_empty(name) else to_text(name)
        order = create_item_generator("options of a file", key).permutation(len(options)).tolist()
        draft.choices = tuple(options[index] for index in order)
        draft.target = order.index(0)
    return ["the options are in an order drawn by each item's id, since the file gives none"]


def _parse_wrong_options(cell: Any, separator: str | None) -> tuple[str, ...]:
    """Return the wrong options in one cell. A text that is no list is a single option."""
    if is_empty(cell):
        return ()
    if isinstance(cell, str) and separator is None:
        listed = parse_choices(cell)
        return (to_text(cell),) if listed is None else listed
    return parse_choices(cell, separator) or ()


def _add_options_from_questions(drafts: Sequence[Draft], column: str) -> list[str]:
    """Read options from the text of the questions, if at least half of the questions contain some.

    Returns notes on how they were read, for the user.
    """
    texts = [draft.question for draft in drafts]
    ending = _find_common_ending(texts)
    if ending:
        texts = [text.removesuffix(ending).rstrip() for text in texts]
    cuts = [split_options(text, _get_answer_text(draft)) for text, draft in zip(texts, drafts, strict=True)]
    cuts = [
        split_options(text, None) if len(cut.choices) < 2 or cut.skip not in (None, AMBIGUOUS) else cut
        for text, cut in zip(texts, cuts, strict=True)
    ]
    found = [cut for cut in cuts if len(cut.choices) > 1]
    if len(found) * 2 < len(drafts) or not found:
        return []
    for draft, cut in zip(drafts, cuts, strict=True):
        if len(cut.choices) > 1:
            draft.question, draft.choices = cut.question, cut.choices
        elif cut.skip is not None:
            draft.record_problem(column, f"{cut.skip}, as in most other rows")
    _strip_full_stops([draft for draft in drafts if draft.choices])
    notes = [f"options are read from the text of {column}"]
    return [*notes, f"left out of all questions: {ending.strip()!r}"] if ending else notes


def _get_answer_text(draft: Draft) -> str | None:
    """Return the only answer as text; None for several answers, or for a number, which may be the number of an
    option."""
    references = parse_references(draft.answer)
    return references[0] if len(references) == 1 and not references[0].isdecimal() else None


def _strip_full_stops(drafts: Sequence[Draft]) -> None:
    """Remove the full stop after options, if every option of the file has one and no answer does."""
    everywhere = all(choice.endswith(".") and not choice.endswith("..") for draft in drafts for choice in draft.choices)
    if everywhere and not any(str(draft.answer).strip().endswith(".") for draft in drafts):
        for draft in drafts:
            draft.choices = tuple(choice.removesuffix(".").rstrip() for choice in draft.choices)


def _find_common_ending(texts: Sequence[str]) -> str:
    """Return the sentences with which all `texts` end, such as an instruction; "" if there are none.

    Each text is a question with its options. The sentences follow the last option and are no part of it.
    """
    if len(set(texts)) < 2:
        return ""
    ending = _find_common_suffix(texts)
    marks = list(_MARK.finditer(ending))
    ending = ending[marks[-1].end() :] if marks else ending
    start = _SENTENCE_START.search(ending)
    ending = ending[start.start() :] if start else ""
    return (
        ending if len(ending) >= _MIN_ENDING and all(_MARK.search(text.removesuffix(ending)) for text in texts) else ""
    )


def _find_common_suffix(texts: Sequence[str]) -> str:
    """Return the longest text with which all texts end."""
    first, last = min(text[::-1] for text in texts), max(text[::-1] for text in texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length][::-1]


def _reject_long_option_lists(drafts: Iterable[Draft], column: str) -> None:
    """Record a fault of each row with more than `MAX_OPTIONS` options, and remove all its options."""
    for draft in drafts:
        if len(draft.choices) > MAX_OPTIONS:
            draft.record_problem(column, f"has {len(draft.choices)} options, expected at most {MAX_OPTIONS}")
            draft.choices = ()


def format_counts(values: Iterable[Any], describe: Callable[[Any], str]) -> str:
    """Return the values with their numbers of occurrences, most frequent first: `4: 100, 2: 3`.

    `describe` returns the text of a value.
    """
    return ", ".join(f"{describe(value)}: {count:,}" for value, count in Counter(values).most_common())


def shorten(value: Any) -> str:
    """Return a value for a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
