"""Open calls of a run, and their answers until these are stored."""

import time
from collections.abc import Sequence

from alm_bench.adapters.openai.calls import Calls
from alm_bench.core import AnsweredRequest, Output, Request

GATHERING_SECONDS = 0.02
"""Longest time in seconds for which an answer waits for others, since storing many takes as long as storing one."""

POLLING_SECONDS = 0.002
"""Time in seconds after which open calls are advanced while further requests are prepared."""


class CallQueue:
    """Open calls and answers that are not handed on yet. Both take up room, so that a run that is killed loses no more
    of them than the limit of concurrent calls.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._open: dict[object, Request] = {}
        self._answers: list[AnsweredRequest] = []
        self._polled = self._answered_at = time.monotonic()
        self.failures = 0
        """Number of calls that failed one after another."""
        self.last_failure = ""
        """Reason of the last failed call."""
        self.error: BaseException | None = None
        """Error after which no call can succeed; None as long as there is none."""

    @property
    def has_room(self) -> bool:
        """True if another call may be started."""
        return self._used < self._calls.limit.limit

    @property
    def is_empty(self) -> bool:
        """True if no call is open and no answer waits."""
        return not self._used

    @property
    def is_due(self) -> bool:
        """True if answers should be handed on: half of the room is taken by them, no call is open any longer, or they
        have waited long enough.
        """
        waited = time.monotonic() - self._answered_at >= GATHERING_SECONDS
        many = 2 * len(self._answers) >= self._calls.limit.limit
        return bool(self._answers) and (many or waited or not self._open or self.error is not None)

    @property
    def _used(self) -> int:
        return len(self._open) + len(self._answers)

    def start(self, request: Request, body: Sequence[bytes], estimate: float | None) -> None:
        """Start the call of a request; `body` and `estimate` are those of `Calls.start`."""
        self._open[self._calls.start(body, estimate)] = request
        if time.monotonic() - self._polled >= POLLING_SECONDS:
            self._calls.advance()
            self._polled = time.monotonic()

    def collect(self, wait: bool) -> None:
        """Take the answers of calls that have ended. With `wait`, wait until there is one, or until answers are due."""
        timeout: float | None = 0.0
        if wait and self._open:
            left = self._answered_at + GATHERING_SECONDS - time.monotonic()
            timeout = max(0.0, left) if self._answers else None
        for call in self._calls.take_ended(timeout):
            request, error = self._open.pop(call), call.exception()
            if error is not None:
                self.error = error
                continue
            if not self._answers:
                self._answered_at = time.monotonic()
            self._answers.append((request, call.result()))
            self._count_failure(call.result())
        self._polled = time.monotonic()

    def take_answers(self) -> list[AnsweredRequest]:
        """Return the answers that wait, and make room for as many calls."""
        answers, self._answers = self._answers, []
        return answers

    def _count_failure(self, output: Output) -> None:
        if output.error is None:
            self.failures = 0
        else:
            self.failures, self.last_failure = self.failures + 1, output.error
