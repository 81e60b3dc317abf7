"""Progress on standard error: bars on a terminal, else (pipe, CI) a plain line every 30 seconds.

The file of `--log-file` always gets plain lines, and a last one at the end.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from alm_bench.core.escape import escape_terminal, log_line, print_notice, print_progress
from alm_bench.core.verbosity import VERBOSITY

if TYPE_CHECKING:
    from alm_bench.records.schema import Record

EVERY_SECONDS = 30.0
"""Seconds between two plain lines, and before the first one."""

Clock = Callable[[], float]
"""Returns the seconds since an arbitrary moment."""


class Display(Protocol):
    """Shows the progress of one or several activities, each identified by its name."""

    def show(self, name: str, done: int, total: int | None, note: str = "") -> None:
        """Show that the activity `name` has done `done` of `total` counts; `total` is None if it is not known."""

    def show_message(self, text: str) -> None:
        """Print a message to the user without disturbing the display."""

    def close(self) -> None: ...

    def create_for_unit(self, unit: "Unit") -> "Display":
        """Return a display in another unit, which replaces this one on the same lines of the terminal."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Unit in which progress is displayed, such as MB for counts of bytes."""

    name: str
    """Name of the unit in displays."""

    size: int = 1
    """Number of counts in one unit, such as 1,000,000 bytes in one MB."""

    digits: int = 0
    """Number of decimals of a displayed value."""

    def format(self, count: int) -> str:
        """Return a count as a number of units, without the name of the unit."""
        return f"{count / self.size:,.{self.digits}f}"


ITEMS = Unit("items")
MEGABYTES = Unit("MB", size=1_000_000, digits=1)


class TerminalBars:
    """Progress bars of rich, one per activity.

    A text column shows an activity's rate by `{task.fields[rate]}`, and its note by `{task.fields[note]}`.
    """

    def __init__(self, console: Console, unit: Unit, columns: Sequence[ProgressColumn]) -> None:
        self._bars, self._unit = RichProgress(*columns, console=console), unit
        self._tasks: dict[str, Any] = {}

    def show(self, name: str, done: int, total: int | None, note: str = "") -> None:
        if name not in self._tasks:
            self._bars.start()
            self._tasks[name] = self._bars.add_task(
                escape_terminal(name), total=total, completed=done, rate="", note=""
            )
        task = self._tasks[name]
        self._bars.update(task, completed=done, total=total, note=note)
        speed = next((one.speed for one in self._bars.tasks if one.id == task), None)
        self._bars.update(task, rate="" if speed is None else f"{speed / self._unit.size:.1f} {self._unit.name}/s")

    def show_message(self, text: str) -> None:
        self._bars.console.print(escape_terminal(text), markup=False)

    def close(self) -> None:
        if self._tasks:
            self._bars.stop()

    def create_for_unit(self, unit: Unit) -> "TerminalBars":
        """Return this display itself, whose bars are shared by activities in all units."""
        return self


class PlainLines:
    """Progress as plain lines, one per `EVERY_SECONDS`.

    A line contains the average rate so far and the remaining time at this rate. When the display is closed, a last line
    is written to the log file. With `log_only`, nothing is printed on standard error.
    """

    def __init__(self, unit: Unit, clock: Clock, log_only: bool = False) -> None:
        self._unit, self._clock, self._log_only = unit, clock, log_only
        self._begun: dict[str, tuple[float, int]] = {}
        self._printed: float | None = None
        self._last: str | None = None

    def show(self, name: str, done: int, total: int | None, note: str = "") -> None:
        now = self._clock()
        self._begun.setdefault(name, (now, done))
        if self._printed is None:
            self._printed = now
        line = self._format_line(name, done, total, note, now)
        self._last = line
        if now - self._printed < EVERY_SECONDS:
            return
        self._printed, self._last = now, None
        if self._log_only:
            log_line("progress", line)
        else:
            print_progress(line)

    def _format_line(self, name: str, done: int, total: int | None, note: str, now: float) -> str:
        began, first = self._begun[name]
        count = self._unit.format(done) + ("" if total is None else f" of {self._unit.format(total)}")
        parts = [f"{count} {self._unit.name}"]
        if now > began and done > first:
            rate = (done - first) / (now - began)
            parts.append(f"{rate / self._unit.size:,.1f} {self._unit.name}/s")
            if total is not None and total > done:
                parts.append(f"about {format_duration((total - done) / rate)} left")
        return f"{name}: {', '.join([*parts, *([note] if note else [])])}"

    def show_message(self, text: str) -> None:
        if self._log_only:
            log_line("notice", text)
        else:
            print_notice(text)

    def close(self) -> None:
        if self._last is not None:
            log_line("progress", self._last)

    def create_for_unit(self, unit: Unit) -> "PlainLines":
        return PlainLines(unit, self._clock, self._log_only)


