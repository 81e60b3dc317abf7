"""Formatting of metric values: each metric has one scale and one number of decimals in all reports."""

from collections.abc import Iterable

from alm_bench.core import Metric
from alm_bench.records.models import TextMargin
from alm_bench.reports.blocks import Cell
from alm_bench.scoring.metrics import MetricSpec, get_metric_spec

MISSING = "n/a"
"""Text of a cell whose metric could not be computed."""

NOT_SIGNIFICANT = "n.s."

SHARE = MetricSpec(name="share", title="share")
"""Format of shares that are not metrics of a task: percent with one decimal."""


def get_spec(name: str) -> MetricSpec:
    """Return the specification of a metric, also of `share`, which is not a registered metric."""
    return SHARE if name == SHARE.name else get_metric_spec(name)


def get_title(name: str) -> str:
    return get_metric_spec(name).title


def get_unit(name: str) -> str:
    """Return ` %` for metrics in percent, else "". Used outside of tables, whose notes name the unit."""
    return " %" if get_spec(name).scale == "percent" else ""


def format_value(value: float, name: str, sign: bool = False) -> str:
    """Format the value of the metric `name`, such as `64.5`; with `sign`, positive values as `+64.5`."""
    spec = get_spec(name)
    return f"{spec.convert_to_printed_unit(value):{'+' if sign else ''}.{spec.decimals}f}"


def format_bound(value: float, name: str, sign: bool = False) -> str:
    """Format a bound of an interval. Percentages have at most one decimal, even if the metric's value has more."""
    spec = get_spec(name)
    decimals = min(spec.decimals, 1) if spec.scale == "percent" else spec.decimals
    return f"{spec.convert_to_printed_unit(value):{'+' if sign else ''}.{decimals}f}"


def format_interval(metric: Metric, name: str, sign: bool = False) -> str:
    """Format an interval with a space in front, such as ` [61.5, 67.4]`; "" if the metric does not have or show one."""
    if metric.low is None or metric.high is None or not get_spec(name).shows_interval:
        return ""
    return f" [{format_bound(metric.low, name, sign)}, {format_bound(metric.high, name, sign)}]"


def get_missing_reason(metric: Metric) -> str:
    return metric.reason or "no reason recorded"


def build_metric_cell(metric: Metric | None, name: str) -> Cell:
    """Return the cell of a metric: `64.5 [61.5, 67.4]`, `-` for None, `n/a` with the reason if it has no value."""
    if metric is None:
        return Cell(("-",))
    if metric.value is None:
        reason = get_missing_reason(metric)
        return Cell((f"{MISSING}: {reason}", MISSING), note=reason)
    value, interval = format_value(metric.value, name), format_interval(metric, name)
    items = f" of {metric.n}" if get_spec(name).own_items else ""
    return Cell(tuple(dict.fromkeys([f"{value}{interval}{items}", value + items])))


def build_difference_cell(metric: Metric, name: str) -> Cell:
    """Return the cell of a difference, such as `+2.0 [-1.5, +5.4]`; without an interval if all items share one clip."""
    if metric.value is None:
        return build_metric_cell(metric, name)
    value = format_value(metric.value, name, sign=True)
    return Cell(tuple(dict.fromkeys([value + format_interval(metric, name, sign=True), value])))


def excludes_zero(metric: Metric) -> bool:
    """Return True if the interval of a difference excludes zero."""
    return metric.low is not None and metric.high is not None and (metric.low > 0 or metric.high < 0)


def build_margin_cell(entry: TextMargin | None) -> Cell:
    """Return the cell of a margin, such as `+12.3 [+9.0, +15.6] over first option`; `-` without a margin.

    `n.s.` is added unless the interval excludes zero, and the metric is named unless it is accuracy.
    """
    if entry is None:
        return Cell(("-",))
    name = entry.metric
    figure = build_difference_cell(entry.margin, name)
    mark = "" if excludes_zero(entry.margin) else f" {NOT_SIGNIFICANT}"
    by = "" if name == "accuracy" else f" by {get_title(name)}"
    full, value = figure.text, figure.forms[-1]
    forms = [f"{full}{mark}{by} over {entry.baseline}", full + mark, value + mark]
    return Cell(tuple(dict.fromkeys(forms)))


LEVELS = ("easy", "medium", "hard")
"""Levels of difficulty from low to high, as benchmarks name them."""


def sort_group_keys(keys: Iterable[str]) -> list[str]:
    """Return the keys of a grouping: levels of difficulty from low to high, other keys in their given order."""
    keys = list(keys)
    return sorted(keys, key=LEVELS.index) if set(keys) <= set(LEVELS) else keys
