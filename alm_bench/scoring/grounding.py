"""What is left of a model's score when its clips say nothing: paired with the clean run, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alm_bench.core import KnowsBlind, Metric, MetricError, Scored, ScoresItems, Task
from alm_bench.scoring.blind import UNIFORM, margin, with_reference
from alm_bench.scoring.intervals import clustered_interval, mean_interval, share
from alm_bench.scoring.main_score import has_main_score, main_scores
from alm_bench.scoring.metrics import metric_spec
from alm_bench.scoring.multiple_choice import chosen_options, clips, split, weights
from alm_bench.scoring.paired import paired_tests
from alm_bench.scoring.verdicts import LEAST_ITEMS, Evidence, Verdict, judge


@dataclass(frozen=True, slots=True)
class Effect:
    """One part of the items: the score on clean and on changed clips, `drop` = clean - noise (noise - clean where lower
    is better), `retention` = noise / clean, `changed` = the share of items that are answered otherwise.

    `verdict` is None, with a reason, where a figure could not be had; "cannot tell" has a reason too. `score` names the
    metric of an item. `baseline` is the best text-only baseline and its score, `chance` what a uniform guess earns.
    """

    clean: Metric
    noise: Metric
    drop: Metric
    retention: Metric
    changed: Metric
    verdict: Verdict | None
    reason: str | None = None
    score: str = "accuracy"
    baseline: tuple[str, float] | None = None
    chance: float | None = None


def missing(reason: str) -> Effect:
    none = Metric.missing(reason)
    return Effect(none, none, none, none, none, None, reason)


@dataclass(frozen=True, slots=True)
class Pair:
    """An item on clean clips, and in every repeat on changed ones."""

    clean: Scored
    noisy: Sequence[Scored]


def effects(task: Task, found: Sequence[Pair], keeps_evidence: bool = False) -> dict[str, dict[str, Effect]]:
    """Return the effects over all items ("all"), and by the key of each grouping.

    `keeps_evidence`: whether the changed clips may still hold what the answer needs (see `verdicts.judge`).
    """
    kept = [pair for pair in found if pair.clean.sample.has_reference and has_main_score(task, pair.clean.sample)]
    if not kept:
        return {"all": {"all": missing("the items have no answers to be scored by")}}
    try:
        scored = _Scores.of(task, kept, keeps_evidence)
    except MetricError as error:
        return {"all": {"all": missing(str(error))}}
    place = {id(pair.clean): number for number, pair in enumerate(kept)}
    parts = {"all": {"all": [pair.clean for pair in kept]}, **split([p.clean for p in kept], task.card.groups)}
    return {
        grouping: {key: scored.effect([place[id(row)] for row in rows]) for key, rows in keys.items()}
        for grouping, keys in parts.items()
    }


@dataclass(frozen=True, slots=True)
class _Scores:
    """What each item earns, (items,) clean and on average over repeats, and what blind rows do. `bounded`: in 0..1."""

    name: str
    pairs: Sequence[Pair]
    clean: Sequence[float]
    noise: Sequence[float]
    changed: Sequence[float]
    blind: Mapping[str, Sequence[float]]
    bounded: bool
    keeps_evidence: bool

    @staticmethod
    def of(task: Task, kept: Sequence[Pair], keeps_evidence: bool) -> "_Scores":
        name, clean = main_scores(task, [pair.clean for pair in kept])
        repeats = [main_scores(task, [pair.noisy[k] for pair in kept])[1] for k in range(len(kept[0].noisy))]
        noise = np.mean(repeats, axis=0).tolist()
        changed = [float(np.mean([_said(row) != _said(pair.clean) for row in pair.noisy])) for pair in kept]
        rows = [pair.clean for pair in kept]
        known = isinstance(task, KnowsBlind) and len(with_reference(rows)) == len(rows)
        blind = task.blind_scores(rows) if known else {}  # type: ignore[attr-defined]
        bounded = not isinstance(task, ScoresItems)
        return _Scores(name, kept, clean, noise, changed, blind, bounded, keeps_evidence)

    def effect(self, places: Sequence[int]) -> Effect:
        rows = [self.pairs[place].clean for place in places]
        clean, noise, changed = ([values[p] for p in places] for values in (self.clean, self.noise, self.changed))
        where, each = clips(rows), weights(rows)
        level = share if self.bounded else mean_interval
        effect = Effect(
            level(clean, where, each),
            level(noise, where, each),
            paired_tests(*self._worse_first(clean, noise), where, each).difference,
            _retention(clean, noise, where, each),
            share(changed, where, each),
            None,
            score=self.name,
        )
        values = {name: [scores[p] for p in places] for name, scores in self.blind.items()}
        margins = [margin(rows, values, scores, self.name) for scores in (clean, noise)]
        if margins[0] is not None:
            guess = float(np.average(values[UNIFORM], weights=each)) if UNIFORM in values else None
            effect = replace(effect, baseline=(margins[0].row, margins[0].value), chance=guess)
        if len(set(where)) == 1:
            return replace(effect, reason="all items are about one clip")
        if len(rows) < LEAST_ITEMS or effect.drop.low is None:
            return replace(effect, reason=f"fewer than {LEAST_ITEMS} items")
        if margins[0] is None or margins[1] is None:
            return replace(effect, reason="no text-only baseline is known item by item")
        evidence = Evidence(
            effect.drop, self._kept(effect.retention), effect.changed.value or 0.0, margins[0], margins[1]
        )
        verdict, reason = judge(evidence, self.keeps_evidence)
        return replace(effect, verdict=verdict, reason=reason)

    def _worse_first(self, clean: Sequence[float], noise: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
        """The scores in the order in which a second one that is better makes a positive difference."""
        return (noise, clean) if metric_spec(self.name).higher_is_better else (clean, noise)

    def _kept(self, retention: Metric) -> float | None:
        """The lower end of what is kept; where lower is better, the clean score over the changed one's upper end."""
        if metric_spec(self.name).higher_is_better:
            return retention.low
        return 1 / retention.high if retention.high else None


def picked_share(rows: Sequence[Scored]) -> Metric:
    """Return the share of items with an option picked: of questions without a right one, this should be none."""
    return share([float(chosen_options(row) is not None) for row in rows], clips(rows), weights(rows))


def _said(row: Scored) -> str | None:
    """The answer: an option by its text, else what was read."""
    if row.sample.choices:
        return chosen_options(row)
    return row.parsed.value if row.parsed is not None else None


def _retention(clean: Sequence[float], noise: Sequence[float], where: Sequence[str], each: Sequence[float]) -> Metric:
    """The share of the clean score that is kept, with a paired interval.

    A resample without any clean score has no share, and stands at the whole's.
    """
    if not sum(clean):
        return Metric.missing("the clean score is 0")
    summands = np.asarray(each)[:, None] * np.stack([np.asarray(noise), np.asarray(clean)], axis=1)
    whole = summands[:, 0].sum() / summands[:, 1].sum()

    def ratio(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        kept, of = sums[..., :1], sums[..., 1:]
        found: np.ndarray[Any, Any] = np.divide(kept, of, out=np.full_like(kept, whole), where=of > 0)
        return found

    value, low, high = clustered_interval(where, summands, ratio)
    if len(set(where)) == 1:
        return Metric(float(value[0]), n=len(clean))
    return Metric(float(value[0]), float(low[0]), float(high[0]), len(clean))
