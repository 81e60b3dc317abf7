"""What an adapter stores beside an answer: token counts and costs that are added up, and whatever else it likes."""

import math
from collections.abc import Mapping
from typing import Any

from alm_bench.core.foreign import dump_json

COUNTS = ("prompt_tokens", "audio_tokens", "completion_tokens", "estimated_calls")
COST = "cost"
MOST = 10**15
"""A greater count is none; sums of smaller ones are exact."""


def count(value: object) -> int | None:
    """A number of tokens or calls; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def money(value: object) -> float | None:
    """US dollars; None for what are none (NaN, a text, a number below 0)."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
    return float(value) if sound else None  # type: ignore[arg-type]


def find_fault(extra: Mapping[str, Any]) -> str | None:
    """Say, in a few words, why `extra` cannot be stored or added up; None where it can."""
    for name in COUNTS:
        if extra.get(name) is not None and count(extra[name]) is None:
            return f"{name} {_shown(extra[name])}, expected a whole number from 0 to 10^15"
    if extra.get(COST) is not None and money(extra[COST]) is None:
        return f"{COST} {_shown(extra[COST])}, expected US dollars from 0 to 10^15"
    try:
        dump_json(dict(extra))
    except ValueError as error:
        return f"an extra that is no JSON ({error})"
    return None


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > MOST:
        return f"of about {value.bit_length() * math.log10(2):.0f} digits"
    return f"{value!r:.40}"
