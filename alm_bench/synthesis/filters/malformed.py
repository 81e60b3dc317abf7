"""Filter of malformed options: empty, repeated, too few, with leftovers of a list, or without the right answer."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from alm_bench.data.inline_options import normalise_option
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

_PLACEHOLDER = re.compile(r"\[[^\]]*\]|<[^>]*>|\{[^}]*\}|\.{3,}|…|_{2,}|option\s*[a-h\d]?|n/?a|tbd|-+", re.IGNORECASE)
_LETTER = re.compile(r"\s*\(?[A-Ha-h][).:]\s")
_WORDS = re.compile(r"\w+")

Problem = tuple[str, str]
"""Reason and detail of a fault."""


class Malformed(RowFilter):
    """Finds rows whose options are malformed. Blanks and full stops are removed, other faults cannot be repaired.

    One option within another (`rain`, `heavy rain`) is a fault only if both could be right at once, which no rule can
    tell; such rows are flagged by the filter `nested_options`.
    """

    name = "malformed"
    summary = "options that are empty, repeated, too few, placeholders, or do not include the answer"
    action = "repair"
    order = 10

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        for row in rows:
            if not row.choices:
                if not row.answer.strip():
                    yield Finding(row.id, "empty answer")
                continue
            if (problem := _find_unrepairable_fault(row)) is not None:
                yield Finding(row.id, *problem)
            elif (untidy := _find_repairable_fault(row)) is not None:
                yield Finding(row.id, *untidy, repaired=_strip_options(row))


class NestedOptions(RowFilter):
    """Finds rows in which one option is a part of another, so that an answer may name both. Programs that search an
    answer for the text of an option find both even if only letters are shared (`1` in `10`)."""

    name = "nested_options"
    summary = "options that lie within another (rain, heavy rain)"
    action = "flag"
    order = 12

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        for row in rows:
            if (pair := _find_nested_pair(row)) is None:
                continue
            inner, outer = (f" {' '.join(_WORDS.findall(text))} " for text in pair)
            reason = "words of an option within another" if inner in outer else "letters of an option within another"
            yield Finding(row.id, reason, f"{pair[0]!r} in {pair[1]!r}")


def _find_nested_pair(row: QuestionRow) -> tuple[str, str] | None:
    """Return an option whose text is contained in another option, and this other option; None without such a pair."""
    names = [normalise_option(choice) for choice in row.choices]
    for inner in filter(None, names):
        for outer in names:
            if inner in outer and inner != outer:
                return inner, outer
    return None


def _find_unrepairable_fault(row: QuestionRow) -> Problem | None:
    """Return the first fault of the options that cannot be repaired; None if there is none."""
    names = [normalise_option(choice) for choice in row.choices]
    if len(names) < 2:
        return "fewer than two options", f"{len(names)}"
    for choice, name in zip(row.choices, names, strict=True):
        if _PLACEHOLDER.fullmatch(choice.strip()):
            return "placeholder as option", repr(choice)
        if not name:
            return "empty option", repr(choice)
    if len(set(names)) < len(names):
        return "repeated option", next(repr(name) for name in names if names.count(name) > 1)
    return ("answer not among the options", repr(row.answer)) if row.target is None else None


_UNTIDY: Sequence[tuple[str, Callable[[str], bool]]] = (
    ("blanks around an option", lambda choice: choice != choice.strip()),
    ("full stop after an option", lambda choice: choice.rstrip().endswith(".")),
    ("letter within an option", lambda choice: _LETTER.match(choice) is not None),
)


def _find_repairable_fault(row: QuestionRow) -> Problem | None:
    """Return the first fault of the options that can be repaired; None if there is none."""
    for reason, is_untidy in _UNTIDY:
        for choice in row.choices:
            if is_untidy(choice):
                return reason, repr(choice)
    return None


def _strip_options(row: QuestionRow) -> QuestionRow:
    """Return the row with bare options: without their letters (`a)`), surrounding blanks and final full stops."""
    lettered = all(_LETTER.match(choice) for choice in row.choices)
    texts = [_LETTER.sub("", choice, count=1) if lettered else choice for choice in row.choices]
    choices = tuple(text.strip().rstrip(".").rstrip() or text.strip() for text in texts)
    answer = row.answer if row.target is None else choices[row.target]
    return replace(row, choices=choices, answer=answer)


FILTERS = (Malformed, NestedOptions)
