"""Standard output: reports in the form that suits it, and its end (a full disk, a reader that has gone) as one line or
none, not a traceback."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

from alm_bench.core.errors import AlmBenchError

if TYPE_CHECKING:
    from alm_bench.reports import Block, Form

CLOSED = 141
"""Exit status where nobody reads standard output any more: 128 + SIGPIPE, as shells report it."""


class OutputError(AlmBenchError):
    """Standard output takes no more text; `closed` where its reader has gone, which is no failure to speak of."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror or error}; what is stored is kept")
        self.closed = isinstance(error, BrokenPipeError)
        self.exit_code = CLOSED if self.closed else 1


class _Guarded:
    """A text stream whose failures are OutputError, so that they are told from those of any other file."""

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
    """Raise OutputError for what cannot be printed inside, what is still in a buffer at the end included."""
    stream: TextIO | None = sys.stdout
    if stream is None:  # started without one: there is nobody to tell
        yield
        return
    guarded: Any = _Guarded(stream)
    try:
        with redirect_stdout(guarded):
            yield
            guarded.flush()
    except OutputError:
        _discard(stream)
        raise


def _discard(stream: TextIO) -> None:
    """Let Python's own last flush at exit go nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_blocks(blocks: "Sequence[Block]", end: str = "\n", stream: Any = None) -> None:
    """Print a report to `stream` (default: standard output): for a terminal of its width, or as markdown."""
    _print(blocks, end, stream, None)


def print_text(blocks: "Sequence[Block]", end: str = "\n", stream: Any = None) -> None:
    """Print what is plain text in pipes and files too, where its lines are as long as they are."""
    _print(blocks, end, stream, "terminal")


def _print(blocks: "Sequence[Block]", end: str, stream: Any, form: "Form | None") -> None:
    from alm_bench.reports import find_screen, render

    out = sys.stdout if stream is None else stream
    if out is None:  # started without one
        return
    screen = find_screen(out)
    text = render(blocks, form or screen.form, screen.width, styled=screen.styled, ascii_only=screen.ascii_only)
    print(text, end=end, file=out, flush=True)
