"""Protocols of the progress displays that evaluations report to. The command line has displays that print."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from alm_bench.records.schema import Record


class ItemCounter(Protocol):
    """Progress display of the items of one run."""

    def update(self, records: "Sequence[Record]") -> None: ...


class StepCounter(Protocol):
    """Progress display of a known number of steps."""

    def update(self, done: int, total: int) -> None: ...


class Watch(Protocol):
    """Progress display of runs."""

    def track_items(self, title: str, total: int) -> AbstractContextManager[ItemCounter]:
        """Return the progress display of one run's items, shown for the duration of the block."""

    def track_captions(self) -> AbstractContextManager[StepCounter]:
        """Return the progress display of the captions that SPICE parses, shown for the duration of the block."""

    def track_verdicts(self) -> AbstractContextManager[StepCounter]:
        """Return the progress display of the calls of judges, shown for the duration of the block."""
