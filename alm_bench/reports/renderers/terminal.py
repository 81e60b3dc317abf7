"""Format of blocks for a terminal: no line exceeds its width, and no number is broken or cut."""

import io
import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text as Styled

from alm_bench.core.escape import escape_terminal
from alm_bench.reports.blocks import NO_BREAK, Block, Cell, Fields, Heading, Legend, Picture, Table, Text
from alm_bench.reports.renderers.fit import GAP, FittedTable, fit_table, split_table

_STYLES = {
    "baseline": Style(italic=True, dim=True),
    "strong": Style(bold=True),
    "heading": Style(bold=True),
    "label": Style(dim=True),
}
_LOOKS = {"baseline": "Indented rows", "strong": "Cells in bold"}
_ASCII = str.maketrans({"·": "-", "…": "...", "─": "-", "→": "->", "←": "<-", NO_BREAK: " "})

SHORTEST_NAME = 16
"""Smallest number of columns of a name in a heading."""

_UNBREAKABLE_SPACE = re.compile(
    r"(?<=\d) (?=%)"  # 1.3 %
    r"|(?<=[\d.]) (?=\[[+-]?\d)"  # 64.5 [
    r"|(?<=\d,) (?=[+-]?[\d.]+\])"  # 61.5, 67.4]
    r"|(?<=\bCI) (?=\d)"
    r"|(?<=\bp) (?== \d)|(?<=\bp =) (?=\d)"  # p = 0.03
)
"""Spaces within numbers and intervals, at which no line is broken."""


def render_terminal(blocks: Sequence[Block], width: int | None, styled: bool, ascii_only: bool) -> str:
    """Return blocks as text, separated by empty lines."""
    writer = _TerminalRenderer(width, styled, ascii_only)
    return "\n\n".join("\n".join(writer.render_block(block)) for block in blocks)


