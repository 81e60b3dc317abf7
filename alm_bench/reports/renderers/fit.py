"""Fitting of tables to the width of a terminal: choice of columns, of cell forms, and of column widths."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len

from alm_bench.reports.blocks import Cell, Column, Table, convert_to_cell

GAP = 2
"""Number of spaces between columns."""

TEXT_WIDTH = 12
KEY_WIDTH = 24
"""Smallest widths of text columns as long as other columns can be dropped.

TEXT_WIDTH applies to columns that can be dropped, KEY_WIDTH to columns that are always shown.
"""

NAME_WIDTH = 8
"""Smallest width of a name in a heading."""

SHORTEST_WIDTH = 4
"""Smallest width of a text column if all droppable columns are dropped."""

_RIGHT_ALIGNED = re.compile(r"[+-]?[\d.,]+\b.*|-|n/a.*|best|tie.*")
"""Cells that are aligned to the right."""


@dataclass(frozen=True, slots=True)
class FittedColumn:
    """Layout of one column in a table that fits the width."""

    width: int
    """Number of terminal columns."""

    overflow: Literal["never", "middle", "end", "wrap"]
    """Treatment of longer texts: shortened in the middle or at the end, wrapped, or never cut."""

    is_right_aligned: bool
    """True if cells are aligned to the right, as numbers are."""


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Table in the form in which it is printed: columns that fit the width, and cells with their final text."""

    columns: Sequence[FittedColumn]
    titles: Sequence[str]
    """Headings, with line breaks."""
    rows: Sequence[Sequence[Cell]]
    """Cells with a single form each."""
    dropped: Sequence[str]
    """Titles of columns that do not fit."""
    note_numbers: dict[str, int]
    """Notes of cells (reasons for missing values), each with the number that stands for it in the cells."""


