"""Drawing of charts as SVG. Colours are classes of the page's style, so that pictures follow its light and dark mode.

Series are told apart by colour and by the form of their marks. The colours are those of Okabe and Ito (Color Universal
Design, 2008), which colour-blind people tell apart, too.
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from pathlib import Path

from alm_bench.core.escape import escape_terminal
from alm_bench.reports.plots.axes import TICKS, Axis, list_ticks
from alm_bench.reports.plots.charts import (
    MARKED,
    BarChart,
    Chart,
    CurveChart,
    DotChart,
    HeatMap,
    LineChart,
    Point,
    Series,
)

Position = Callable[[float], float]
"""Function from a value to its position in pixels."""

WIDTH = 480.0
"""Width of a picture in pixels."""

COLOURS = 6
"""Number of colours; further series begin with the first colour again."""

_CHARACTER = 6.6  # average width of a character of the font in pixels
_LABEL_WIDTH = 150.0
_TITLE_HEIGHT = 26.0


def draw_svg(chart: Chart, standalone: bool = False) -> str:
    """Return a chart as an SVG element. If it is `standalone`, it has its own style and background, and no links."""
    if standalone:
        return _draw_file(chart.title, [chart], [])
    body, height = _draw_chart(chart)
    return (
        f'<svg class="plot" role="group" aria-label="{_escape_text(chart.title)}" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}">{body}</svg>'
    )


def draw_panels(title: str, charts: Sequence[Chart], columns: int = 1) -> str:
    """Return charts as one standalone SVG, with a title above their own titles. They are placed row by row, in
    `columns` columns."""
    return _draw_file(title, charts, [_draw_label(8, 18, title, "start", "strong")], columns)


def _draw_chart(chart: Chart) -> tuple[str, float]:
    """Return a chart without its title as SVG elements, and its height in pixels."""
    match chart:
        case DotChart():
            return _draw_dots(chart)
        case BarChart():
            return _draw_bars(chart)
        case HeatMap():
            return _draw_heat_map(chart)
        case CurveChart():
            return _draw_curves(chart)
        case LineChart():
            return _draw_lines(chart)


def _draw_file(title: str, charts: Sequence[Chart], head: Sequence[str], columns: int = 1) -> str:
    """Return charts as one SVG with its own style.

    `head` holds SVG elements, one line each, above the first row of charts. The charts are placed in `columns` columns.
    """
    parts, top = list(head), _TITLE_HEIGHT * len(head)
    columns = max(1, min(columns, len(charts)))
    for start in range(0, len(charts), columns):
        heights = []
        for column, chart in enumerate(charts[start : start + columns]):
            body, height = _draw_chart(chart)
            heights.append(height)
            left = WIDTH * column
            parts.append(_draw_label(left + 8, top + 18, chart.title, "start", "strong"))
            without_links = re.sub(r"</?a\b[^>]*>", "", body)
            parts.append(f'<g transform="translate({left:g} {top + _TITLE_HEIGHT:g})">{without_links}</g>')
        top += _TITLE_HEIGHT + max(heights)
    width = WIDTH * columns
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width:g} {top:g}" '
        f'width="{width:g}" height="{top:g}"><title>{_escape_text(title)}</title><style>{_read_light_style()}</style>'
        f'<rect class="paper" width="100%" height="100%"/>{"".join(parts)}</svg>\n'
    )


@cache
def _read_light_style() -> str:
    """Return the CSS rules of the page for pictures, with the colours of its light mode filled in."""
    style = (Path(__file__).parents[1] / "html/assets/page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"(--[a-z0-9-]+): ([^;]+);", style.partition("}")[0]))
    rules = "".join(line for line in style.splitlines() if line.startswith(".plot "))
    resolved = re.sub(r"var\((--[a-z0-9-]+)\)", lambda match: colours[match[1]], rules)
    return resolved.replace("system-ui, ", "DejaVu Sans, ") + f".paper{{fill:{colours['--card']}}}"


def _escape_text(text: str, longest: int = 300) -> str:
    """Return a text with markup escaped, cut off at `longest` characters."""
    plain = escape_terminal(text)
    return escape(plain if len(plain) <= longest else plain[: longest - 1] + "…")


def _draw_label(x: float, y: float, text: str, anchor: str = "start", style_class: str = "", width: float = 0) -> str:
    """Return an SVG text element at a position, cut off at `width` pixels (0: at 90 characters). `anchor` is the SVG
    attribute `text-anchor`."""
    longest = int(width / _CHARACTER) if width else 90
    name = f' class="{style_class}"' if style_class else ""
    whole = f"<title>{_escape_text(text)}</title>" if len(text) > longest else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{_escape_text(text, longest)}{whole}</text>'


def _draw_line(x1: float, y1: float, x2: float, y2: float, style_class: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style_class}"/>'


def _wrap_in_link(body: str, link: str | None, title: str) -> str:
    """Return a group of SVG elements (`body`) with a tooltip (`title`), inside a link if there is one."""
    named = f"<title>{_escape_text(title)}</title>"
    if link is None:
        return f"<g>{named}{body}</g>"
    return f'<a href="{escape(link)}" aria-label="{_escape_text(title)}"><g>{named}{body}</g></a>'


def _get_style_class(number: int, series: Series) -> str:
    """Return the class of a series' style: one colour per model, and one for baselines and chance."""
    return f"s{number % COLOURS}" if series.role == "model" else "b"


