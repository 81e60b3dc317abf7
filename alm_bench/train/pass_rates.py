"""Selection of the rows of a stage by their measured pass rates, and charts of pass rates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_bench.core import UsageError
from alm_bench.reports.plots.charts import BarChart, LineChart, Point, Series
from alm_bench.train.batches import Corpus
from alm_bench.train.config import StageConfig

BINS = 8
"""Number of intervals of pass rates between 0 and 1 in a histogram."""


def uses_pass_rates(stage: StageConfig) -> bool:
    """Return True if a stage selects or orders its rows by their pass rates."""
    return bool(stage.drop or stage.band or stage.order == "easy_to_hard")


def get_pass_rates(corpus: Corpus) -> npt.NDArray[np.float64]:
    """Return the pass rate of each row, (rows,); NaN for rows without one."""
    rates = [row.pass_rate for source in corpus.sources for row in source.rows]
    return np.array([np.nan if rate is None else rate for rate in rates], np.float64)


def select_by_pass_rate(rates: npt.NDArray[np.float64], stage: StageConfig) -> npt.NDArray[np.bool_]:
    """Return an array (rows,) that is True for the rows that a stage uses. `rates` (rows,): pass rate of each row, NaN
    for rows without one. Raises UsageError if there are such rows."""
    if count := int(np.isnan(rates).sum()):
        raise UsageError(
            f"stage {stage.name} selects rows by pass rate, which {count:,} of {len(rates):,} rows do not have: run "
            "alm-bench train difficulty with this recipe, and name the table that it writes as pass_rates of [[data]]"
        )
    held = np.ones(len(rates), bool)
    if "never" in stage.drop:
        held &= rates > 0
    if "always" in stage.drop:
        held &= rates < 1
    if stage.band:
        held &= (rates >= stage.band[0]) & (rates <= stage.band[1])
    return held


def describe_selection(rates: npt.NDArray[np.float64], stage: StageConfig) -> str:
    """Return in one line how many rows of the given pass rates a stage uses, and why it leaves out the others."""
    held = select_by_pass_rate(rates, stage)
    reasons = {
        "never answered right": rates == 0,
        "always answered right": rates == 1,
        "pass rate out of the band": (rates > 0) & (rates < 1),
    }
    counts = {reason: int((~held & applies).sum()) for reason, applies in reasons.items()}
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
    shown = f"{int(held.sum()):,} of {len(rates):,} rows are used"
    if held.any():
        shown += f", pass rate {rates[held].min():g} to {rates[held].max():g}, mean {rates[held].mean():.2f}"
    return shown + (f"; left out: {left_out}" if left_out else "")


def build_histogram(title: str, rates: Sequence[float], is_used: Sequence[bool] | None = None) -> BarChart:
    """Return a histogram: the number of all rows by pass rate and, with `is_used`, the number of rows that a stage
    uses.

    `rates`: pass rate of each row. `is_used`: True for each row that the stage uses.
    """
    values = np.asarray(rates, float)
    edges = np.round(values * BINS).astype(int)
    categories = [f"{index}/{BINS}" for index in range(BINS + 1)]

    def count_rows_per_bin(mask: npt.NDArray[np.bool_]) -> list[Point | None]:
        totals = [int((edges[mask] == index).sum()) for index in range(BINS + 1)]
        return [Point(total, f"{total:,} rows") for total in totals]

    series = [Series("all rows", count_rows_per_bin(np.ones(len(values), bool)))]
    if is_used is not None:
        series.append(Series("rows of the stage", count_rows_per_bin(np.asarray(is_used, bool))))
    return BarChart("pass-rates", title, "rows", categories, series, "pass rate")


def build_order_chart(log: Sequence[Mapping[str, Any]], stage: int) -> LineChart | None:
    """Return a chart of the mean pass rate of the rows of each logged step of a stage, by step; None if the log has no
    pass rates of this stage. `stage`: index of the stage."""
    entries = [entry for entry in log if entry["stage"] == stage and entry.get("pass_rate") is not None]
    if not entries:
        return None
    points = [(float(entry["step"]), float(entry["pass_rate"])) for entry in entries]
    return LineChart(f"order-{stage}", f"{entries[0]['name']}: rows by step", "step", "pass rate", [("mean", points)])