class _ColumnState:
    """Column of a table whose width is being chosen. `level` selects the form of its cells: 0 for the longest."""

    def __init__(self, column: Column, title: str, cells: Sequence[Cell]) -> None:
        self.column = column
        self.cells = cells
        self.title = title
        self.level = 0

    @property
    def form_count(self) -> int:
        """Number of forms, from long to short, that the cell with the most forms has."""
        return max((len(cell.forms) for cell in self.cells), default=1)

    def list_texts(self) -> list[str]:
        """Return the text of each cell in the form that the current `level` selects."""
        return [cell.forms[min(self.level, len(cell.forms) - 1)] for cell in self.cells]

    def compute_natural_width(self) -> int:
        """Return the width of the widest cell, or of the longest word of the title if that is wider."""
        return max([self._compute_title_width(), *map(cell_len, self.list_texts())])

    def compute_least_width(self) -> int:
        """Return the smallest useful width of the column."""
        if self.column.overflow == "never":
            return self.compute_natural_width()
        least = self.column.least or (TEXT_WIDTH if self.column.priority else KEY_WIDTH)
        return max(self._compute_title_width(), min(least, self.compute_natural_width()))

    def _compute_title_width(self) -> int:
        if self.column.is_name:
            return min(cell_len(self.title), NAME_WIDTH)
        return max(map(cell_len, self.title.split(" ")), default=0)

    def wrap_title(self, width: int) -> str:
        lines, line = [], ""
        for word in self.title.split(" "):
            longer = f"{line} {word}" if line else word
            if line and cell_len(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        return "\n".join([*lines, line])


def fit_table(table: Table, width: int | None, make_printable: Callable[[str], str]) -> FittedTable:
    """Choose the columns, the full or short text of each cell, and the widths for a terminal of `width` columns.

    Without `width`, choose all columns with full texts. The last argument is a function that converts a text to
    printable characters.
    """
    reasons: dict[str, int] = {}
    rows = [
        [_convert_to_plain_cell(convert_to_cell(value), make_printable, reasons) for value in row] for row in table.rows
    ]
    parts = [
        _ColumnState(column, make_printable(column.title), [row[number] for row in rows])
        for number, column in enumerate(table.columns)
    ]
    kept = parts if width is None else _drop_columns(parts, width)
    widths = [part.compute_natural_width() for part in kept] if width is None else _assign_widths(kept, width)
    columns = [
        FittedColumn(size, part.column.overflow, part.column.overflow == "never" and _has_numbers(part))
        for part, size in zip(kept, widths, strict=True)
    ]
    texts = [part.list_texts() for part in kept]
    cells = [
        [replace(part.cells[number], forms=(column[number],)) for part, column in zip(kept, texts, strict=True)]
        for number in range(len(rows))
    ]
    dropped = [part.title for part in parts if part not in kept]
    titles = [part.wrap_title(size) for part, size in zip(kept, widths, strict=True)]
    return FittedTable(columns, titles, cells, dropped, reasons)


def split_table(table: Table, width: int | None, make_printable: Callable[[str], str]) -> list[Table]:
    """Split a table into tables that fit `width` columns of a terminal; each repeats the first column.

    The last argument is a function that converts a text to printable characters.
    """
    if width is None:
        return [table]
    rows = [[_convert_to_plain_cell(convert_to_cell(value), make_printable, {}) for value in row] for row in table.rows]
    parts = [
        _ColumnState(column, make_printable(column.title), [row[number] for row in rows])
        for number, column in enumerate(table.columns)
    ]
    pieces: list[list[int]] = [[]]
    for number in range(1, len(parts)):
        here = pieces[-1]
        if here and _sum_widths([parts[n] for n in (0, *here, number)]) > width:
            pieces.append([number])
        else:
            here.append(number)
    return [
        replace(
            table,
            columns=[table.columns[n] for n in (0, *piece)],
            rows=[[row[n] for n in (0, *piece)] for row in table.rows],
        )
        for piece in pieces
    ]


def _convert_to_plain_cell(cell: Cell, make_printable: Callable[[str], str], note_numbers: dict[str, int]) -> Cell:
    """Return the cell as it is printed: with all forms in printable characters or, if it has a note, with its shortest
    form and the note's number, such as `n/a [1]`.

    The last argument maps notes to their numbers. If it lacks the cell's note, the note is added to it.
    """
    if cell.note is not None:
        number = note_numbers.setdefault(cell.note, len(note_numbers) + 1)
        return replace(cell, forms=(f"{cell.forms[-1]} [{number}]",))
    indent = "  " if cell.style == "baseline" else ""
    return replace(cell, forms=tuple(indent + make_printable(form) for form in cell.forms))


def _has_numbers(column: _ColumnState) -> bool:
    """Return True if each cell of the column holds a number, or a text that stands for a missing one."""
    return bool(column.cells) and all(_RIGHT_ALIGNED.fullmatch(text) for text in column.list_texts())


def _sum_widths(columns: Sequence[_ColumnState]) -> int:
    return sum(part.compute_least_width() for part in columns) + GAP * (len(columns) - 1)


def _drop_columns(columns: Sequence[_ColumnState], width: int) -> list[_ColumnState]:
    """Return the columns that fit into `width`, some of them with shorter cells.

    Beginning with the highest priority number, columns are first shortened and then dropped until the others fit.
    Columns with the priority 0 are never dropped.
    """
    kept = list(columns)
    for priority in sorted({part.column.priority for part in columns}, reverse=True):
        for part in [part for part in reversed(kept) if part.column.priority == priority]:
            while _sum_widths(kept) > width and part.level < part.form_count - 1:
                part.level += 1
        for part in [part for part in reversed(kept) if part.column.priority == priority]:
            if priority and _sum_widths(kept) > width:
                kept.remove(part)
    for part in sorted(kept, key=lambda part: part.column.priority):  # dropped columns may leave space for full forms
        while part.level > 0:
            part.level -= 1
            if _sum_widths(kept) > width:
                part.level += 1
                break
    return kept


def _assign_widths(columns: Sequence[_ColumnState], width: int) -> list[int]:
    """Return the columns' widths. Remaining space is shared equally by columns that need it.

    If space is lacking, the widest text columns are narrowed.
    """
    widths = [part.compute_least_width() for part in columns]
    left = width - sum(widths) - GAP * (len(columns) - 1)
    while left > 0:
        wanting = [n for n, part in enumerate(columns) if widths[n] < part.compute_natural_width()]
        if not wanting:
            break
        for number in wanting[:left]:
            widths[number] += 1
        left -= min(left, len(wanting))
    flexible = [number for number, part in enumerate(columns) if part.column.overflow != "never"]
    while left < 0 and any(widths[number] > SHORTEST_WIDTH for number in flexible):
        widest = max(flexible, key=lambda number: widths[number])
        widths[widest] -= 1
        left += 1
    return widths
