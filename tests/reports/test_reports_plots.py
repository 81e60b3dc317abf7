"""Pictures: conditions of a noise ablation with text-only baseline and chance, reliability, histograms."""

import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from report_page import build_long_run

from alm_bench.core import Metric
from alm_bench.reports.plots.charts import BarChart, CurveChart, LineChart
from alm_bench.reports.plots.files import write_ablation_picture
from alm_bench.reports.plots.pictures import DrawnRun, build_charts
from alm_bench.reports.plots.svg import draw_panels, draw_svg
from alm_bench.scoring.grounding import Effect, build_missing_effect

LEVELS = {"gaussian": float("-inf"), "snr:20": 20.0, "snr:0": 0.0, "silence": None, "none": None}


def effect(noise: float) -> Effect:
    clean, changed = Metric(0.8, 0.75, 0.85, 200), Metric(noise, noise - 0.05, noise + 0.05, 200)
    some = Metric(0.5, 0.4, 0.6, 200)
    return Effect(clean, changed, some, some, some, "grounded", baseline=("first option", 0.39), chance=0.25)


def texts(file: Path) -> list[str]:
    """Return the texts of a figure, in the order in which they are drawn."""
    return [unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)", file.read_text(encoding="utf-8"))]


def test_all_conditions_from_clean_to_noise_alone(tmp_path: Path) -> None:
    file = tmp_path / "figures/f.svg"
    effects = {"mmau": {name: effect(0.3 + 0.05 * n) for n, name in enumerate(LEVELS)}}
    effects["mmau"]["none"] = build_missing_effect("needs audio")
    assert write_ablation_picture(effects, LEVELS, "a $model$", file)
    drawn = texts(file)
    ticks = [text for text in drawn if text in ("clean", *LEVELS)]
    assert ticks == ["clean", "snr:20", "snr:0", "gaussian", "silence"]
    assert {"mmau", "best text-only baseline: first option (39.0)", "chance (25.0)", "a $model$"} <= set(drawn)
    assert "accuracy, %" in drawn
    assert file.read_text(encoding="utf-8").count("<polygon") == 6, "a diamond per condition, and one in the legend"
    assert file.read_text(encoding="utf-8").count('class="b"') == 6 + 2 * 6, "a cross per condition is chance"


def test_an_interval_is_drawn_for_each_score(tmp_path: Path) -> None:
    with_interval, without = tmp_path / "a.svg", tmp_path / "b.svg"
    one = effect(0.3)
    write_ablation_picture({"mmau": {"silence": one}}, LEVELS, "m", with_interval)
    bare = replace(one, clean=replace(one.clean, low=None, high=None), noise=replace(one.noise, low=None, high=None))
    write_ablation_picture({"mmau": {"silence": bare}}, LEVELS, "m", without)

    def lengths(file: Path) -> list[float]:
        """Return the lengths of the intervals in pixels."""
        bars = re.findall(r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)" y2="[\d.]+" class="line ', file.read_text())
        return [float(high) - float(low) for low, high in bars]

    assert min(lengths(with_interval)) > 5
    assert len(lengths(with_interval)) == 2
    assert max(lengths(without), default=0) < 1e-6
    assert without.read_text().count("<circle") == with_interval.read_text().count("<circle") > 2


