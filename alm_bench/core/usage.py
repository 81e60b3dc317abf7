"""Usage that an adapter reports in `Output.extra`: token counts and costs, which can be summed."""

from dataclasses import replace

from alm_bench.core.types import Output

COUNTS = ("prompt_tokens", "audio_tokens", "completion_tokens", "estimated_calls")
"""Names of the values that are whole numbers."""

COST = "cost"
"""Name of the cost in US dollars."""

USAGE = (*COUNTS, COST)
"""Names of all values."""

MOST = 10**15
"""Largest valid value; sums of whole numbers up to it are exact."""


def parse_count(value: object) -> int | None:
    """Return `value` if it is a valid number of tokens or calls (a whole number from 0 to `MOST`), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def parse_money(value: object) -> float | None:
    """Return `value` as a float if it is a valid amount in US dollars (a number from 0 to `MOST`), else None."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
    return float(value) if sound else None  # type: ignore[arg-type]


def add_usage(output: Output, *calls: Output) -> Output:
    """Return `output` with the token counts and costs of further calls added to its own.

    `calls` are the outputs of these calls, such as the captioning calls of a cascade.
    """
    summed = dict(output.extra)
    for call in calls:
        for name in USAGE:
            read = parse_money if name == COST else parse_count
            if (added := read(call.extra.get(name))) is not None:
                summed[name] = (read(summed.get(name)) or 0) + added
    return replace(output, extra=summed)
