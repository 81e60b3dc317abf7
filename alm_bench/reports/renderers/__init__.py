"""Renderers, which turn blocks into text: one module per output format."""

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
    """Return blocks as text, without a trailing newline.

    The other arguments apply to terminals. `width` is the largest number of columns of a line (default: no limit),
    `styled` enables escape sequences for bold and italics, `ascii_only` replaces characters that are not ASCII.
    """
    if form == "markdown":
        from alm_bench.reports.renderers.markdown import render_markdown

        return render_markdown(blocks)
    from alm_bench.reports.renderers.terminal import render_terminal

    return render_terminal(blocks, width, styled, ascii_only)
