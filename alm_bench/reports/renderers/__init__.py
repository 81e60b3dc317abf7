"""Blocks as text: one module a form."""

from collections.abc import Sequence
from typing import Literal

from alm_bench.reports.blocks import Block

Form = Literal["terminal", "markdown"]


def render(
    blocks: Sequence[Block],
    form: Form,
    width: int | None = None,
    *,
    styled: bool = False,
    ascii_only: bool = False,
) -> str:
    """Return blocks as text without a newline at its end.

    `width`, `styled` and `ascii_only` are of terminals: the number of columns that no line exceeds (default: lines as
    long as they are), whether escape sequences for bold and italics are written, whether ASCII is all it can show.
    """
    if form == "markdown":
        from alm_bench.reports.renderers.markdown import render_markdown

        return render_markdown(blocks)
    from alm_bench.reports.renderers.terminal import render_terminal

    return render_terminal(blocks, width, styled, ascii_only)
