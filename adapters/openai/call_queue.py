"""Queue of a run's open calls, and of their answers until the runner takes them."""

import time
from collections.abc import Sequence

from alm_bench.adapters.openai.calls import CallLoop
from alm_bench.core import AnsweredRequest, Output, Request

GATHERING_SECONDS = 0.02
"""Longest time in seconds for which an answer waits for others, since storing many takes as long as storing one."""

POLLING_SECONDS = 0.002
"""Time in seconds after which open calls are advanced while further requests are prepared."""


class CallQueue:
    """Queue of open calls, and of answers that the runner has not taken yet.

    Both count towards the limit of concurrent calls. A run that is killed therefore loses at most this number of them.
    """

    def __init__(self, calls: CallLoop) -> None:
        self._calls = calls
        self._open: dict[object, Request] = {}
        self._answers: list[AnsweredRequest] = []
        self._polled = self._answered_at = time.monotonic()
        self.failures = 0
        """Number of calls in a row that failed, up to the last one."""
        self.last_failure = ""
        """Reason of the last failed call."""
        self.error: BaseException | None = None
        """Error after which no call can succeed; None as long as there is none."""

    @property
    def has_room(self) -> bool:
        """True if another call may be started."""
        return self._used_slots < self._calls.limit.limit

    @property
    def is_empty(self) -> bool:
        """True if there is neither an open call nor an answer."""
        return not self._used_slots

    @property
    def has_due_answers(self) -> bool:
        """True if the runner should take the answers now.

        This is the case if they fill half of the queue, if the first of them has waited `GATHERING_SECONDS`, if no call
        is open, or after an error.
        """
        waited = time.monotonic() - self._answered_at >= GATHERING_SECONDS
        many = 2 * len(self._answers) >= self._calls.limit.limit
        return bool(self._answers) and (many or waited or not self._open or self.error is not None)

    @property
    def _used_slots(self) -> int:
        """Number of open calls and of answers in the queue."""
        return len(self._open) + len(self._answers)

    def start(self, request: Request, body: Sequence[bytes], estimate: float | None) -> None:
        """Start the call of a request. `CallLoop.start` describes `body` and `estimate`."""
        self._open[self._calls.start(body, estimate)] = request
        if time.monotonic() - self._polled >= POLLING_SECONDS:
            self._calls.advance()
            self._polled = time.monotonic()

    def collect_answers(self, wait: bool) -> None:
        """Move the answers of ended calls into the queue.

        With `wait`, first wait until a call has ended. If the queue contains answers already, wait no longer than until
        the first of them is `GATHERING_SECONDS` old.
        """
        timeout: float | None = 0.0
        if wait and self._open:
            left = self._answered_at + GATHERING_SECONDS - time.monotonic()
            timeout = max(0.0, left) if self._answers else None
        for call in self._calls.take_ended_calls(timeout):
            request, error = self._open.pop(call), call.exception()
            if error is not None:
                self.error = error
                continue
            if not self._answers:
                self._answered_at = time.monotonic()
            self._answers.append((request, call.result()))
            self._update_failure_count(call.result())
        self._polled = time.monotonic()

    def take_answers(self) -> list[AnsweredRequest]:
        """Return the answers and remove them from the queue, which makes room for as many calls."""
        answers, self._answers = self._answers, []
        return answers

    def _update_failure_count(self, output: Output) -> None:
        """Count consecutive failures: one more for an output with an error, else none."""
        if output.error is None:
            self.failures = 0
        else:
            self.failures, self.last_failure = self.failures + 1, output.error
