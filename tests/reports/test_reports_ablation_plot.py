"""The figure of a noise ablation: clean first, every condition with its interval, and what no listening earns."""

import re
from dataclasses import replace
from pathlib import Path

from alm_bench.core import Metric
from alm_bench.reports.ablation_plot import plot_ablation
from alm_bench.scoring.grounding import Effect, build_missing_effect

LEVELS = {"gaussian": float("-inf"), "snr:20": 20.0, "snr:0": 0.0, "silence": None, "none": None}


def effect(noise: float) -> Effect:
    clean, changed = Metric(0.8, 0.75, 0.85, 200), Metric(noise, noise - 0.05, noise + 0.05, 200)
    some = Metric(0.5, 0.4, 0.6, 200)
    return Effect(clean, changed, some, some, some, "grounded", baseline=("first option", 0.39), chance=0.25)


def texts(file: Path) -> list[str]:
    """The texts of a figure, in the order in which they are drawn."""
    return re.findall(r"<!-- (.+?) -->", file.read_text(encoding="utf-8"))


def test_all_conditions_from_clean_to_noise_alone(tmp_path: Path) -> None:
    file = tmp_path / "figures/f.svg"
    effects = {"mmau": {name: effect(0.3 + 0.05 * n) for n, name in enumerate(LEVELS)}}
    effects["mmau"]["none"] = build_missing_effect("needs audio")
    assert plot_ablation(effects, LEVELS, "a $model$", file)
    drawn = texts(file)
    ticks = [text for text in drawn if text in ("clean", *LEVELS)]
    assert ticks == ["clean", "snr:20", "snr:0", "gaussian", "silence"]
    assert {"mmau", "best text-only baseline: first option (39.0)", "chance (25.0)", "a $model$"} <= set(drawn)
    assert "accuracy, %" in drawn


def test_an_interval_is_drawn_for_each_score(tmp_path: Path) -> None:
    with_interval, without = tmp_path / "a.svg", tmp_path / "b.svg"
    one = effect(0.3)
    plot_ablation({"mmau": {"silence": one}}, LEVELS, "m", with_interval)
    bare = replace(one, clean=replace(one.clean, low=None, high=None), noise=replace(one.noise, low=None, high=None))
    plot_ablation({"mmau": {"silence": bare}}, LEVELS, "m", without)

    def heights(file: Path) -> list[float]:
        """Of the vertical bars, in points."""
        bars = re.findall(
            r'id="LineCollection_\d+">\s*<path d="M [\d.]+ ([\d.]+) \s*L [\d.]+ ([\d.]+)', file.read_text()
        )
        return [abs(float(low) - float(high)) for low, high in bars]

    assert min(heights(with_interval)) > 5
    assert max(heights(without)) < 1e-6


def test_a_panel_a_task_and_none_without_a_score(tmp_path: Path) -> None:
    file = tmp_path / "f.svg"
    scored = {"silence": effect(0.3)}
    assert plot_ablation(
        {"mmau": scored, "cle": scored, "acd": {"silence": build_missing_effect("x")}}, LEVELS, "m", file
    )
    drawn = texts(file)
    assert ("mmau" in drawn, "cle" in drawn, "acd" in drawn) == (True, True, False)
    assert not plot_ablation({"acd": {"silence": build_missing_effect("x")}}, LEVELS, "m", tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()
