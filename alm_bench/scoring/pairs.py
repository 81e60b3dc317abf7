"""Paired accuracy: accuracy on pairs of items about the same clip, or of the same question, under two conditions.

A task declares its pairs on its card (`PairSpec`): the two questions that a benchmark asks about each clip, a question
and its paraphrase, or the option orders of one question. Errors on paired items are correlated, so that a comparison of
the two conditions is made within pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from alm_bench.core import Metric, Metrics, PairSpec, Scored
from alm_bench.scoring.intervals import compute_conditional_share, compute_share
from alm_bench.scoring.multiple_choice import compute_question_weights, get_selected_text
from alm_bench.scoring.paired import Difference, compare_paired_scores

ALL = "all"
"""Grouping and key of the metrics over all pairs."""

OPTION_ORDER = PairSpec(name="right_in_another_order", title="option orders", by="question", grouping="option order")
"""Pairs of option orders of one question. Only runs with `--options circular` or several shuffles have them."""

Values = Mapping[str, Sequence[float]]
"""Score of each row in 0..1, by name of the text-only baseline."""


@dataclass(frozen=True, slots=True)
class PairMetrics:
    """Metrics of a run's pairs, over all pairs or over the pairs of one group.

    If any two conditions form a pair (`first` is None), every pair is counted in both directions, and all items with
    the same pairing key together have the weight 1. In this case there is no paired difference.
    """

    name: str
    """Name of the metric `given_right`."""

    title: str
    """Title of the pairs."""

    first: str | None
    """Condition under which pairs are right in `given_right`, wrong in `given_wrong`; None if any two form a pair."""

    second: str | None
    """The other condition."""

    grouping: str
    """Grouping of the task's card; `all` for all pairs."""

    key: str
    """Key of the grouping; `all` for all pairs."""

    pairs: int
    """Number of pairs."""

    unpaired: int
    """Number of items without a partner, which are left out."""

    first_accuracy: Metric
    """Accuracy under the first condition."""

    second_accuracy: Metric
    """Accuracy under the second condition."""

    given_right: Metric
    """Accuracy under the second condition, over the pairs that are right under the first."""

    given_wrong: Metric
    """Accuracy under the second condition, over the pairs that are wrong under the first."""

    difference: Difference | None
    """Accuracy under the second condition minus accuracy under the first, paired."""

    same_answer: Metric | None
    """Share of pairs in which the same option (by its text) is selected under both conditions; None if the options of
    some pairs differ."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """One pair, as indices of rows under the first and the second condition.

    A condition has several rows if the question was asked in several option orders.
    """

    key: str
    """Pairing key (`PairSpec.by`), which is also the cluster that intervals resample."""

    first: Sequence[int]
    """Indices of the rows under the first condition."""

    second: Sequence[int]
    """Indices of the rows under the second condition."""

    weight: float = 1.0
    """Weight of the pair in means."""


def analyse_pairs(
    rows: Sequence[Scored], spec: PairSpec, groupings: Sequence[str] = (), scores: Sequence[float] | None = None
) -> list[PairMetrics]:
    """Return the metrics over all pairs, followed by the metrics of each group.

    The groups are the keys of `groupings`. A pair belongs to a group if both of its items have the key.
    `scores` holds one score in 0..1 per row, by default the accuracy of the row. Skipped rows are left out. The result
    is empty if there are no pairs.
    """
    given = [row.scores.get("accuracy", 0.0) for row in rows] if scores is None else scores
    kept = [index for index, row in enumerate(rows) if row.status != "skipped"]
    parts: dict[tuple[str, str], list[int]] = {(ALL, ALL): kept}
    for grouping in groupings:
        for index in kept:
            if (key := rows[index].sample.groups.get(grouping)) is not None:
                parts.setdefault((grouping, key), []).append(index)
    found = []
    for (grouping, key), indices in sorted(parts.items(), key=lambda part: (part[0][0] != ALL, part[0])):
        pairs = _find_pairs([rows[index] for index in indices], spec)
        if pairs:
            part_rows, part_scores = [rows[index] for index in indices], [given[index] for index in indices]
            found.append(_analyse_group(part_rows, part_scores, spec, pairs, (grouping, key)))
    return found


def compute_pair_metrics(
    rows: Sequence[Scored], specs: Sequence[PairSpec], scores: Sequence[float] | None = None
) -> Metrics:
    """Return `PairMetrics.given_right` over all pairs of each of `specs`, by the specification's name.

    `scores` holds one score in 0..1 per row, by default the accuracy of the row. Specifications without pairs are left
    out.
    """
    found = {}
    for spec in specs:
        for figures in analyse_pairs(rows, spec, scores=scores):
            found[spec.name] = figures.given_right
    return found


def compute_baseline_pair_metrics(
    rows: Sequence[Scored], specs: Sequence[PairSpec], values: Values
) -> dict[str, Metrics]:
    """Return the result of `compute_pair_metrics` for each text-only baseline, by the baseline's name.

    A baseline whose scores are expectations (a uniform guess) gets a value without interval.
    """
    table = {}
    for name, scores in values.items():
        metrics = compute_pair_metrics(rows, specs, scores)
        if not np.isin(scores, (0, 1)).all():
            metrics = {key: Metric(metric.value, n=metric.n, reason=metric.reason) for key, metric in metrics.items()}
        table[name] = metrics
    return table


def list_pair_specs(specs: Sequence[PairSpec], rows: Sequence[Scored]) -> list[PairSpec]:
    """Return `specs`, with `OPTION_ORDER` appended if a question of `rows` was asked in several option orders."""
    several = any(row.sample.arranged is not None and row.sample.arranged.count > 1 for row in rows)
    return [*specs, OPTION_ORDER] if several else list(specs)


def _find_pairs(rows: Sequence[Scored], spec: PairSpec) -> list[_Pair]:
    """Return the pairs that `spec` declares among the rows, in order of the first appearance of their keys."""
    conditions: dict[str, dict[str, list[int]]] = {}
    for index, row in enumerate(rows):
        key, condition = _get_key(row, spec.by), _get_key(row, spec.grouping)
        if key is not None and condition is not None:
            conditions.setdefault(key, {}).setdefault(condition, []).append(index)
    found = []
    for key, parts in conditions.items():
        if spec.first is not None and spec.second is not None:
            if spec.first in parts and spec.second in parts:
                found.append(_Pair(key, parts[spec.first], parts[spec.second]))
            continue
        orders = list(permutations(parts.values(), 2))
        found += [_Pair(key, first, second, 1 / len(orders)) for first, second in orders]
    return found


def _get_key(row: Scored, grouping: str) -> str | None:
    """Return a row's key in a grouping; None without one. Every task has groupings `question` and `option order`."""
    if grouping == "question":
        return row.sample.question
    if grouping == "option order":
        return None if row.sample.arranged is None else str(row.sample.arranged.number)
    return row.sample.groups.get(grouping)