class BarsAndLog:
    """Bars on a terminal, together with plain lines in the log file."""

    def __init__(self, bars: TerminalBars, log: PlainLines) -> None:
        self._bars, self._log = bars, log

    def show(self, name: str, done: int, total: int | None, note: str = "") -> None:
        self._bars.show(name, done, total, note)
        self._log.show(name, done, total, note)

    def show_message(self, text: str) -> None:
        self._bars.show_message(text)
        self._log.show_message(text)

    def close(self) -> None:
        self._bars.close()
        self._log.close()

    def create_for_unit(self, unit: Unit) -> "BarsAndLog":
        return BarsAndLog(self._bars, self._log.create_for_unit(unit))


def format_duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _build_display(unit: Unit, clock: Clock, *columns: ProgressColumn) -> Display:
    """Return bars on a terminal, together with lines in the log file if there is one; else plain lines."""
    console = Console(stderr=True)
    if not console.is_terminal or not VERBOSITY.includes("progress"):
        return PlainLines(unit, clock)
    bars = TerminalBars(console, unit, columns)
    return bars if VERBOSITY.log is None else BarsAndLog(bars, PlainLines(unit, clock, log_only=True))


class _DisplayContext:
    """Context manager that closes its display."""

    _display: Display

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._display.close()


class Progress(_DisplayContext):
    """Progress of a run: items per second, remaining time, and number of items by status."""

    def __init__(self, title: str, total: int, clock: Clock = time.monotonic) -> None:
        self._title, self._total = title, total
        self._counts: Counter[str] = Counter()
        self._display = _build_display(
            ITEMS,
            clock,
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )

    def __enter__(self) -> Self:
        self._display.show(self._title, 0, self._total)
        return self

    def update(self, records: "Sequence[Record]") -> None:
        self._counts.update(record.status for record in records)
        counts = " ".join(f"{count} {status}" for status, count in self._counts.most_common())
        self._display.show(self._title, self._counts.total(), self._total, counts)


class TrainingProgress(_DisplayContext):
    """Progress of a training run: first its preparation, then steps with loss and samples per second."""

    def __init__(self, title: str, clock: Clock = time.monotonic) -> None:
        self._title = title
        self._display = _build_display(
            Unit("steps"),
            clock,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._preparation = self._display.create_for_unit(Unit("clips"))

    def show_preparation(self, activity: str, done: int, total: int) -> None:
        self._preparation.show(f"{self._title} · {activity}", done, total)

    def show_message(self, text: str) -> None:
        self._display.show_message(text)

    def show_step(self, entry: dict[str, Any]) -> None:
        """Show one training step. `entry` is its log entry from the trainer."""
        note = f"loss {entry['loss']:.4f} · {entry['samples_per_second']:.1f} samples/s"
        if "validation_loss" in entry:
            note += f" · validation {entry['validation_loss']:.4f}"
        self._display.show(f"{self._title} · {entry['name']}", entry["step"] + 1, entry["total"], note)


class CountProgress(_DisplayContext):
    """Progress of a computation with a known number of items; shown once its first item is reported."""

    def __init__(self, title: str, clock: Clock = time.monotonic) -> None:
        self._title, self._begun = title, False
        self._display = _build_display(
            ITEMS,
            clock,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )

    def update(self, done: int, total: int) -> None:
        if done == total and not self._begun:  # all items were cached
            return
        self._begun = True
        self._display.show(self._title, done, total)


class DownloadProgress(_DisplayContext):
    """Progress of files that are downloaded one by one, in bytes; shown once the first bytes are reported."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._display = _build_display(
            MEGABYTES,
            clock,
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )

    def show_file(self, name: str, done: int, total: int | None) -> None:
        """Show the progress of the file `name`: `done` bytes of `total`, which is None if it is not known."""
        self._display.show(name, done, total)


class ConsoleProgress:
    """Creates the progress displays of runs on standard error; implements `alm_bench.progress.Watch`."""

    def track_items(self, title: str, total: int) -> Progress:
        return Progress(title, total)

    def track_captions(self) -> CountProgress:
        return CountProgress("SPICE")

    def track_verdicts(self) -> CountProgress:
        return CountProgress("judge")