def _draw_mark(x: float, y: float, number: int, series: Series) -> str:
    """Return the mark of a series: circle, square or triangle; an empty diamond for a baseline, a cross for chance."""
    kind, size = _get_style_class(number, series), 4.5
    if series.role == "chance":
        start, end = (x - size, y - size), (x + size, y + size)
        return _draw_line(*start, *end, kind) + _draw_line(start[0], end[1], end[0], start[1], kind)
    if series.role == "baseline":
        size = 5.5
        points = f"{x:.1f},{y - size:.1f} {x + size:.1f},{y:.1f} {x:.1f},{y + size:.1f} {x - size:.1f},{y:.1f}"
        return f'<polygon points="{points}" class="{kind}"/>'
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" class="{kind}"/>'
    if number % 3 == 1:
        return f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size}" height="{2 * size}" class="{kind}"/>'
    points = f"{x:.1f},{y - size:.1f} {x + size:.1f},{y + size:.1f} {x - size:.1f},{y + size:.1f}"
    return f'<polygon points="{points}" class="{kind}"/>'


def _draw_legend(series: Sequence[Series], top: float) -> tuple[str, float]:
    """Return the legend of several series, one line each, and its height."""
    if len(series) < 2:
        return "", 0.0
    parts = [
        _draw_mark(14, top + 8 + 17 * number, number, one)
        + _draw_label(26, top + 12 + 17 * number, one.name, width=WIDTH - 40)
        for number, one in enumerate(series)
    ]
    return "".join(parts), 17.0 * len(series) + 6


def _choose_ticks(low: float, high: float) -> list[float]:
    """Return round values between the ends of an axis, about five."""
    return list_ticks(low, high, TICKS)


