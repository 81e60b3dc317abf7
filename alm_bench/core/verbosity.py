"""Verbosity of a command: which lines go to standard error. The log file gets all lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, TextIO

from alm_bench.core.errors import UsageError

Level = Literal["detail", "notice", "progress", "error"]


@dataclass(slots=True)
class Verbosity:
    """Verbosity of a process, and its log file. Errors are always printed, details only if `verbose` is set."""

    quiet: bool = False
    """Print errors only."""

    verbose: bool = False
    """Print details, too."""

    log: TextIO | None = None
    """Open log file."""

    def includes(self, level: Level) -> bool:
        """Return True if lines of this level are printed to standard error."""
        if level == "detail":
            return self.verbose
        return level == "error" or not self.quiet

    def open_log(self, path: Path) -> None:
        """Append all lines to the file `path` from now on. Raises UsageError if it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            log = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"--log-file {path} cannot be written: {reason}") from error
        self.close_log()
        self.log = log

    def close_log(self) -> None:
        if self.log is not None:
            self.log.close()
            self.log = None

    def write_log(self, level: Level, line: str) -> str | None:
        """Write a line with its time and level to the log file, if there is one.

        If writing fails, close the log to further lines and return the reason; otherwise return None.
        """
        if self.log is None:
            return None
        try:
            self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level}: {line}\n")
        except OSError as error:
            self.log = None
            return f"the log file takes no more lines: {error.strerror or error}"
        return None


VERBOSITY = Verbosity()
"""Verbosity of this process."""


@contextmanager
def restore_verbosity() -> Iterator[None]:
    """Context manager around one command. At its end, the log file is closed and the verbosity is reset."""
    try:
        yield
    finally:
        VERBOSITY.close_log()
        for field in fields(Verbosity):
            setattr(VERBOSITY, field.name, field.default)
