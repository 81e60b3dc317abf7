"""Parts of a report: headings, paragraphs, tables, labelled lines. Builders create these blocks, renderers print them.

All texts are plain. A renderer escapes them for its output format and decides how styles look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Style = Literal["plain", "baseline", "strong"]
"""Style of a cell. `baseline`: a text-only baseline among rows of models. `strong`: the most important cell."""

NO_BREAK = "\u00a0"
"""Space at which no line is broken, such as the one between a number and its unit."""


def keep_together(text: str) -> str:
    """Replace spaces by non-breaking spaces, so that no line is broken within the text."""
    return text.replace(" ", NO_BREAK)


@dataclass(frozen=True, slots=True)
class Cell:
    """Cell of a table: its text, with shorter texts to choose from if the table is too wide."""

    forms: tuple[str, ...]
    """Full text, followed by shorter forms for narrow terminals, such as a value without its interval."""

    note: str | None = None
    """Reason why the cell has no value. Terminals print it below the table, markdown only if it is long."""

    style: Style = "plain"

    @property
    def text(self) -> str:
        return self.forms[0]


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a table."""

    title: str

    priority: int = 0
    """Rank for dropping columns. Columns with 0 are always shown; if a terminal is too narrow, the columns with the
    highest number are dropped first.
    """

    overflow: Literal["never", "middle", "end", "wrap"] = "never"
    """Treatment of cells that are too wide: none (values), an ellipsis in the middle (names) or at the end, or several
    lines (prose).
    """

    is_name: bool = False
    """True if the title is a name, which may be shortened too."""

    least: int | None = None
    """Smallest useful width in characters: columns with a higher priority number are dropped before text cells become
    narrower. [default: 24 if the column is always shown, else 12]
    """


@dataclass(frozen=True, slots=True)
class Table:
    """Table of a report, with its title and the notes below it."""

    columns: Sequence[Column]
    rows: Sequence["Row"]
    notes: Sequence[str] = ()
    """Paragraphs below the table."""
    title: str | None = None
    is_wide: bool = False
    """True if narrow terminals print all columns, in several tables that repeat the first column, instead of dropping
    columns.
    """


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2
    name: str = ""
    """Part of the text that may be shortened, such as a model's name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Labelled lines, printed below each other."""

    items: Sequence[tuple[str, str]]
    """Pairs of label and value."""

    title: str | None = None
    """Line directly above the labelled lines."""


@dataclass(frozen=True, slots=True)
class Legend:
    """Explanation of a style. The renderer names the style as it prints it and adds `meaning`."""

    style: Style
    meaning: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Picture in a file beside the report."""

    title: str
    path: str


Block = Heading | Text | Table | Fields | Legend | Picture
Row = Sequence[Cell | str | int]


def convert_to_cell(value: Any) -> Cell:
    return value if isinstance(value, Cell) else Cell((str(value),))


def build_text_columns(*titles: str) -> list[Column]:
    """Return one column with default properties per title."""
    return [Column(title) for title in titles]
