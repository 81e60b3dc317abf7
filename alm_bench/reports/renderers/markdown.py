"""Markdown format of blocks. Equal blocks give equal bytes."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from alm_bench.core.escape import emphasise, escape_cell, escape_markdown
from alm_bench.reports.blocks import (
    NO_BREAK,
    Block,
    Cell,
    Fields,
    Heading,
    Legend,
    Picture,
    Table,
    Text,
    convert_to_cell,
)

LONG_NOTE = 60
"""Length in characters above which a cell's reason is printed below the table."""

_MARKS = {"baseline": "*", "strong": "**"}
_LOOKS = {"baseline": "Rows in italics", "strong": "Cells in bold"}


def render_markdown(blocks: Sequence[Block]) -> str:
    return "\n\n".join(paragraph for block in blocks for paragraph in _render_paragraphs(block)).replace(NO_BREAK, " ")


def render_pipe_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a pipe table. Columns are as wide as their widest cell. Texts that are not `Markdown` are escaped."""
    cells = [[escape_cell(cell) for cell in row] for row in rows]
    titles = [escape_cell(title) for title in headers]
    return tabulate(cells, headers=titles, tablefmt="pipe", disable_numparse=True)


def _render_paragraphs(block: Block) -> list[str]:
    match block:
        case Heading():
            return [f"{'#' * block.level} {escape_markdown(block.text)}"]
        case Text():
            return [escape_markdown(block.text)]
        case Legend():
            return [escape_markdown(f"{_LOOKS[block.style]} {block.meaning}.")]
        case Picture():
            return [f"![{escape_markdown(block.title)}]({block.path})"]
        case Fields():
            title = [] if block.title is None else [f"### {escape_markdown(block.title)}"]
            lines = [f"- {escape_markdown(label)}: {escape_markdown(value)}" for label, value in block.items]
            return [*title, "\n".join(lines)]
        case Table():
            return _render_table(block)


def _render_table(table: Table) -> list[str]:
    reasons: dict[str, int] = {}

    def format_cell(value: Cell | str | int) -> str:
        cell = convert_to_cell(value)
        if cell.note is not None and len(cell.text) > LONG_NOTE:
            return f"{cell.forms[-1]} [{reasons.setdefault(cell.note, len(reasons) + 1)}]"
        return emphasise(cell.text, _MARKS[cell.style]) if cell.style in _MARKS else cell.text

    rows = [[format_cell(value) for value in row] for row in table.rows]
    title = [] if table.title is None else [f"### {escape_markdown(table.title)}"]
    notes = [f"[{number}] {escape_markdown(reason)}" for reason, number in reasons.items()]
    body = render_pipe_table([column.title for column in table.columns], rows)
    return [*title, body, *notes, *(escape_markdown(note) for note in table.notes)]
