"""Rules for retries: which failed calls are sent again, and after how many seconds."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from alm_bench.adapters.openai.client import Reply
from alm_bench.adapters.openai.reply import list_error_codes
from alm_bench.adapters.openai.session import QUOTA

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before the first retry, doubled with each further one, and their maximum."""

LONGEST_REQUESTED_WAIT = 120.0
"""Longest time in seconds that a server's `Retry-After` is followed."""


def is_busy(reply: Reply) -> bool:
    """Return True if a server says that it gets too many requests."""
    return reply.status in (429, 503) and not list_error_codes(reply.text) & QUOTA


def should_retry(reply: Reply) -> bool:
    """Return True if a failed call may succeed later. A server's own header `x-should-retry` takes precedence.

    A used-up quota does not come back within seconds, so it is not retried.
    """
    if reply.status == 429 and list_error_codes(reply.text) & QUOTA:
        return False
    advice = reply.headers.get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true"
    return reply.status in (408, 409, 429) or reply.status >= 500


def choose_wait(reply: Reply | None, attempt: int, jitter: float) -> float:
    """Return the seconds to wait before a call is retried: what the server asks for, or an exponential backoff.

    `reply` is the last reply, or None if there was none. `attempt` counts from 0. `jitter`, in 0..1, shortens the
    backoff by up to a quarter, so that many calls do not return at the same time.
    """
    asked = None if reply is None else parse_retry_after(reply)
    if asked is not None and 0 < asked <= LONGEST_REQUESTED_WAIT:
        return asked
    wait: float = min(FIRST_WAIT * 2.0 ** min(attempt, 16), LONGEST_WAIT)
    return wait * (1 - jitter / 4)


def parse_retry_after(reply: Reply) -> float | None:
    """Return the seconds of a `retry-after-ms` or `Retry-After` header, whose value is a number or a date; None without
    a valid one. The result may be negative, infinite or NaN.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return float(reply.headers[name]) * unit
        except (KeyError, ValueError):
            continue
    try:
        date = parsedate_to_datetime(reply.headers["retry-after"])
        return (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
