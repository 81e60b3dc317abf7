"""Linear and logarithmic axes of charts, with round tick values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alm_bench.reports.plots.charts import choose_step

TICKS = 5
"""Number of labelled values of an axis, at most about."""
_FEW_DECADES = 2.0


@dataclass(frozen=True, slots=True)
class Axis:
    """Linear or logarithmic map from values to positions in pixels."""

    low: float
    """Lowest value."""

    high: float
    """Highest value, above the lowest."""

    start: float
    """Position of the lowest value in pixels."""

    end: float
    """Position of the highest value in pixels."""

    ticks: Sequence[float]
    """Values at which the axis is labelled."""

    logarithmic: bool = False
    """True for a logarithmic axis, on which all values are above 0."""

    @staticmethod
    def fit(values: Sequence[float], start: float, end: float, logarithmic: bool = False) -> "Axis":
        """Return the axis that covers `values` and ends at round values on a linear scale."""
        low, high = (min(values), max(values)) if values else (1.0, 2.0)
        if logarithmic:
            low, high = (low, high) if high > low else (low / 1.1, high * 1.1)
            return Axis(low, high, start, end, _list_logarithmic_ticks(low, high), logarithmic)
        high = high if high > low else low + 1.0
        return Axis(low, high, start, end, list_ticks(low, high, TICKS))

    def __call__(self, value: float) -> float:
        """Return the position of a value in pixels."""
        low, high = (math.log(self.low), math.log(self.high)) if self.logarithmic else (self.low, self.high)
        share = ((math.log(value) if self.logarithmic else value) - low) / (high - low)
        return self.start + (self.end - self.start) * share


def list_ticks(low: float, high: float, count: int) -> list[float]:
    """Return the round values between the ends of an axis, at most about `count`."""
    step = choose_step(high - low, count)
    first = -(-low // step) * step
    return [first + step * number for number in range(int((high - first) / step + 1e-9) + 1)]


def _list_logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten between two values, with 2 and 5 times each power if the values span few decades.

    If fewer than two such ticks lie between the values, return the round values of a linear scale instead.
    """
    factors = (1.0, 2.0, 5.0) if math.log10(high / low) <= _FEW_DECADES else (1.0,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside if len(inside) > 1 else list_ticks(low, high, TICKS)
