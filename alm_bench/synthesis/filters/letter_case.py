"""Filter of letter case that is mixed between the options of a row, or between rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

Style = Literal["lower", "upper", "capitals"]
"""Letter case of a text: lower-case first letter, upper-case first letter, or all letters in capitals."""

_SHORTEST_CAPITALS = 5
"""Smallest number of letters of a text in capitals; shorter ones may be abbreviations."""


class LetterCase(RowFilter):
    """Finds rows whose options or answer are in another letter case than most rows. A single option in another case
    tells which one is right. All texts are put into the most frequent case."""

    name = "letter_case"
    summary = "letter case that is mixed within a row or differs from the other rows"
    action = "repair"
    order = 30

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        for same_kind in ([row for row in rows if row.choices], [row for row in rows if not row.choices]):
            yield from _find_case_differences(same_kind)


def _find_case_differences(rows: Sequence[QuestionRow]) -> Iterator[Finding]:
    """Yield the rows whose letter case differs from the most frequent one in `rows`, with the repaired rows.

    Either all rows have options, or none has.
    """
    counts: Counter[Style] = Counter()
    styles = {row.id: _list_styles(row) for row in rows}
    for found in styles.values():
        counts.update(found)
    if not counts:
        return
    common: Style = "lower" if counts["lower"] >= counts["upper"] else "upper"
    for row in rows:
        other = [style for style in styles[row.id] if style != common]
        if other:
            mixed = len(set(styles[row.id])) > 1
            reason = "mixed within the row" if mixed else "differs from the other rows"
            yield Finding(row.id, reason, f"{other[0]}, most rows {common}", _convert_letter_case(row, common))


def _list_styles(row: QuestionRow) -> list[Style]:
    """Return the letter case of each option, or of the answer of a row without options. Texts without letters are left
    out."""
    texts = row.choices or (row.answer,)
    return [style for text in texts if (style := find_style(text)) is not None]


def find_style(text: str) -> Style | None:
    """Return the letter case of a text; None if it does not begin with a letter that has a case."""
    stripped = text.strip()
    if not stripped or not stripped[0].isalpha() or not (stripped[0].isupper() or stripped[0].islower()):
        return None
    if stripped.isupper() and sum(map(str.isalpha, stripped)) >= _SHORTEST_CAPITALS:
        return "capitals"
    return "upper" if stripped[0].isupper() else "lower"


def _convert_letter_case(row: QuestionRow, style: Style) -> QuestionRow:
    """Return the row with its options, or else its answer, in the letter case `style`."""
    choices = tuple(_convert_first_letter(choice, style) for choice in row.choices)
    answer = choices[row.target] if row.target is not None else _convert_first_letter(row.answer, style)
    return replace(row, choices=choices, answer=answer)


def _convert_first_letter(text: str, style: Style) -> str:
    """Return a text with its first letter in the given case. A text in capitals is first put into lower case."""
    found = find_style(text)
    if found is None or found == style:
        return text
    plain = text.lower() if found == "capitals" else text
    start = len(plain) - len(plain.lstrip())
    first = plain[start].upper() if style == "upper" else plain[start].lower()
    return plain[:start] + first + plain[start + 1 :]


FILTERS = (LetterCase,)
