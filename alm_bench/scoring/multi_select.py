"""Metrics of questions with several correct options: exact-set accuracy, and precision, recall and F1 over options."""

from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np

from alm_bench.core.protocols import Corpus
from alm_bench.core.types import Metrics, Parsed, Sample, Scored
from alm_bench.scoring.blind import FIRST, UNIFORM, Values, select_rows_with_reference
from alm_bench.scoring.blind import compute_baseline_scores as compute_baseline_scores
from alm_bench.scoring.classification import divide
from alm_bench.scoring.intervals import Array, build_rate_metric, compute_clustered_interval
from alm_bench.scoring.multiple_choice import (
    compute_choice_metrics,
    compute_option_order_weights,
    is_correct_set,
    list_clusters,
    normalise_choice,
)

ALL, SET = "all options", "most frequent set of letters"
"""Names of two text-only baselines, in addition to the baselines in `alm_bench.scoring.blind`."""

OPTION_METRICS = ("option_precision", "option_recall", "option_f1")
"""Names of the metrics over single options."""


def grade_option_set(sample: Sample, parsed: Parsed) -> dict[str, float]:
    """Return `accuracy`: 1 if exactly the correct options are selected, else 0. Empty if answers are withheld."""
    if sample.targets is None:
        return {}
    return {"accuracy": float(is_correct_set(sample, parsed.indices or ()))}


def compute_multi_select_metrics(rows: Sequence[Scored]) -> Metrics:
    """Compute the metrics of multiple choice, in which `accuracy` requires the exact set, and metrics over options.

    `option_precision` is the share of selected options that are correct, `option_recall` the share of correct options
    that are selected, and `option_f1` their harmonic mean (micro F1). Every option of every item is one decision; an
    item without an answer selects none.
    """
    kept = select_rows_with_reference(rows)
    return {**compute_choice_metrics(rows), **(_compute_option_metrics(kept) if kept else {})}


def _compute_option_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return the metrics `OPTION_METRICS`, which count single options instead of items. Intervals resample clips."""
    found, clusters = build_corpus_statistic(rows), list_clusters(rows)
    value, low, high = compute_clustered_interval(clusters, found.counts, found.statistic)
    distinct = len(set(clusters))
    return {
        name: build_rate_metric(float(value[i]), float(low[i]), float(high[i]), len(rows), distinct)
        for i, name in enumerate(found.names)
    }


def build_corpus_statistic(rows: Sequence[Scored]) -> Corpus:
    """Return the counts of each item and the statistic that computes `OPTION_METRICS` from their sums.

    The counts are the numbers of correct, selected, and both correct and selected options. They serve for intervals of
    the metrics and of their differences. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no items")
    counts = np.array([_count_options(row) for row in rows], dtype=np.float64)
    return Corpus(
        OPTION_METRICS, counts * np.array(compute_option_order_weights(rows))[:, None], _compute_precision_recall_f1
    )


def _count_options(row: Scored) -> tuple[int, int, int]:
    """Count the correct options, the selected options and the options that are both; duplicate options count once."""
    right, selected = (
        _normalise_options(row.sample, row.sample.targets),
        _normalise_options(row.sample, _get_selected_indices(row)),
    )
    return len(right), len(selected), len(right & selected)


def _normalise_options(sample: Sample, indices: Sequence[int] | None) -> set[str]:
    """Return the normalised texts of the options at these indices; empty if `indices` is None."""
    return {normalise_choice(sample, index) for index in indices or ()}


def _get_selected_indices(row: Scored) -> tuple[int, ...]:
    """Return the indices of the selected options, empty without an answer."""
    return (row.parsed.indices or ()) if row.parsed is not None else ()


def _compute_precision_recall_f1(sums: Array) -> Array:
    """Compute precision, recall and F1, shape (..., 3), from sums of shape (..., 3); an undefined ratio is 0.

    The sums are the numbers of correct, selected, and both correct and selected options.
    """
    right, selected, both = np.moveaxis(sums, -1, 0)
    return np.stack([divide(both, selected), divide(both, right), divide(2 * both, right + selected)], axis=-1)


def compute_multi_select_baselines(rows: Sequence[Scored]) -> Values:
    """Return the expected exact-set accuracy of each text-only baseline on each row.

    The uniform guess selects one of the non-empty sets of options. The most frequent set of letters is computed from
    the correct answers of these rows, like the most frequent letter of questions with one correct option.
    """
    if not rows:
        return {}
    samples = [row.sample for row in rows]
    frequent = Counter(sample.targets for sample in samples).most_common(1)[0][0] or ()
    guesses: dict[str, list[tuple[int, ...]]] = {
        FIRST: [(0,)] * len(samples),
        ALL: [tuple(range(len(s.choices))) for s in samples],
    }
    guesses[SET] = [tuple(index for index in frequent if index < len(s.choices)) for s in samples]
    table: dict[str, Sequence[float]] = {UNIFORM: compute_baseline_scores(rows, {})[UNIFORM]}
    for name, sets in guesses.items():
        table[name] = [float(is_correct_set(sample, guess)) for sample, guess in zip(samples, sets, strict=True)]
    return table


def build_option_table(rows: Sequence[Scored]) -> list[Mapping[str, Any]] | None:
    """Return one table row per option: how often it is correct and selected, and its precision, recall and F1.

    Only questions with the most common number of options are counted. Options are named by their texts if all questions
    have the same list, else by letters. Returns None if no question has several correct options.
    """
    kept = [row for row in select_rows_with_reference(rows) if row.sample.targets is not None]
    if not kept:
        return None
    count = Counter(len(row.sample.choices) for row in kept).most_common(1)[0][0]
    kept = [row for row in kept if len(row.sample.choices) == count]
    lists = {row.sample.choices for row in kept}
    names = next(iter(lists)) if len(lists) == 1 else tuple(ascii_lowercase[:count])
    return [_build_option_row(name, index, kept) for index, name in enumerate(names)]


def _build_option_row(name: str, index: int, rows: Sequence[Scored]) -> dict[str, Any]:
    """Return the table row of the option at one index."""
    right = [index in (row.sample.targets or ()) for row in rows]
    selected = [index in _get_selected_indices(row) for row in rows]
    both = sum(a and b for a, b in zip(right, selected, strict=True))
    figures = _compute_precision_recall_f1(np.array([sum(right), sum(selected), both], dtype=np.float64))
    precision, recall, f1 = (float(figure) for figure in figures)
    entry = {"option": name, "n": len(rows), "right": sum(right), "selected": sum(selected)}
    return {**entry, "precision": precision, "recall": recall, "f1": f1}