def _analyse_group(
    rows: Sequence[Scored],
    scores: Sequence[float],
    spec: PairSpec,
    pairs: Sequence[_Pair],
    group: tuple[str, str],
) -> PairMetrics:
    """Return the metrics of `pairs`, which are the pairs of `rows`. `group` is the grouping and the key of the rows."""
    weights = compute_question_weights([row.sample.question for row in rows])
    clusters, pair_weights = [pair.key for pair in pairs], [pair.weight for pair in pairs]

    def average(indices: Sequence[int]) -> float:
        if len(indices) == 1:  # the usual case, up to hundreds of thousands of times
            return float(scores[indices[0]])
        return float(np.average([scores[index] for index in indices], weights=[weights[index] for index in indices]))

    first, second = [average(pair.first) for pair in pairs], [average(pair.second) for pair in pairs]
    ordered = spec.first is not None
    used = {index for pair in pairs for index in (*pair.first, *pair.second)}
    same = _compare_answers(rows, pairs)
    return PairMetrics(
        name=spec.name,
        title=spec.title,
        first=spec.first,
        second=spec.second,
        grouping=group[0],
        key=group[1],
        pairs=len(pairs) if ordered else len(pairs) // 2,
        unpaired=len(rows) - len(used),
        first_accuracy=compute_share(first, clusters, pair_weights),
        second_accuracy=compute_share(second, clusters, pair_weights),
        given_right=compute_conditional_share(second, first, clusters, pair_weights),
        given_wrong=compute_conditional_share(second, [1 - value for value in first], clusters, pair_weights),
        difference=compare_paired_scores(first, second, clusters, pair_weights) if ordered else None,
        same_answer=None if same is None else compute_share(same, clusters, pair_weights),
    )


def _compare_answers(rows: Sequence[Scored], pairs: Sequence[_Pair]) -> list[float] | None:
    """Return, for each pair, 1.0 if the same option is selected under both conditions, else 0.0.

    If questions are asked in several option orders, the value is the share of all combinations of an order under the
    first condition with an order under the second in which the same option is selected. Returns None if the options of
    the two conditions differ in some pair, or if a question has no options.
    """
    options = [frozenset(row.sample.choices) for row in rows]
    if not all(options[pair.first[0]] == options[pair.second[0]] != frozenset() for pair in pairs):
        return None
    selected = [get_selected_text(row) for row in rows]
    found = []
    for pair in pairs:
        same = [
            one is not None and one == other
            for one, other in product((selected[i] for i in pair.first), (selected[i] for i in pair.second))
        ]
        found.append(sum(same) / len(same))
    return found
