"""Effect of changed clips, or of a changed chain of thought, on a model's score, paired by item.

The effect shows how much of the score depends on the audio, or on the model's own reasoning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alm_bench.core import HasTextBaselines, Metric, MetricError, Scored, ScoresItems, Task
from alm_bench.scoring.blind import UNIFORM, Margin, compute_margin, select_rows_with_reference
from alm_bench.scoring.intervals import compute_mean_interval, compute_ratio_interval, compute_share
from alm_bench.scoring.main_score import compute_main_scores, has_main_score
from alm_bench.scoring.metrics import get_metric_spec
from alm_bench.scoring.multiple_choice import (
    compute_option_order_weights,
    get_selected_text,
    list_clusters,
    split_by_group,
)
from alm_bench.scoring.paired import compare_paired_scores
from alm_bench.scoring.verdicts import LEAST_ITEMS, Evidence, GroundingVerdict, judge_grounding, judge_reasoning


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of changed clips, or of a changed chain of thought, on a model's score on one group of items.

    The fields call the changed run `noise`, whatever the change is.
    """

    clean: Metric
    """Score on clean clips."""

    noise: Metric
    """Score on changed clips, averaged over repeats."""

    drop: Metric
    """`clean` - `noise`; `noise` - `clean` if a lower score is better."""

    retention: Metric
    """`noise` / `clean`."""

    changed: Metric
    """Share of items whose answer differs between clean and changed clips."""

    verdict: GroundingVerdict | None
    """Verdict on whether the model uses the audio; None if none could be given, for the reason in `reason`."""

    reason: str | None = None
    """Reason why `verdict` is None or "cannot tell"."""

    score: str = "accuracy"
    """Name of the items' metric."""

    baseline: tuple[str, float] | None = None
    """Name and score of the best text-only baseline; None if no baseline is known for each item."""

    chance: float | None = None
    """Expected score of a uniform guess; None if it is not known."""

    left_out: int | None = None
    """Number of items without a chain of thought, which all figures leave out; None if clips were changed."""


def build_missing_effect(reason: str) -> Effect:
    """Return an effect without values. `reason` says why it could not be measured."""
    none = Metric.missing(reason)
    return Effect(none, none, none, none, none, None, reason)


NO_CHAIN = "no answered item has a chain of thought"
"""Reason why there is no effect of a changed chain of thought."""


def build_chainless_effect(item_count: int, reason: str) -> Effect:
    """Return the effect of a changed chain of thought on items of which none has a chain. It has no values.

    `item_count` is the number of the items, `reason` says why no chain could be changed.
    """
    return replace(build_missing_effect(reason), verdict="cannot tell", left_out=item_count)


@dataclass(frozen=True, slots=True)
class ItemPair:
    """One item on clean clips and on changed clips, or with and without a changed chain of thought."""

    clean: Scored
    """The item in the clean run."""

    noisy: Sequence[Scored]
    """The item in each repeat with the change."""

    @property
    def changed(self) -> float:
        """Share of repeats whose answer differs from the clean one, 0..1."""
        return float(np.mean([_get_answer(row) != _get_answer(self.clean) for row in self.noisy]))


def compute_effects(
    task: Task, pairs: Sequence[ItemPair], keeps_evidence: bool = False
) -> dict[str, dict[str, Effect]]:
    """Compute the effect of changed clips on all items, and on the items of each group.

    The result maps groupings of the task's card to keys, and keys to effects. The grouping `all` has one key, `all`.

    `keeps_evidence` is True if the changed clips may still contain the information that the answer needs (see
    `verdicts.judge`).
    """
    return _compute_effects_by_group(task, pairs, _ClipVerdictFinder(keeps_evidence))


def _compute_effects_by_group(
    task: Task, pairs: Sequence[ItemPair], find_verdict: "FindVerdict"
) -> dict[str, dict[str, Effect]]:
    """Return the effect on each group of items by grouping and key, with the verdict that `find_verdict` returns."""
    kept = _select_scored_pairs(task, pairs)
    if not kept:
        return {"all": {"all": build_missing_effect("the items have no answers to be scored by")}}
    try:
        scored = _ItemScores.from_pairs(task, kept)
    except MetricError as error:
        return {"all": {"all": build_missing_effect(str(error))}}
    place = {id(pair.clean): number for number, pair in enumerate(kept)}
    parts = {"all": {"all": [pair.clean for pair in kept]}, **split_by_group([p.clean for p in kept], task.card.groups)}
    return {
        grouping: {
            key: scored.compute_effect([place[id(row)] for row in rows], find_verdict) for key, rows in keys.items()
        }
        for grouping, keys in parts.items()
    }


def _select_scored_pairs(task: Task, pairs: Sequence[ItemPair]) -> list[ItemPair]:
    """Return the pairs whose item has a reference answer and the task's main score."""
    return [pair for pair in pairs if pair.clean.sample.has_reference and has_main_score(task, pair.clean.sample)]


