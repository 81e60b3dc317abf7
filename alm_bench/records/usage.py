"""What the calls of a run took: tokens and money, as far as the model's server told."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.records.schema import Record

TOKENS = ("prompt_tokens", "audio_tokens", "completion_tokens")


def cost(record: Record) -> float | None:
    """In US dollars; None where it is not known."""
    found = record.extra.get("cost")
    return float(found) if isinstance(found, int | float) else None


def usage(records: Sequence[Record]) -> dict[str, Any] | None:
    """Sums over the records that tell: `calls` is their number, `cost` None where none has one. None where none tells.

    `audio_tokens` are among `prompt_tokens`.
    """
    telling = [record for record in records if "prompt_tokens" in record.extra or cost(record) is not None]
    if not telling:
        return None
    costs = [found for record in telling if (found := cost(record)) is not None]
    sums = {name: sum(int(record.extra.get(name, 0)) for record in telling) for name in TOKENS}
    return {"calls": len(telling), **sums, "cost": round(sum(costs), 9) if costs else None}


def sentence(found: Mapping[str, Any]) -> str:
    """`1,234 prompt tokens (1,000 of audio), 56 completion tokens, 0.0123 USD in 10 calls`."""
    audio = f" ({found['audio_tokens']:,} of audio)" if found["audio_tokens"] else ""
    money = "" if found["cost"] is None else f", {found['cost']:.4f} USD"
    return (
        f"{found['prompt_tokens']:,} prompt tokens{audio}, {found['completion_tokens']:,} completion tokens{money} "
        f"in {found['calls']:,} calls"
    )
