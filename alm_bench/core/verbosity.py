"""Levels of what commands print on standard error, and the log file that gets all of it."""

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
    """State of one process. Errors are always printed, details only if they are asked for."""

    quiet: bool = False
    """Print errors alone."""

    verbose: bool = False
    """Print details, too."""

    log: TextIO | None = None
    """Open log file."""

    def includes(self, level: Level) -> bool:
        """Tell whether lines of this level go to standard error."""
        if level == "detail":
            return self.verbose
        return level == "error" or not self.quiet

    def open_log(self, path: Path) -> None:
        """Append all lines to a file from now on. Raises UsageError for one that cannot be written."""
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
        """Write a line with its time and level; return why the log file takes no more, once."""
        if self.log is None:
            return None
        try:
            self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level}: {line}\n")
        except OSError as error:
            self.log = None
            return f"the log file takes no more lines: {error.strerror or error}"
        return None


VERBOSITY = Verbosity()
"""Of this process."""


@contextmanager
def restore_verbosity() -> Iterator[None]:
    """Close the log file and go back to the defaults at the end of the block, which is one command."""
    try:
        yield
    finally:
        VERBOSITY.close_log()
        for field in fields(Verbosity):
            setattr(VERBOSITY, field.name, field.default)