def _draw_dots(chart: DotChart) -> tuple[str, float]:
    """Return a dot chart as SVG elements, and its height in pixels."""
    legend, top = _draw_legend(chart.series, 4)
    shown = max(1, sum(series.role == "model" for series in chart.series))
    row = 14.0 * shown + 12
    left, right = _LABEL_WIDTH, WIDTH - (96 if shown == 1 else 14)
    bottom = top + row * len(chart.categories) + 6

    def x(value: float) -> float:
        share = (value - chart.low) / ((chart.high - chart.low) or 1.0)
        return left + (right - left) * min(1.0, max(0.0, share))

    parts = [legend]
    for tick in _choose_ticks(chart.low, chart.high):
        parts.append(_draw_line(x(tick), top, x(tick), bottom, "axis"))
        parts.append(_draw_label(x(tick), bottom + 14, f"{tick:g}", "middle", "soft"))
    for index, category in enumerate(chart.categories):
        middle = top + row * index + row / 2 + 3
        parts.append(_draw_label(left - 8, middle + 4, category, "end", width=left - 12))
        number = 0
        for place, series in enumerate(chart.series):
            point, is_model = series.points[index], series.role == "model"
            offset = 14.0 * (number - (shown - 1) / 2) if is_model else 0.0
            number += is_model
            if point is not None:
                parts.append(_draw_point(x, middle + offset, place, series, point, category))
                if shown == 1 and is_model:
                    parts.append(
                        _draw_label(right + 8, middle + 4, point.text.split(" [")[0], style_class="soft", width=88)
                    )
    parts.append(_draw_label((left + right) / 2, bottom + 30, chart.axis, "middle", "soft"))
    return "".join(parts), bottom + 38


def _draw_point(x: Position, y: float, number: int, series: Series, point: Point, category: str) -> str:
    """Return a value of a dot chart and its interval as SVG elements, with a tooltip and a link.

    `x` maps values to pixels, `y` is the vertical position in pixels, `number` is the index of the series.
    """
    kind = _get_style_class(number, series)
    body = ""
    if point.low is not None and point.high is not None:
        body = _draw_line(x(point.low), y, x(point.high), y, f"line {kind}")
    body += _draw_mark(x(point.value), y, number, series)
    return _wrap_in_link(body, point.link, f"{series.name}, {category}: {point.text}")


def _draw_bars(chart: BarChart) -> tuple[str, float]:
    """Return a bar chart as SVG elements, and its height in pixels."""
    legend, top = _draw_legend(chart.series, 4)
    values = [point.value for series in chart.series for point in series.points if point is not None]
    highest = max(values, default=0.0) or 1.0
    left, right, plot = 46.0, WIDTH - 10, 150.0
    top += 18
    bottom = top + plot
    slot = (right - left) / max(1, len(chart.categories))
    width = min(40.0, 0.8 * slot / max(1, len(chart.series)))
    parts = [legend]
    for tick in _choose_ticks(0.0, highest):
        y = bottom - plot * tick / highest
        parts.append(_draw_line(left, y, right, y, "axis") + _draw_label(left - 6, y + 4, f"{tick:g}", "end", "soft"))
    every = max(1, round(1.3 * max(map(len, chart.categories), default=1) * _CHARACTER / slot + 0.49))
    for index, category in enumerate(chart.categories):
        middle = left + slot * (index + 0.5)
        if index % every == 0:
            parts.append(_draw_label(middle, bottom + 15, category, "middle", "soft", width=max(slot * every, 30)))
        for number, series in enumerate(chart.series):
            if (point := series.points[index]) is not None:
                x = middle + width * (number - len(chart.series) / 2)
                high = plot * point.value / highest
                shape = f'<rect x="{x:.1f}" y="{bottom - high:.1f}" width="{width * 0.92:.1f}" height="{high:.1f}"'
                body = f'{shape} class="{_get_style_class(number, series)}"/>'
                parts.append(_wrap_in_link(body, point.link, f"{series.name}, {category}: {point.text}"))
    parts.append(_draw_label(left - 6, top - 8, chart.axis, "start", "soft"))
    parts.append(_draw_label((left + right) / 2, bottom + 32, chart.category_axis, "middle", "soft"))
    return "".join(parts), bottom + 40


