"""Printing of reports to standard output, and handling of write errors such as a full disk or a closed pipe."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

from alm_bench.core.errors import AlmBenchError

if TYPE_CHECKING:
    from alm_bench.reports import Block, Form

CLOSED = 141
"""Exit status if the reader of standard output has closed the pipe: 128 + SIGPIPE, as shells report it."""


class OutputError(AlmBenchError):
    """Standard output cannot be written.

    `closed` is True if its reader has closed the pipe, in which case no message is printed.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror or error}; what is stored is kept")
        self.closed = isinstance(error, BrokenPipeError)
        self.exit_code = CLOSED if self.closed else 1


class _GuardedStream:
    """Text stream that raises OutputError if writing fails, to distinguish its errors from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guard_output() -> Iterator[None]:
    """Make standard output raise OutputError within the block, and when the buffered rest is written at its end."""
    stream: TextIO | None = sys.stdout
    if stream is None:  # the process has no standard output
        yield
        return
    guarded: Any = _GuardedStream(stream)
    try:
        with redirect_stdout(guarded):
            yield
            guarded.flush()
    except OutputError:
        _discard_output(stream)
        raise


def _discard_output(stream: TextIO) -> None:
    """Redirect the stream's file descriptor to the null device, so that Python's flush at exit does not fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_blocks(blocks: "Sequence[Block]", end: str = "\n", stream: Any = None) -> None:
    """Print a report to `stream` (default: standard output): fitted to a terminal's width, else as markdown."""
    _print(blocks, end, stream, None)


def print_text(blocks: "Sequence[Block]", end: str = "\n", stream: Any = None) -> None:
    """Print blocks as plain text even to pipes and files, where lines may have any length."""
    _print(blocks, end, stream, "terminal")


def _print(blocks: "Sequence[Block]", end: str, stream: Any, form: "Form | None") -> None:
    """Print blocks in the form `form` of text; None for the form that fits the stream."""
    from alm_bench.reports import detect_screen, render

    out = sys.stdout if stream is None else stream
    if out is None:  # the process has no standard output
        return
    screen = detect_screen(out)
    text = render(blocks, form or screen.form, screen.width, styled=screen.styled, ascii_only=screen.ascii_only)
    print(text, end=end, file=out, flush=True)