def compute_chain_effects(
    task: Task, pairs: Sequence[ItemPair], rows_without_chain: Sequence[Scored], control: Sequence[ItemPair] = ()
) -> dict[str, dict[str, Effect]]:
    """Return the effects of a changed chain of thought by grouping and key, as `compute_effects`.

    `pairs` are the items with a chain, `rows_without_chain` the items without one. `control` are the items of a control
    run, in which the model continues its unchanged chain. With it, verdicts compare the changed run with the control
    run, not with the clean run, since answers that differ in the control run differ by chance.
    """
    if not pairs:
        return {"all": {"all": build_chainless_effect(len(rows_without_chain), NO_CHAIN)}}
    effects = _compute_effects_by_group(task, pairs, _ChainVerdictFinder.from_control(task, control))
    parts = {"all": {"all": list(rows_without_chain)}, **split_by_group(rows_without_chain, task.card.groups)}
    return {
        grouping: {
            key: replace(effect, left_out=len(parts.get(grouping, {}).get(key, ()))) for key, effect in keys.items()
        }
        for grouping, keys in effects.items()
    }


@dataclass(frozen=True, slots=True)
class _ItemScores:
    """Scores of the items on clean and changed clips, and of the text-only baselines.

    All sequences have one entry per item. `name` is the metric of the scores, and `baselines` holds the scores of each
    text-only baseline by its name. `noise` is the score on changed clips, averaged over repeats. `changed` is the share
    of repeats whose answer differs from the answer on the clean clip. `bounded` is True for scores in 0..1.
    """

    name: str
    pairs: Sequence[ItemPair]
    clean: Sequence[float]
    noise: Sequence[float]
    changed: Sequence[float]
    baselines: Mapping[str, Sequence[float]]
    bounded: bool

    @staticmethod
    def from_pairs(task: Task, pairs: Sequence[ItemPair]) -> "_ItemScores":
        """Compute the scores of the items `pairs`. Raises MetricError if the main score cannot be computed."""
        name, clean = compute_main_scores(task, [pair.clean for pair in pairs])
        repeats = [compute_main_scores(task, [pair.noisy[k] for pair in pairs])[1] for k in range(len(pairs[0].noisy))]
        noise = np.mean(repeats, axis=0).tolist()
        changed = [pair.changed for pair in pairs]
        rows = [pair.clean for pair in pairs]
        known = isinstance(task, HasTextBaselines) and len(select_rows_with_reference(rows)) == len(rows)
        baselines = task.blind_scores(rows) if known else {}  # type: ignore[attr-defined]
        bounded = not isinstance(task, ScoresItems)
        return _ItemScores(name, pairs, clean, noise, changed, baselines, bounded)

    def compute_effect(self, item_indices: Sequence[int], find_verdict: "FindVerdict") -> Effect:
        """Return the effect on the items at these indices, judged by `find_verdict`."""
        rows = [self.pairs[place].clean for place in item_indices]
        clean, noise, changed = ([values[p] for p in item_indices] for values in (self.clean, self.noise, self.changed))
        clip_ids, item_weights = list_clusters(rows), compute_option_order_weights(rows)
        level = compute_share if self.bounded else compute_mean_interval
        effect = Effect(
            level(clean, clip_ids, item_weights),
            level(noise, clip_ids, item_weights),
            compare_paired_scores(*self._order_for_drop(clean, noise), clip_ids, item_weights).difference,
            _compute_retention(clean, noise, clip_ids, item_weights),
            compute_share(changed, clip_ids, item_weights),
            None,
            score=self.name,
        )
        values = {name: [scores[p] for p in item_indices] for name, scores in self.baselines.items()}
        margins = [compute_margin(rows, values, scores, self.name) for scores in (clean, noise)]
        if margins[0] is not None:
            guess = float(np.average(values[UNIFORM], weights=item_weights)) if UNIFORM in values else None
            effect = replace(effect, baseline=(margins[0].row, margins[0].value), chance=guess)
        if len(set(clip_ids)) == 1:
            return replace(effect, reason="all items are about one clip")
        if len(rows) < LEAST_ITEMS:
            return replace(effect, reason=f"fewer than {LEAST_ITEMS} items")
        if effect.drop.low is None:
            return replace(effect, reason="too few clips for an interval")
        found = Measurement(effect, margins, self._get_lower_retention(effect.retention), rows, noise, changed)
        verdict, reason = find_verdict(found)
        return replace(effect, verdict=verdict, reason=reason)

    def _order_for_drop(
        self, clean: Sequence[float], noise: Sequence[float]
    ) -> tuple[Sequence[float], Sequence[float]]:
        """Return the two score lists in an order in which second minus first is positive if the change makes the score
        worse."""
        return (noise, clean) if get_metric_spec(self.name).higher_is_better else (clean, noise)

    def _get_lower_retention(self, retention: Metric) -> float | None:
        """Return the lower bound of the share of the clean score that remains; None without an interval.

        If a lower score is better, the share is the clean score over the changed one, so the upper bound of `retention`
        is inverted.
        """
        if get_metric_spec(self.name).higher_is_better:
            return retention.low
        return 1 / retention.high if retention.high else None


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurements on one group of items that a verdict is based on."""

    effect: Effect
    """The effect without its verdict."""

    margins: Sequence[Margin | None]
    """Margins of the clean and of the changed score over the best text-only baseline."""

    lower_retention: float | None
    """Lower bound of the share of the clean score that remains; None without an interval."""

    rows: Sequence[Scored]
    """Items of the clean run."""

    noise: Sequence[float]
    """Score with the change, averaged over repeats, by item."""

    changed: Sequence[float]
    """Share of repeats whose answer differs, by item."""


FindVerdict = Callable[[Measurement], tuple[GroundingVerdict | None, str | None]]
"""Function that judges one group of items: returns a verdict, and the reason if there is none or it is "cannot
tell"."""


