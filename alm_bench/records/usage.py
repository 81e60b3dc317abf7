"""Token counts and cost of a run's model calls, as far as the model's server reports them."""

from collections.abc import Sequence

from alm_bench.core.usage import COST, COUNTS, parse_count, parse_money
from alm_bench.records.models import Usage
from alm_bench.records.schema import Record


def get_cost(record: Record) -> float | None:
    """Return the cost of an item in US dollars; None if it is not known."""
    return parse_money(record.extra.get(COST))


def count_estimated_calls(record: Record) -> int:
    """Return the number of an item's calls whose cost is an estimate because the server reported no token counts."""
    return parse_count(record.extra.get("estimated_calls")) or 0


def sum_usage(records: Sequence[Record]) -> Usage | None:
    """Return the sums over all records that report token counts or a cost; None if no record does."""
    reported = [record for record in records if "prompt_tokens" in record.extra or get_cost(record) is not None]
    if not reported:
        return None
    costs = [cost for record in reported if (cost := get_cost(record)) is not None]
    sums = {name: sum(parse_count(record.extra.get(name)) or 0 for record in reported) for name in COUNTS}
    return Usage(calls=len(reported), cost=round(sum(costs), 9) if costs else None, **sums)


def format_usage(usage: Usage) -> str:
    """Format token counts and cost: `1,234 prompt tokens (1,000 of audio), 56 completion tokens, 0.0123 USD in 10
    calls`.
    """
    audio = f" ({usage.audio_tokens:,} of audio)" if usage.audio_tokens else ""
    calls = usage.estimated_calls
    guess = f" (estimated for {calls:,} calls whose tokens the server did not tell)" if calls else ""
    cost = "" if usage.cost is None else f", {usage.cost:.4f} USD{guess}"
    return (
        f"{usage.prompt_tokens:,} prompt tokens{audio}, {usage.completion_tokens:,} completion tokens{cost} "
        f"in {usage.calls:,} calls"
    )
