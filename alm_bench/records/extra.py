"""Validation of `Output.extra`, JSON values that an adapter stores with an answer, such as token counts and costs."""

import math
from collections.abc import Mapping
from typing import Any

from alm_bench.core.foreign import dump_json
from alm_bench.core.usage import COST, COUNTS, MOST, parse_count, parse_money


def find_extra_problem(extra: Mapping[str, Any]) -> str | None:
    """Return a short reason why an `Output.extra` is invalid; None if it is valid.

    It is invalid if it cannot be stored as JSON, or has an invalid count or cost.
    """
    for name in COUNTS:
        if extra.get(name) is not None and parse_count(extra[name]) is None:
            return f"{name} {_quote_value(extra[name])}, expected a whole number from 0 to 10^15"
    if extra.get(COST) is not None and parse_money(extra[COST]) is None:
        return f"{COST} {_quote_value(extra[COST])}, expected US dollars from 0 to 10^15"
    try:
        dump_json(dict(extra))
    except ValueError as error:
        return f"an extra that is no JSON ({error})"
    return None


def _quote_value(value: object) -> str:
    if isinstance(value, int) and abs(value) > MOST:
        return f"of about {value.bit_length() * math.log10(2):.0f} digits"
    return f"{value!r:.40}"
