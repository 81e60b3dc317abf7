"""Usage that an adapter reports in `Output.extra`: token counts and costs, which are added up."""

from dataclasses import replace

from alm_bench.core.types import Output

COUNTS = ("prompt_tokens", "audio_tokens", "completion_tokens", "estimated_calls")
COST = "cost"
USAGE = (*COUNTS, COST)
"""Names of all of them."""

MOST = 10**15
"""A greater count is none; sums of smaller ones are exact."""


def count(value: object) -> int | None:
    """Return a number of tokens or calls; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def money(value: object) -> float | None:
    """Return US dollars; None for anything else (NaN, a text, a number below 0)."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
    return float(value) if sound else None  # type: ignore[arg-type]


def add_usage(output: Output, *calls: Output) -> Output:
    """Return the output with the usage of other calls that were made for it added to its own."""
    summed = dict(output.extra)
    for call in calls:
        for name in USAGE:
            read = money if name == COST else count
            if (added := read(call.extra.get(name))) is not None:
                summed[name] = (read(summed.get(name)) or 0) + added
    return replace(output, extra=summed)
