"""Charts of one task's runs: groups, conditions, confusion, option positions, reliability, lengths, caption metrics."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import convert

from alm_bench.core import Metric
from alm_bench.records.models import RunSummary, TextMargin
from alm_bench.records.schema import Record
from alm_bench.reports.figures import build_metric_cell, format_value, get_spec, get_title, get_unit, sort_group_keys
from alm_bench.reports.plots.charts import BarChart, Chart, CurveChart, DotChart, HeatMap, Point, Series, choose_step
from alm_bench.scoring.grounding import Effect
from alm_bench.scoring.likelihood import MAIN, find_most_likely_option, normalise_log_likelihoods
from alm_bench.scoring.position import PositionBias

MOST_KEYS = 40
"""Largest number of keys of a grouping that is drawn."""

MOST_RUNS = 6
"""Largest number of runs in one picture, the number of colours."""

BINS = 10
"""Number of bins of confidence."""

MOST_BARS = 12
"""Largest number of bars per run in a histogram."""

Address = Callable[..., str | None]
"""Function from the filters of a view to its address; it returns None where pictures have no links."""


def return_no_address(run: str, **filters: str) -> None:
    """Return None as the address of a run's items, for pictures in separate files, which have no links."""


@dataclass(frozen=True, slots=True)
class DrawnRun:
    """Data of a run that pictures show."""

    summary: RunSummary
    name: str
    """Name of the run in legends."""
    records: Sequence[Record]
    scores: Mapping[str, Mapping[str, float]]
    """Scores by item id and metric."""


def build_charts(runs: Sequence[DrawnRun], address: Address = return_no_address) -> list[Chart]:
    """Return the charts of the runs of one task, which differ in the model."""
    runs = runs[:MOST_RUNS]
    charts: list[Chart | None] = []
    groupings = dict.fromkeys(grouping for run in runs for grouping in run.summary.groups)
    charts += [_build_group_chart(runs, grouping, address) for grouping in groupings]
    for run in runs:
        charts += [_build_confusion_chart(run, address), _build_position_chart(run, address)]
    charts += [_build_reliability_chart(runs), _build_length_chart(runs), *_build_distribution_charts(runs)]
    return [chart for chart in charts if chart is not None]


def _build_file_name(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts)).strip("-").lower()[:100]


def _format_axis_title(metric: str) -> str:
    """Return the title of the value axis: the metric's title and unit."""
    return ", ".join(filter(None, (get_title(metric), get_unit(metric).strip())))


def _build_metric_point(metric: Metric | None, name: str, link: str | None = None) -> Point | None:
    if metric is None or metric.value is None:
        return None
    printed = get_spec(name).convert_to_printed_unit
    low, high = (None if bound is None else printed(bound) for bound in (metric.low, metric.high))
    return Point(printed(metric.value), build_metric_cell(metric, name).text, low, high, link)


def _compute_axis_range(series: Sequence[Series], metric: str) -> tuple[float, float]:
    """Return the ends of the value axis: 0..100 for percentages, else 0 to the largest value with a margin of 5 %.

    They are extended to negative values, and to percentages above 100.
    """
    values = [
        bound
        for one in series
        for point in one.points
        if point is not None
        for bound in (point.value, point.low, point.high)
        if bound is not None
    ]
    least = min(0.0, *values) if values else 0.0
    if get_spec(metric).scale == "percent":
        return least, max([100.0, *values])
    return least, 1.05 * max([*values, 0.0]) or 1.0


def _build_group_chart(runs: Sequence[DrawnRun], grouping: str, address: Address) -> Chart | None:
    """Return the main metric by key of a grouping, with the best text-only baseline of each key."""
    main = runs[0].summary.main
    keys = sort_group_keys(dict.fromkeys(key for run in runs for key in run.summary.groups.get(grouping, {})))
    if not 1 < len(keys) <= MOST_KEYS:
        return None
    series = []
    for run in runs:
        groups = run.summary.groups.get(grouping, {})
        points = [
            _build_metric_point(
                groups.get(key, {}).get(main), main, address(run=run.summary.run, **{f"g.{grouping}": key})
            )
            for key in keys
        ]
        series.append(Series(run.name, points))
    margins = [_find_margin(runs, grouping, key, main) for key in keys]
    if any(margin is not None for margin in margins):
        series.append(
            Series("best text-only baseline", [_build_baseline_point(margin) for margin in margins], "baseline")
        )
    low, high = _compute_axis_range(series, main)
    task = runs[0].summary.task
    return DotChart(
        _build_file_name(task, grouping),
        f"{get_title(main)} by {grouping}",
        _format_axis_title(main),
        keys,
        series,
        low,
        high,
    )


