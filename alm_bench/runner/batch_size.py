"""How many items a model is given at once: fewer after memory did not suffice, more under `auto` while it does."""

from collections.abc import Callable
from typing import Any, Literal

from alm_bench.core import UsageError
from alm_bench.core.foreign import whole_number
from alm_bench.runner.memory import Memory, read_memory

BatchSize = int | Literal["auto"]

START = 8
"""What `auto` begins with."""

CEILING = 256
"""What `auto` ends with: beyond it nothing is to be gained."""

UNKNOWN = 32
"""What `auto` ends with where nobody tells how much memory there is."""

SECONDS = 5.0
"""`auto` makes no batch that is expected to take longer: an interruption loses the batch in the model's hands."""

SHARE = 0.8
"""Of the memory that is there, `auto` expects to take no more."""


def parse_batch_size(text: str) -> BatchSize:
    """Of `--batch-size`. Raises UsageError."""
    if text == "auto":
        return "auto"
    size = whole_number(text)
    if size is None or size < 1:
        raise UsageError(f"--batch-size takes a number of items above 0, or auto, found {text!r:.60}")
    return size


def first_size(asked: BatchSize) -> int:
    return START if asked == "auto" else asked


class BatchSizer:
    """The size of a run's next batch.

    A number of items is kept to. `auto` doubles after each whole batch, as long as the double is expected to end in
    `SECONDS` and to fit into memory: what the process held at most rose by what the last batch had more than the one
    before it, and the double has twice as much more. On a GPU that tells nothing: there the size grows until the model
    runs out of memory. Either way, what was too much halves the size for the rest of the run, and is told by `tell`.
    """

    def __init__(
        self, asked: BatchSize, tell: Callable[[str], None], read: Callable[[], Memory | None] = read_memory
    ) -> None:
        self._asked: BatchSize = asked
        self._tell, self._read = tell, read
        self._size, self._largest = first_size(asked), 0
        self._most = CEILING if asked == "auto" else self._size
        found = read()
        self._peak = 0 if found is None else found.peak
        self._rise = 0

    def size(self) -> int:
        return self._size

    def lacked(self, items: int | None) -> None:
        """Memory did not suffice for so many, None for: it did."""
        half = self._size if items is None else max(1, items // 2)
        if half >= self._size:  # where another worker is still at a batch of the size before, this is known
            return
        self._size = self._most = half
        self._tell(f"out of memory with {items} items at once, going on with {self._size}")

    def held(self, items: int) -> None:
        """So many items of a batch were answered."""
        self._largest = max(self._largest, min(items, self._size))

    def went(self, items: int, seconds: float) -> None:
        """So many items of a batch were answered in so long; fewer than `size` say nothing of whole ones."""
        self.held(items)
        double = min(2 * self._size, self._most)
        if items < self._size or double == self._size:
            return
        if 2 * seconds <= SECONDS and self._fits(double):
            self._size, self._rise = double, 0

    def _fits(self, double: int) -> bool:
        found = self._read()
        if found is None:
            return double <= UNKNOWN
        self._rise = max(self._rise, found.peak - self._peak)
        self._peak = found.peak
        return found.peak + 2 * self._rise - found.resident <= SHARE * found.available

    def as_json(self) -> dict[str, Any]:
        """As the run's header has it."""
        return {"asked": self._asked, "largest": self._largest, "last": self._size}