class _TerminalRenderer:
    def __init__(self, width: int | None, styled: bool, ascii_only: bool) -> None:
        self._width = width
        self._ascii = ascii_only
        self._console = (
            Console(
                file=io.StringIO(),
                force_terminal=True,
                color_system="standard",
                width=1_000_000,
                legacy_windows=False,
                no_color=True,
            )
            if styled
            else None
        )

    def render_block(self, block: Block) -> Iterator[str]:
        match block:
            case Heading():
                yield from (self._paint(line, "heading") for line in self._render_heading(block))
            case Text():
                yield from self._wrap(block.text)
            case Legend():
                yield from self._wrap(f"{_LOOKS[block.style]} {block.meaning}.")
            case Picture():
                yield from self._wrap(f"{block.title}: {block.path}")
            case Fields():
                yield from self._render_fields(block)
            case Table():
                yield from self._render_table(block)

    def _make_printable(self, text: str) -> str:
        """Return the text with control characters escaped; in ASCII mode, other characters are replaced."""
        shown = escape_terminal(text)
        if self._ascii:
            shown = shown.translate(_ASCII).encode("ascii", "replace").decode()
        return shown

    def _paint(self, text: str, style: str) -> str:
        if self._console is None or style not in _STYLES or not text:
            return text
        with self._console.capture() as capture:
            self._console.print(Styled(text, style=_STYLES[style]), end="", no_wrap=True, overflow="ignore", crop=False)
        return capture.get()

    def _render_heading(self, block: Heading) -> list[str]:
        """Return a heading, with its name shortened if needed; several lines if that is not enough."""
        text, name = self._make_printable(block.text), self._make_printable(block.name)
        if self._width is not None and name and (excess := cell_len(text) - self._width) > 0:
            room = max(SHORTEST_NAME, cell_len(name) - excess)
            text = text.replace(name, self.shorten(name, room, "middle"), 1)
        return self._wrap(text)

    def shorten(self, text: str, width: int, side: str) -> str:
        """Shorten a text to `width` columns, with an ellipsis in the middle or at the end (`side`)."""
        if cell_len(text) <= width:
            return text
        dots = "..." if self._ascii else "…"
        room = width - len(dots)
        if room <= 0:
            return dots[:width]
        if side == "end":
            return set_cell_size(text, room).rstrip() + dots
        tail = room // 2
        last = ""
        for character in reversed(text):
            if cell_len(character + last) > tail:
                break
            last = character + last
        return set_cell_size(text, room - cell_len(last)) + dots + last

    def _wrap(self, text: str, width: int | None = None) -> list[str]:
        """Break a text into lines at spaces. Words that are longer than a line are broken; numbers with units are kept
        together.
        """
        width = self._width if width is None else width
        text = _UNBREAKABLE_SPACE.sub(NO_BREAK, self._make_words_printable(text))
        if width is None:
            return [text.replace(NO_BREAK, " ")]
        lines, line = [], ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if cell_len(longer) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            *full, line = chop_cells(word, width) or [""]
            lines += full
        return [each.replace(NO_BREAK, " ") for each in (*lines, line)]

    def _make_words_printable(self, text: str) -> str:
        """Return the text in printable characters; non-breaking spaces stay as they are."""
        return NO_BREAK.join(map(self._make_printable, text.split(NO_BREAK)))

    def _render_fields(self, block: Fields) -> Iterator[str]:
        if block.title is not None:
            yield from (self._paint(line, "heading") for line in self._wrap(block.title))
        labels = [self._make_printable(label) for label, _ in block.items]
        indent = max(map(cell_len, labels), default=0) + GAP
        room = None if self._width is None else max(self._width - indent, 10)
        for label, (_, value) in zip(labels, block.items, strict=True):
            first, *rest = self._wrap(value, room)
            yield f"{self._paint(label, 'label')}{' ' * (indent - cell_len(label))}{first}".rstrip()
            yield from (" " * indent + line for line in rest)

    def _render_table(self, table: Table) -> Iterator[str]:
        if table.title is not None:
            yield from (self._paint(line, "heading") for line in self._wrap(table.title))
        pieces = split_table(table, self._width, self._make_printable) if table.is_wide else [table]
        notes = []
        for number, piece in enumerate(pieces):
            if number:
                yield ""
            fitted = fit_table(piece, self._width, self._make_printable)
            yield from self._render_rows(fitted)
            notes += [f"[{number}] {reason}" for reason, number in fitted.note_numbers.items()]
            if fitted.dropped:
                notes.append(f"Not shown at this width: {'; '.join(fitted.dropped)}.")
        notes += table.notes
        if notes:
            yield ""
        for note in notes:
            yield from self._wrap(note)

    def _render_rows(self, fitted: FittedTable) -> Iterator[str]:
        """Yield the lines of the heading, a rule, and the rows. A row with wrapped cells has several lines."""
        titles = [
            [self.shorten(line, column.width, "middle") for line in title.split("\n")]
            for column, title in zip(fitted.columns, fitted.titles, strict=True)
        ]
        height = max(map(len, titles), default=1)
        padded = [[""] * (height - len(lines)) + lines for lines in titles]
        for number in range(height):
            yield self._render_line(fitted, [lines[number] for lines in padded], ["heading"] * len(titles))
        rule = "-" if self._ascii else "─"
        yield (" " * GAP).join(rule * column.width for column in fitted.columns)
        for row in fitted.rows:
            styles = [cell.style for cell in row]
            cells = [self._wrap_cell(fitted, number, cell) for number, cell in enumerate(row)]
            for line in range(max(map(len, cells), default=0)):
                yield self._render_line(fitted, [cell[line] if line < len(cell) else "" for cell in cells], styles)

    def _wrap_cell(self, fitted: FittedTable, column_index: int, cell: Cell) -> list[str]:
        column = fitted.columns[column_index]
        text = cell.text
        if column.overflow == "wrap":
            return self._wrap(text, column.width)
        return [text if column.overflow == "never" else self.shorten(text, column.width, column.overflow)]

    def _render_line(self, fitted: FittedTable, cells: Sequence[str], styles: Sequence[str]) -> str:
        parts = []
        for number, (text, column, style) in enumerate(zip(cells, fitted.columns, styles, strict=True)):
            fill = " " * (column.width - cell_len(text))
            painted = self._paint(text, style)
            last = number == len(cells) - 1
            parts.append(fill + painted if column.is_right_aligned else painted + ("" if last else fill))
        return (" " * GAP).join(parts).rstrip(" ")