def _find_margin(runs: Sequence[DrawnRun], grouping: str, key: str, metric: str) -> TextMargin | None:
    """Return the margin of the first run that has one for this group and metric."""
    found = (run.summary.margins.get(grouping, {}).get(key) for run in runs)
    return next((margin for margin in found if margin is not None and margin.metric == metric), None)


def _build_baseline_point(margin: TextMargin | None) -> Point | None:
    """Return the baseline of a margin as a point of a chart."""
    if margin is None:
        return None
    text = f"{format_value(margin.baseline_value, margin.metric)} ({margin.baseline})"
    return Point(get_spec(margin.metric).convert_to_printed_unit(margin.baseline_value), text)


def build_condition_chart(
    task: str, model: str, effects: Mapping[str, Effect], levels: Mapping[str, float | None], links: Mapping[str, str]
) -> Chart | None:
    """Return the score under each condition, by falling signal-to-noise ratio, with baseline and chance.

    All mappings are by condition. `effects` are the effects on all items, `levels` the signal-to-noise ratios in dB,
    `links` the addresses of the items. Returns None if no condition has a score.
    """
    measured = {name: effect for name, effect in effects.items() if effect.noise.value is not None}
    if not measured:
        return None
    first = next(iter(measured.values()))
    known = sorted((name for name in measured if levels.get(name) is not None), key=lambda name: -(levels[name] or 0.0))
    order = [*known, *(name for name in measured if name not in known)]
    metrics = [("clean", first.clean), *((name, measured[name].noise) for name in order)]
    score = first.score
    points = [_build_metric_point(metric, score, links.get(name)) for name, metric in metrics]
    series = [Series(model, points)]
    if first.baseline is not None:
        name, value = first.baseline
        series.append(_build_line(f"best text-only baseline: {name}", value, score, len(points), "baseline"))
    if first.chance is not None:
        series.append(_build_line("chance", first.chance, score, len(points), "chance"))
    low, high = _compute_axis_range(series, score)
    title = f"{get_title(score)} by condition"
    return DotChart(
        _build_file_name(task, model, "conditions"),
        title,
        _format_axis_title(score),
        [n for n, _ in metrics],
        series,
        low,
        high,
    )


def _build_line(name: str, value: float, metric: str, count: int, role: Literal["baseline", "chance"]) -> Series:
    """Return a series with the same value in each of `count` categories; the value is also part of its name."""
    text = format_value(value, metric)
    point = Point(get_spec(metric).convert_to_printed_unit(value), text)
    return Series(f"{name} ({text})", [point] * count, role)


def _build_confusion_chart(run: DrawnRun, address: Address) -> Chart | None:
    table: Any = run.summary.tables.get("confusion")
    if table is None:
        return None
    links = [
        [address(run=run.summary.run, **{"g.label": str(row), "label": str(column)}) for column in table["columns"]]
        for row in table["rows"]
    ]
    rows, columns = [str(row) for row in table["rows"]], [str(column) for column in table["columns"]]
    name = _build_file_name(run.summary.task, run.name, "confusion")
    return HeatMap(
        name, f"Answers by reference · {run.name}", rows, columns, table["counts"], links, "reference", "answer"
    )


def _build_position_chart(run: DrawnRun, address: Address) -> Chart | None:
    if "positions" not in run.summary.tables:
        return None
    found = convert(run.summary.tables["positions"], PositionBias)
    total = sum(position.chosen for position in found.positions) or 1
    options = {"options": str(found.options)}
    columns: dict[str, list[Point | None]] = {"correct answers here": [], "answers here": [], "accuracy": []}
    for position in found.positions:
        there = address(run=run.summary.run, **options, reference=position.letter)
        chosen = address(run=run.summary.run, **options, answer=position.letter)
        shares = (100 * position.references / found.n, there), (100 * position.chosen / total, chosen)
        for name, (value, link) in zip(columns, shares, strict=False):
            columns[name].append(Point(value, f"{value:.1f} %", link=link))
        columns["accuracy"].append(_build_metric_point(position.accuracy, "accuracy", there))
    series = [Series(name, points) for name, points in columns.items()]
    letters = [position.letter for position in found.positions]
    name = _build_file_name(run.summary.task, run.name, "positions")
    return BarChart(name, f"Option positions · {run.name}", "%", letters, series, "position of the option")


