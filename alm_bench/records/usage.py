"""What the calls of a run took: tokens and money, as far as the model's server told."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.core.usage import COST, COUNTS, count, money
from alm_bench.records.schema import Record


def record_cost(record: Record) -> float | None:
    """In US dollars; None where it is not known."""
    return money(record.extra.get(COST))


def estimated_calls(record: Record) -> int:
    """The calls of an item whose cost is an estimate, since the server did not tell their tokens."""
    return count(record.extra.get("estimated_calls")) or 0


def sum_usage(records: Sequence[Record]) -> dict[str, Any] | None:
    """Sums over the records that tell: `calls` is their number, `cost` None where none has one. None where none tells.

    `audio_tokens` are among `prompt_tokens`. `estimated_calls` are those whose cost is an estimate.
    """
    telling = [record for record in records if "prompt_tokens" in record.extra or record_cost(record) is not None]
    if not telling:
        return None
    costs = [found for record in telling if (found := record_cost(record)) is not None]
    sums = {name: sum(count(record.extra.get(name)) or 0 for record in telling) for name in COUNTS}
    return {"calls": len(telling), **sums, "cost": round(sum(costs), 9) if costs else None}


def format_usage(found: Mapping[str, Any]) -> str:
    """`1,234 prompt tokens (1,000 of audio), 56 completion tokens, 0.0123 USD in 10 calls`."""
    audio = f" ({found['audio_tokens']:,} of audio)" if found["audio_tokens"] else ""
    estimated = found.get("estimated_calls", 0)  # not in summaries of older versions
    guess = f" (estimated for {estimated:,} calls whose tokens the server did not tell)" if estimated else ""
    money = "" if found["cost"] is None else f", {found['cost']:.4f} USD{guess}"
    return (
        f"{found['prompt_tokens']:,} prompt tokens{audio}, {found['completion_tokens']:,} completion tokens{money} "
        f"in {found['calls']:,} calls"
    )