def test_the_name_of_the_file_selects_the_format(tmp_path: Path) -> None:
    for name, start in (("f.png", b"\x89PNG"), ("f.PDF", b"%PDF-"), ("f.svg", b"<svg ")):
        assert write_ablation_picture({"mmau": {"silence": effect(0.3)}}, LEVELS, "m", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_one_panel_per_task_and_none_without_a_score(tmp_path: Path) -> None:
    file = tmp_path / "f.svg"
    scored = {"silence": effect(0.3)}
    assert write_ablation_picture(
        {"mmau": scored, "cle": scored, "acd": {"silence": build_missing_effect("x")}}, LEVELS, "m", file
    )
    drawn = texts(file)
    assert ("mmau" in drawn, "cle" in drawn, "acd" in drawn) == (True, True, False)
    assert not write_ablation_picture(
        {"acd": {"silence": build_missing_effect("x")}}, LEVELS, "m", tmp_path / "none.svg"
    )
    assert not (tmp_path / "none.svg").exists()


def test_reliability_is_accuracy_by_confidence() -> None:
    """The likeliest of three options has a probability of 70 %, and is wrong in every fourth item."""
    high, low, equal = (2 * math.log(0.7), 2), (3 * math.log(0.15), 3), (math.log(0.5), 1)
    run = build_long_run(41)
    likely = [{"text": (low, high, low) if record.index % 4 == 0 else (high, low, low)} for record in run.records]
    likely[40] = {"text": (equal, equal, equal)}  # selects no option
    records = [replace(record, likelihood=one) for record, one in zip(run.records, likely, strict=True)]
    drawn = DrawnRun(run.summary, "m", records, run.scores)
    (chart,) = (one for one in build_charts([drawn]) if isinstance(one, CurveChart))
    ((name, points),) = chart.series
    assert name == "m"
    assert [round(confidence, 9) for confidence, _ in points] == [round(1 / 3, 9), 0.7]
    assert [point.value for _, point in points] == [0.0, 0.75]
    assert points[1][1].text == "confidence 70 %: 75.0 % right of 40"
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', draw_svg(chart))
    (left, bottom), (right, top) = ([float(number) for number in pair] for pair in circles)
    assert (right - left) / (bottom - top) == pytest.approx((0.7 - 1 / 3) / 0.75, abs=0.01)


def test_bins_of_a_histogram_are_round() -> None:
    run = build_long_run(12)
    records = [replace(record, text=" ".join(["word"] * (3 + 4 * record.index))) for record in run.records]
    drawn = DrawnRun(run.summary, "m", records, run.scores)
    (chart,) = (one for one in build_charts([drawn]) if one.name == "mmau-lengths")
    assert isinstance(chart, BarChart)
    assert list(chart.categories) == ["0-4", "5-9", *(f"{n}-{n + 4}" for n in range(10, 50, 5))]
    texts = [point.text for point in chart.series[0].points if point is not None]
    assert texts[:3] == ["1 of 12 items", "1 of 12 items", "1 of 12 items"]
    assert sum(int(text.split()[0]) for text in texts) == 12


def line_chart(logarithmic: bool, *values: float) -> LineChart:
    points = [(float(step), value) for step, value in enumerate(values)]
    return LineChart("loss", "answer", "step", "loss", [("training", points), ("validation", points[::2])], logarithmic)


def test_lines_are_drawn_within_their_axes_with_round_ticks() -> None:
    for chart in (line_chart(True, 8.0, 4.0, 2.0, 1.0, 0.5), line_chart(False, -1.0, 0.0, 2.0), line_chart(True, 1.0)):
        svg = draw_svg(chart, standalone=True)
        places = re.findall(r'<polyline points="([^"]*)"', svg)
        found = [tuple(map(float, pair.split(","))) for line in places for pair in line.split()]
        assert len(found) == sum(len(points) for _, points in chart.series)
        assert all(60 <= x <= 466 and 0 < y < 260 for x, y in found)
    halving = re.findall(r'<polyline points="([^"]*)"', draw_svg(line_chart(True, 8.0, 4.0, 2.0, 1.0)))[0].split()
    heights = [float(pair.split(",")[1]) for pair in halving]
    assert np.diff(heights) == pytest.approx(np.diff(heights)[0], abs=0.15), "equal ratios are equally far apart"
    assert heights[0] < heights[-1]
    for tick in ("1", "2", "5"):
        assert f">{tick}</text>" in draw_svg(line_chart(True, 8.0, 0.9))


def test_values_that_a_logarithm_cannot_show_are_left_out() -> None:
    svg = draw_svg(line_chart(True, 2.0, 0.0, float("nan"), 1.0))
    assert len(re.findall(r'<polyline points="([^"]*)"', svg)[0].split()) == 2


def test_panels_stand_side_by_side() -> None:
    charts = [line_chart(True, 2.0, 1.0)] * 3
    sizes = [
        tuple(map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', draw_panels("t", charts, columns))[0]))
        for columns in (1, 2)
    ]
    assert [width for width, _ in sizes] == [480, 960]
    assert sizes[1][1] < 0.75 * sizes[0][1]
