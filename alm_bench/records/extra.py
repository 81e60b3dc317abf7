"""What an adapter stores beside an answer: token counts and costs that are added up, and whatever else it likes."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from alm_bench.core.foreign import dump_json

COUNTS = ("prompt_tokens", "audio_tokens", "completion_tokens", "estimated_calls")
COST = "cost"
MOST = 10**15
"""The greatest count; sums of such are exact."""

Count = Annotated[int, Meta(ge=0, le=MOST)]
Money = Annotated[float, Meta(ge=0, le=MOST)]


def count(value: object) -> int | None:
    """Return a number of tokens or calls; None for anything else."""
    try:
        return None if isinstance(value, float) else msgspec.convert(value, Count)
    except msgspec.ValidationError:
        return None


def money(value: object) -> float | None:
    """Return US dollars; None for anything else (NaN, a text, a number below 0)."""
    try:
        return msgspec.convert(float(value) if isinstance(value, float) else value, Money)  # NumPy's are floats too
    except msgspec.ValidationError:
        return None


def find_fault(extra: Mapping[str, Any]) -> str | None:
    """Say, in a few words, why `extra` cannot be stored or added up; None if it can."""
    for name in COUNTS:
        if extra.get(name) is not None and count(extra[name]) is None:
            return f"{name} {_format(extra[name])}, expected a whole number from 0 to 10^15"
    if extra.get(COST) is not None and money(extra[COST]) is None:
        return f"{COST} {_format(extra[COST])}, expected US dollars from 0 to 10^15"
    try:
        dump_json(dict(extra))
    except ValueError as error:
        return f"an extra that is no JSON ({error})"
    return None


def _format(value: object) -> str:
    if isinstance(value, int) and abs(value) > MOST:
        return f"of about {value.bit_length() * math.log10(2):.0f} digits"
    return f"{value!r:.40}"
