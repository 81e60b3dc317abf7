"""Live progress on standard error: items a second, time left, counts by status."""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from alm_bench.records.schema import Record


class Progress:
    def __init__(self, title: str, total: int) -> None:
        self._counts: Counter[str] = Counter()
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=Console(stderr=True),
        )
        self._task = self._bars.add_task(title, total=total, rate="", counts="")

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def update(self, records: "Sequence[Record]") -> None:
        self._counts.update(record.status for record in records)
        speed = self._bars.tasks[0].speed
        counts = " ".join(f"{count} {status}" for status, count in self._counts.most_common())
        self._bars.update(
            self._task, advance=len(records), counts=counts, rate="" if speed is None else f"{speed:.1f} items/s"
        )


class Training:
    """Progress of a training run: preparation, then steps with loss and samples a second."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Training":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def _show(self, name: str, done: int, total: int, told: str = "") -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(f"{self._title} · {name}", total=total, told="")
        self._bars.update(self._tasks[name], completed=done, told=told)

    def preparing(self, what: str, done: int, total: int) -> None:
        self._show(what, done, total)

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False)

    def step(self, entry: dict[str, Any]) -> None:
        told = f"loss {entry['loss']:.4f} · {entry['samples_per_second']:.1f} samples/s"
        if "validation_loss" in entry:
            told += f" · validation {entry['validation_loss']:.4f}"
        self._show(entry["name"], entry["step"] + 1, entry["total"], told)


class Counting:
    """How many of a known number are done; shown once the first is told."""

    def __init__(self, title: str) -> None:
        self._bars = Bars(
            TextColumn(title, markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._task is not None:
            self._bars.stop()

    def update(self, done: int, total: int) -> None:
        if self._task is None:
            if done == total:  # known from before: there is nothing to wait for
                return
            self._bars.start()
            self._task = self._bars.add_task("", total=total)
        self._bars.update(self._task, completed=done)


class Fetching:
    """Bytes of files that come one after the other; shown once the first is told."""

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Fetching":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._tasks:
            self._bars.stop()

    def tell(self, name: str, done: int, total: int | None) -> None:
        if not self._tasks:
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)