@dataclass(frozen=True, slots=True)
class _ClipVerdictFinder:
    """Function object of type `FindVerdict` for changed clips."""

    keeps_evidence: bool
    """True if the changed clips may still contain the information that the answer needs."""

    def __call__(self, measurement: Measurement) -> tuple[GroundingVerdict | None, str | None]:
        clean, noise = measurement.margins
        if clean is None or noise is None:
            return None, "no text-only baseline is known item by item"
        effect = measurement.effect
        evidence = Evidence(effect.drop, measurement.lower_retention, effect.changed.value or 0.0, clean, noise)
        return judge_grounding(evidence, self.keeps_evidence)


@dataclass(frozen=True, slots=True)
class _ChainVerdictFinder:
    """Function object of type `FindVerdict` for changed chains of thought."""

    control: Mapping[str, tuple[float, float]]
    """Measurements of a control run, in which the model continues its unchanged chain, by item id: the share of repeats
    whose answer differs from the clean run, and the mean score. Empty without a control run."""

    @staticmethod
    def from_control(task: Task, control: Sequence[ItemPair]) -> "_ChainVerdictFinder":
        """Return the function object with the measurements of `control`, the items of a control run."""
        kept = _select_scored_pairs(task, control)
        try:
            scored = _ItemScores.from_pairs(task, kept) if kept else None
        except MetricError:
            scored = None
        if scored is None:
            return _ChainVerdictFinder({})
        values = zip(kept, scored.changed, scored.noise, strict=True)
        return _ChainVerdictFinder({pair.clean.sample.id: (changed, score) for pair, changed, score in values})

    def __call__(self, measurement: Measurement) -> tuple[GroundingVerdict | None, str | None]:
        ids = [row.sample.id for row in measurement.rows]
        if not self.control or not self.control.keys() >= set(ids):
            return judge_reasoning(measurement.effect.changed, measurement.effect.drop)
        clips, weights = list_clusters(measurement.rows), compute_option_order_weights(measurement.rows)
        excess = [value - self.control[item][0] for value, item in zip(measurement.changed, ids, strict=True)]
        compute = compute_mean_interval if min(excess) < 0 else compute_share
        drop = compare_paired_scores(measurement.noise, [self.control[item][1] for item in ids], clips, weights)
        return judge_reasoning(compute(excess, clips, weights), drop.difference)


def compute_selection_share(rows: Sequence[Scored]) -> Metric:
    """Return the share of items with a selected option. For questions without a correct option, it should be 0."""
    return compute_share(
        [float(get_selected_text(row) is not None) for row in rows],
        list_clusters(rows),
        compute_option_order_weights(rows),
    )


def _get_answer(row: Scored) -> str | None:
    """Return the answer of an item: the text of the selected options, else the parsed value."""
    if row.sample.choices:
        return get_selected_text(row)
    return row.parsed.value if row.parsed is not None else None


def _compute_retention(
    clean: Sequence[float], noise: Sequence[float], clip_ids: Sequence[str], item_weights: Sequence[float]
) -> Metric:
    """Return the changed score divided by the clean score, with a paired interval.

    A bootstrap resample whose clean score is 0 gets the ratio over all items as its value.
    """
    if not sum(clean):
        return Metric.missing("the clean score is 0")
    summands = np.asarray(item_weights)[:, None] * np.stack([np.asarray(noise), np.asarray(clean)], axis=1)
    value, low, high = compute_ratio_interval(summands, clip_ids)
    if len(set(clip_ids)) == 1:
        return Metric(value, n=len(clean))
    return Metric(value, low, high, len(clean))
