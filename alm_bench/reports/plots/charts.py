"""Charts as data: values, titles and links. `svg.py` draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Point:
    """One value with its interval, in the unit of the chart's axis."""

    value: float
    text: str
    """The value as tables print it, with its interval."""
    low: float | None = None
    high: float | None = None
    link: str | None = None
    """Address of the items behind the value."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one model or baseline, one per category of the chart; None for a category without a value."""

    name: str
    points: Sequence[Point | None]
    role: Literal["model", "baseline", "chance"] = "model"
    """A text-only baseline is drawn as an empty diamond, the score of guessing as a cross."""


@dataclass(frozen=True, slots=True)
class DotChart:
    """Values with intervals by category: one line per category, the values from left to right."""

    name: str
    """Name of the picture's file, without suffix."""
    title: str
    axis: str
    """Title of the value axis, with its unit."""
    categories: Sequence[str]
    series: Sequence[Series]
    low: float = 0.0
    high: float = 100.0
    """Ends of the value axis."""


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars by category: shares by option position, histograms."""

    name: str
    title: str
    axis: str
    categories: Sequence[str]
    series: Sequence[Series]
    category_axis: str = ""
    """Title of the axis of categories."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts by row and column, such as a confusion matrix."""

    name: str
    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    counts: Sequence[Sequence[int]]
    """Counts by row, then by column."""
    links: Sequence[Sequence[str | None]]
    """Address of the items behind each count, in the same order."""
    row_axis: str = ""
    """Title of the axis of rows."""
    column_axis: str = ""
    """Title of the axis of columns."""


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Points in the unit square, such as accuracy by confidence, with the diagonal of perfect agreement."""

    name: str
    title: str
    x_axis: str
    y_axis: str
    series: Sequence[tuple[str, Sequence[tuple[float, Point]]]]
    """Name of each curve, and its points by their position on the x axis (0..1); values are in 0..1, too."""


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over the steps of a training stage: losses, rewards, shares."""

    name: str
    title: str
    x_axis: str
    y_axis: str
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]]
    """Name of each line, and its points (x, y) by rising x. Lines of at most `MARKED` points are drawn with marks."""
    logarithmic: bool = False
    """True for a logarithmic y axis. Values that are not above 0 are then left out."""


MARKED = 40
"""Largest number of points of a line that is drawn with a mark at each point."""

Chart = DotChart | BarChart | HeatMap | CurveChart | LineChart


def choose_step(span: float, count: int) -> float:
    """Return the smallest round number (1, 2, 2.5 or 5, times a power of ten) that cuts `span` into at most `count`
    steps; 1 for an empty span."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= span / count * (1 - 1e-9))
