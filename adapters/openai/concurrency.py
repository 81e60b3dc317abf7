"""Number of concurrent calls: additive increase, multiplicative decrease (AIMD; Chiu and Jain, 1989)."""

import time
from collections.abc import Callable

FIRST_LIMIT, MAX_LIMIT = 8, 64
"""Number of concurrent calls at the beginning, and its maximum. The option `concurrency` may exceed the maximum."""

GAIN = 1.1
"""Smallest ratio by which answers per second must rise with more calls; otherwise more calls only wait longer."""

SLOWDOWN = 2.0
"""Factor of congestion: a server counts as congested if a window's mean latency exceeds the smallest one by this factor
and no more calls per second are answered.
"""


class ConcurrencyLimit:
    """Largest number of concurrent calls: a fixed one, or one that adapts to the server.

    An adaptive limit is judged once per window, which is as many answers as the limit. It doubles as long as that
    yields more answers per second. After that it rises by one per window, and is halved when the server is busy
    (429, 503, a lost connection) or when latency has doubled without more answers per second.
    """

    def __init__(self, fixed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`fixed` is the user's limit; None for an adaptive one."""
        self._fixed, self._clock = fixed, clock
        self._limit = FIRST_LIMIT if fixed is None else fixed
        self._doubling = True
        self._best_rate = 0.0  # answers per second
        self._least_latency = float("inf")  # seconds
        self.epoch = 0
        """Number of decreases. A call that was sent before the last decrease says nothing about the present limit."""
        self._start_window()

    @property
    def limit(self) -> int:
        """Largest number of concurrent calls."""
        return self._limit

    def record_busy(self, epoch: int) -> None:
        """Halve an adaptive limit because the server refused a call.

        `epoch` is the value that `self.epoch` had when the call was sent. If the limit has been halved since then, it
        is not halved again.
        """
        if self._fixed is None and epoch == self.epoch:
            self._decrease()

    def record_answer(self, seconds: float) -> None:
        """Record that a call was answered after `seconds` seconds."""
        if self._fixed is not None:
            return
        self._answers += 1
        self._latency += seconds
        if self._answers >= self._limit:
            self._end_window()

    def _start_window(self) -> None:
        self._answers, self._latency, self._began = 0, 0.0, self._clock()

    def _end_window(self) -> None:
        """Compare rate and latency of the window with the best so far, and change the limit accordingly."""
        rate = self._answers / max(self._clock() - self._began, 1e-9)
        latency = self._latency / self._answers
        faster = rate >= GAIN * self._best_rate
        congested = latency > SLOWDOWN * self._least_latency and not faster
        self._best_rate, self._least_latency = max(rate, self._best_rate), min(latency, self._least_latency)
        if congested:
            self._decrease()
            return
        self._doubling = self._doubling and faster
        self._limit = min(MAX_LIMIT, 2 * self._limit if self._doubling else self._limit + 1)
        self._start_window()

    def _decrease(self) -> None:
        """Halve the limit and start a new window. From then on, the limit rises by one per window."""
        self._limit, self._doubling = max(1, self._limit // 2), False
        # rate and latency of the past say little about a server that has become slower
        self._best_rate, self._least_latency = 0.0, float("inf")
        self.epoch += 1
        self._start_window()
