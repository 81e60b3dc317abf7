"""Plot of a noise ablation: the score with its interval in each condition, with the text-only baseline and chance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alm_bench.core.escape import escape_terminal
from alm_bench.core.types import Metric
from alm_bench.reports.figures import format_value, get_spec, get_title, get_unit
from alm_bench.scoring.grounding import Effect

FORMATS = (".png", ".pdf", ".svg")
"""File name endings of the formats that plots can be written in."""

CLEAN = "clean"


def plot_ablation(
    effects: Mapping[str, Mapping[str, Effect]], levels: Mapping[str, float | None], model: str, file: Path
) -> bool:
    """Write a figure with one panel per task. Return False, without writing, if no task has a score.

    `effects` are those over all items, by task and condition. `levels` is the signal-to-noise ratio of each condition
    in dB, by which conditions are ordered from high to low; conditions without a ratio (None) come last, in the order
    of `effects`. Raises OSError.
    """
    panels = {task: points for task, found in effects.items() if len(points := _collect_points(found, levels)) > 1}
    if not panels:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    widest = max(map(len, panels.values()))
    size = (max(4.0, 1.2 + 0.75 * widest) * len(panels), 4.2)
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    try:
        for axes, (task, points) in zip(all_axes[0], panels.items(), strict=True):
            _draw(axes, task, points, effects[task])
        figure.suptitle(escape_terminal(model), parse_math=False)  # a model's name may contain `$`
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=120)
    finally:
        pyplot.close(figure)
    return True


def _collect_points(effects: Mapping[str, Effect], levels: Mapping[str, float | None]) -> list[tuple[str, Metric]]:
    """Return the conditions that have a score, with the score: clean first, then by falling signal-to-noise ratio."""
    measured = {name: effect for name, effect in effects.items() if effect.noise.value is not None}
    if not measured:
        return []
    known = {name: level for name in measured if (level := levels.get(name)) is not None}
    order = [*sorted(known, key=lambda name: -known[name]), *(name for name in measured if name not in known)]
    return [(CLEAN, next(iter(measured.values())).clean), *((name, measured[name].noise) for name in order)]


def _draw(axes: Any, task: str, points: Sequence[tuple[str, Metric]], effects: Mapping[str, Effect]) -> None:
    first = next(effect for effect in effects.values() if effect.noise.value is not None)
    printed = get_spec(first.score).convert_to_printed_unit
    for position, (name, metric) in enumerate(points):
        value = printed(metric.value or 0.0)
        low, high = (value if bound is None else printed(bound) for bound in (metric.low, metric.high))
        reach = [[max(0.0, value - low)], [max(0.0, high - value)]]
        axes.errorbar(position, value, reach, fmt="o", color="C0" if name == CLEAN else "C1", capsize=3)
    lines = []
    if first.baseline is not None:
        lines.append((f"best text-only baseline: {first.baseline[0]}", first.baseline[1], "--"))
    if first.chance is not None:
        lines.append(("chance", first.chance, ":"))
    for label, value, style in lines:
        text = escape_terminal(f"{label} ({format_value(value, first.score)})")
        axes.axhline(printed(value), linestyle=style, color="0.4", label=text)
    axes.set_xticks(range(len(points)), [name for name, _ in points], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(points) - 0.5)
    axes.set_ylim(bottom=0)
    unit = get_unit(first.score).strip()
    axes.set_ylabel(", ".join(filter(None, (get_title(first.score), unit))))
    axes.set_title(escape_terminal(task), parse_math=False)
    if lines:
        axes.legend(fontsize="small")
