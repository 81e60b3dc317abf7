"""Number of items per model call: reduced when memory is not sufficient, increased by `auto` as long as it is."""

from collections.abc import Callable
from typing import Any, Literal

from alm_bench.core import UsageError
from alm_bench.core.foreign import parse_whole_number
from alm_bench.runner.memory import Memory, read_memory

BatchSize = int | Literal["auto"]

FIRST_SIZE = 8
"""First batch size of `auto`."""

MAX_SIZE = 256
"""Largest batch size of `auto`: larger batches are not faster."""

MAX_SIZE_UNKNOWN_MEMORY = 32
"""Largest batch size of `auto` if the amount of available memory is unknown."""

MAX_SECONDS = 5.0
"""Longest expected duration of a batch of `auto`, since an interruption loses the batch that the model is answering."""

MEMORY_SHARE = 0.8
"""Largest fraction of the available memory that `auto` expects to use."""


def parse_batch_size(text: str) -> BatchSize:
    """Parse the value of `--batch-size`. Raises UsageError unless it is `auto` or a whole number above 0."""
    if text == "auto":
        return "auto"
    size = parse_whole_number(text)
    if size is None or size < 1:
        raise UsageError(f"--batch-size takes a number of items above 0, or auto, found {text!r:.60}")
    return size


def get_first_size(batch_size: BatchSize) -> int:
    """Return the size of the first batch."""
    return FIRST_SIZE if batch_size == "auto" else batch_size


class BatchSizer:
    """Determines the size of a run's next batch from the outcomes of the previous ones.

    A fixed batch size is never increased. With `auto`, the size is doubled after each full batch, if a batch of twice
    the size is expected to take no longer than `MAX_SECONDS` and to fit into memory.

    The expectation for memory is that the peak memory of this process will rise by twice as much as it rose at the
    present size. It does not cover the memory of a GPU: there the size grows until the model runs out of memory. Fixed
    or `auto`, the size is halved for the rest of the run when a batch runs out of memory. `tell` is called with a
    message for the user after each reduction, `read` to get the memory of this process.
    """

    def __init__(
        self,
        batch_size: BatchSize,
        tell: Callable[[str], None],
        memory_reader: Callable[[], Memory | None] = read_memory,
    ) -> None:
        self._asked: BatchSize = batch_size
        self._tell, self._read = tell, memory_reader
        self._size, self._largest = get_first_size(batch_size), 0
        self._most = MAX_SIZE if batch_size == "auto" else self._size
        found = memory_reader()
        self._peak = 0 if found is None else found.peak
        self._rise = 0

    def get_size(self) -> int:
        """Return the size of the next batch."""
        return self._size

    def record_shortage(self, items: int | None) -> None:
        """Record that a batch of `items` requests ran out of memory: from now on, no batch has more than `items` / 2
        requests.

        Do nothing if `items` is None, which means that memory was sufficient.
        """
        half = self._size if items is None else max(1, items // 2)
        if half >= self._size:  # already reported: another worker was still answering a batch of the previous size
            return
        self._size = self._most = half
        self._tell(f"out of memory with {items} items at once, going on with {self._size}")

    def record_answered(self, items: int) -> None:
        """Record that `items` items of a batch were answered, for the largest size in `as_json`. The size of the next
        batch does not change."""
        self._largest = max(self._largest, min(items, self._size))

    def record_batch(self, items: int, seconds: float) -> None:
        """Record that `items` items of a batch were answered in `seconds` seconds, and double the size if `auto` allows
        it.

        After a batch with fewer items than the batch size, the size does not change, because time and memory of a full
        batch are not known.
        """
        self.record_answered(items)
        double = min(2 * self._size, self._most)
        if items < self._size or double == self._size:
            return
        if 2 * seconds <= MAX_SECONDS and self._is_expected_to_fit(double):
            self._size, self._rise = double, 0

    def _is_expected_to_fit(self, item_count: int) -> bool:
        """Return True if a batch of `item_count` items is expected to fit into memory."""
        found = self._read()
        if found is None:
            return item_count <= MAX_SIZE_UNKNOWN_MEMORY
        self._rise = max(self._rise, found.peak - self._peak)
        self._peak = found.peak
        return found.peak + 2 * self._rise - found.resident <= MEMORY_SHARE * found.available

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object for the run header: the requested, the largest and the last size."""
        return {"asked": self._asked, "largest": self._largest, "last": self._size}