def _build_reliability_chart(runs: Sequence[DrawnRun]) -> Chart | None:
    """Return accuracy by confidence, the share of probability of the likeliest option, in ten bins."""
    series = []
    for run in runs:
        pairs = [pair for record in run.records if (pair := _compute_confidence(record)) is not None]
        points = []
        for index in range(BINS):
            part = [pair for pair in pairs if min(int(pair[0] * BINS), BINS - 1) == index]
            if part:
                confidence, accuracy = (sum(values) / len(part) for values in zip(*part, strict=True))
                text = f"confidence {100 * confidence:.0f} %: {100 * accuracy:.1f} % right of {len(part):,}"
                points.append((confidence, Point(accuracy, text)))
        if points:
            series.append((run.name, points))
    if not series:
        return None
    title = "Reliability of option likelihoods (log-likelihood per token)"
    name = _build_file_name(runs[0].summary.task, "reliability")
    return CurveChart(name, title, "mean confidence, %", "share of right answers, %", series)


def _compute_confidence(record: Record) -> tuple[float, float] | None:
    """Return the probability of the most likely option, normalised over all options, and 1.0 if it is right, else 0.0.

    Returns None without finite log-likelihoods of several options, or without a single correct option.
    """
    sample = record.sample
    values = normalise_log_likelihoods(record.likelihood).get(MAIN, [])
    if len(values) < 2 or not isinstance(sample.target, int) or not all(map(math.isfinite, values)):
        return None
    confidence = 1 / sum(math.exp(value - max(values)) for value in values)
    return confidence, float(find_most_likely_option(sample, values) == sample.target)


def _build_length_chart(runs: Sequence[DrawnRun]) -> Chart | None:
    """Return a histogram of the answers' numbers of words."""
    lengths = {run.name: [len(r.text.split()) for r in run.records if r.text is not None] for run in runs}
    lengths = {name: values for name, values in lengths.items() if values}
    if not lengths:
        return None
    name = _build_file_name(runs[0].summary.task, "lengths")
    return _build_histogram(name, "Length of answers", "words", lengths, whole=True)


def _build_distribution_charts(runs: Sequence[DrawnRun]) -> list[Chart]:
    """Return one histogram per caption metric, over the metric's values for single items.

    The list is empty unless the main metric of the runs is a caption metric.
    """
    charts: list[Chart] = []
    main = runs[0].summary.main
    if "accuracy" in runs[0].summary.metrics or get_spec(main).compute is None:
        return charts
    metrics = sorted({metric for run in runs for scores in run.scores.values() for metric in scores})
    for metric in metrics:
        printed = get_spec(metric).convert_to_printed_unit
        found = {run.name: [one[metric] for one in run.scores.values() if metric in one] for run in runs}
        finite = {name: [printed(value) for value in each if math.isfinite(value)] for name, each in found.items()}
        values = {name: each for name, each in finite.items() if each}
        if not values:
            continue
        name = _build_file_name(runs[0].summary.task, metric)
        charts.append(
            _build_histogram(name, f"{get_title(metric)} of single items", _format_axis_title(metric), values)
        )
    return charts


def _build_histogram(
    name: str, title: str, axis: str, values: Mapping[str, Sequence[float]], whole: bool = False
) -> Chart:
    """Return a histogram with bins of a round width, one bar per bin and run; `whole` is True for whole numbers."""
    flat = [value for each in values.values() for value in each]
    step = choose_step(max(flat) - min(flat) + whole, MOST_BARS - 1)
    width = math.ceil(step) if whole else step
    bins = {name: [math.floor(value / width + 1e-9) for value in each] for name, each in values.items()}
    first = min(min(each) for each in bins.values())
    count = max(max(each) for each in bins.values()) - first + 1
    starts = [width * (first + number) for number in range(count)]
    if whole:
        labels = [f"{start}" if width == 1 else f"{start}-{start + width - 1}" for start in starts]
    else:
        labels = [f"{start:.4g}-{start + width:.4g}" for start in starts]
    series = []
    for model, each in bins.items():
        counts = [each.count(first + number) for number in range(count)]
        points = [Point(100 * n / len(each), f"{n:,} of {len(each):,} items") for n in counts]
        series.append(Series(model, points))
    return BarChart(name, title, "% of items", labels, series, axis)