def _draw_heat_map(chart: HeatMap) -> tuple[str, float]:
    """Return a heat map as SVG elements, and its height in pixels."""
    left, top, row = 130.0, 44.0, 30.0
    width = min(96.0, (WIDTH - left - 10) / max(1, len(chart.columns)))
    parts = [
        _draw_label(left, 14, chart.column_axis, "start", "soft"),
        _draw_label(left - 8, 32, chart.row_axis, "end", "soft"),
    ]
    for column, title in enumerate(chart.columns):
        parts.append(_draw_label(left + width * (column + 0.5), 34, title, "middle", width=width))
    for number, title in enumerate(chart.rows):
        y = top + row * number
        total = sum(chart.counts[number]) or 1
        parts.append(_draw_label(left - 8, y + 19, title, "end", width=left - 12))
        for column, value in enumerate(chart.counts[number]):
            x = left + width * column
            shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 2:.1f}" height="{row - 2}"'
            body = f'{shape} class="cell" fill-opacity="{0.06 + 0.5 * value / total:.2f}"/>'
            body += _draw_label(x + width / 2 - 1, y + 19, f"{value:,}", "middle")
            title_text = f"{title} answered as {chart.columns[column]}: {value:,}"
            parts.append(_wrap_in_link(body, chart.links[number][column] if value else None, title_text))
    return "".join(parts), top + row * len(chart.rows) + 8


def _draw_curves(chart: CurveChart) -> tuple[str, float]:
    """Return a chart of curves as SVG elements, and its height in pixels."""
    series = [Series(name, ()) for name, _ in chart.series]
    legend, top = _draw_legend(series, 4)
    left, size = 60.0, 240.0
    top += 18
    bottom = top + size
    parts = [legend, _draw_line(left, bottom, left + size, bottom - size, "axis dash")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_draw_line(left, bottom - size * tick, left + size, bottom - size * tick, "axis"))
        parts.append(_draw_label(left - 6, bottom - size * tick + 4, f"{100 * tick:g}", "end", "soft"))
        parts.append(_draw_label(left + size * tick, bottom + 15, f"{100 * tick:g}", "middle", "soft"))
    for number, (name, points) in enumerate(chart.series):
        places = [(left + size * x, bottom - size * point.value) for x, point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="line s{number % COLOURS}"/>')
        for (x, y), (_, point) in zip(places, points, strict=True):
            parts.append(_wrap_in_link(_draw_mark(x, y, number, series[number]), point.link, f"{name}: {point.text}"))
    parts.append(_draw_label(left + size / 2, bottom + 32, chart.x_axis, "middle", "soft"))
    parts.append(_draw_label(left - 6, top - 8, chart.y_axis, "start", "soft"))
    return "".join(parts), bottom + 40


def _draw_lines(chart: LineChart) -> tuple[str, float]:
    """Return a line chart as SVG elements, and its height in pixels."""
    series = [Series(name, ()) for name, _ in chart.series]
    legend, top = _draw_legend(series, 4)
    left, right, height = 60.0, WIDTH - 14, 170.0
    top += 18
    lines = [
        [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not chart.logarithmic)]
        for _, points in chart.series
    ]
    x = Axis.fit([x for points in lines for x, _ in points], left, right)
    y = Axis.fit([y for points in lines for _, y in points], top + height, top, chart.logarithmic)
    parts = [legend]
    for tick in y.ticks:
        parts.append(_draw_line(left, y(tick), right, y(tick), "axis"))
        parts.append(_draw_label(left - 6, y(tick) + 4, f"{tick:g}", "end", "soft"))
    for tick in x.ticks:
        parts.append(_draw_label(x(tick), top + height + 15, f"{tick:g}", "middle", "soft"))
    for number, ((name, _), points) in enumerate(zip(chart.series, lines, strict=True)):
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        parts.append(f'<polyline points="{path}" class="line s{number % COLOURS}" fill="none"/>')
        for step, value in points if len(points) <= MARKED else []:
            title = f"{name}, {chart.x_axis} {step:g}: {value:.4g}"
            parts.append(_wrap_in_link(_draw_mark(x(step), y(value), number, series[number]), None, title))
    parts.append(_draw_label((left + right) / 2, top + height + 32, chart.x_axis, "middle", "soft"))
    parts.append(_draw_label(left - 6, top - 8, chart.y_axis, "start", "soft"))
    return "".join(parts), top + height + 40
