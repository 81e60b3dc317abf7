"""What a report is made of: headings, paragraphs, tables, labelled lines. Builders make blocks, renderers print them.

All texts are plain: a renderer escapes them for its form, and decides how a style looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Style = Literal["plain", "baseline", "strong"]
"""`baseline`: a text-only baseline beside rows of models. `strong`: what a reader looks for first."""

NO_BREAK = "\u00a0"
"""A space at which no line is broken, such as that between a figure and its unit."""


def keep_together(text: str) -> str:
    """Return a text that is never broken over two lines."""
    return text.replace(" ", NO_BREAK)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table."""

    forms: tuple[str, ...]
    """The full text, then shorter forms of it (a figure without its interval) for narrow terminals."""

    note: str | None = None
    """Why there is no figure; a terminal prints it below the table, and so does markdown if it is long."""

    style: Style = "plain"

    @property
    def text(self) -> str:
        return self.forms[0]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str

    priority: int = 0
    """0: always shown. A terminal that is too narrow drops the columns of the highest priority number first."""

    overflow: Literal["never", "middle", "end", "wrap"] = "never"
    """What may happen to a cell that is too wide: nothing (figures), an ellipsis in its middle (names) or at its end,
    or several lines (prose)."""

    is_name: bool = False
    """Whether the title is a name, which may be shortened as well."""

    least: int | None = None
    """Width that texts keep as long as columns of a higher priority number can be dropped. [default: 24 if the column
    is always shown, else 12]"""


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence["Row"]
    notes: Sequence[str] = ()
    """Paragraphs below the table."""
    title: str | None = None
    is_wide: bool = False
    """Whether a narrow terminal prints all columns, in several tables with the same first column, rather than drop
    some."""


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2
    name: str = ""
    """A part of the text that may be shortened, such as a model's name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Labelled lines, one below the other."""

    items: Sequence[tuple[str, str]]
    """Label and value."""

    title: str | None = None
    """A line directly above."""


@dataclass(frozen=True, slots=True)
class Legend:
    """Says what rows of a style are, in the words of a renderer for how it prints them."""

    style: Style
    meaning: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a file beside the report."""

    title: str
    path: str


Block = Heading | Text | Table | Fields | Legend | Picture
Row = Sequence[Cell | str | int]


def as_cell(value: Any) -> Cell:
    return value if isinstance(value, Cell) else Cell((str(value),))


def text_columns(*titles: str) -> list[Column]:
    """Return columns without further properties."""
    return [Column(title) for title in titles]
