"""What is left of a model's score when its clips say nothing: paired with the clean run, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from alm_bench.core import KnowsBlind, Metric, MetricError, Scored, ScoresItems, Task
from alm_bench.records.schema import Record, metric_json
from alm_bench.reports.tables import cell, markdown, signed
from alm_bench.scoring.blind import margin, with_reference
from alm_bench.scoring.intervals import clustered_interval, mean_interval, share
from alm_bench.scoring.main_score import has_main_score, main_scores
from alm_bench.scoring.metrics import metric_spec
from alm_bench.scoring.multiple_choice import chosen_options, clips, split, weights
from alm_bench.scoring.paired import difference

Verdict = Literal["grounded", "partly", "not listening"]


@dataclass(frozen=True, slots=True)
class Effect:
    """Of one part of the items: the score on clean and on changed clips, `drop` = clean - noise, `retention` = noise /
    clean, `changed` = the share of items that are answered otherwise.

    `verdict` is None, with a reason, where a figure could not be had. `score` names what an item earns.
    """

    clean: Metric
    noise: Metric
    drop: Metric
    retention: Metric
    changed: Metric
    verdict: Verdict | None
    reason: str | None = None
    score: str = "accuracy"


def missing(reason: str) -> Effect:
    none = Metric.missing(reason)
    return Effect(none, none, none, none, none, None, reason)


@dataclass(frozen=True, slots=True)
class Pair:
    """An item on clean clips, and in every repeat on changed ones."""

    clean: Scored
    noisy: Sequence[Scored]


def pairs(clean: Sequence[Record], repeats: Sequence[Sequence[Record]]) -> list[Pair]:
    """The items that every run has, in the clean run's order; skipped ones are left out."""
    known = [{record.sample.id: record for record in run if record.status != "skipped"} for run in repeats]
    return [
        Pair(record.scored(), [run[record.sample.id].scored() for run in known])
        for record in sorted(clean, key=lambda record: record.index)
        if record.status != "skipped" and all(record.sample.id in run for run in known)
    ]


def effects(task: Task, found: Sequence[Pair]) -> dict[str, dict[str, Effect]]:
    """Over all items ("all"), and by the key of each grouping."""
    kept = [pair for pair in found if pair.clean.sample.has_reference and has_main_score(task, pair.clean.sample)]
    if not kept:
        return {"all": {"all": missing("the items have no answers to be scored by")}}
    try:
        scored = _Scores.of(task, kept)
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

    @staticmethod
    def of(task: Task, kept: Sequence[Pair]) -> "_Scores":
        name, clean = main_scores(task, [pair.clean for pair in kept])
        repeats = [main_scores(task, [pair.noisy[k] for pair in kept])[1] for k in range(len(kept[0].noisy))]
        noise = np.mean(repeats, axis=0).tolist()
        changed = [float(np.mean([_said(row) != _said(pair.clean) for row in pair.noisy])) for pair in kept]
        rows = [pair.clean for pair in kept]
        known = isinstance(task, KnowsBlind) and len(with_reference(rows)) == len(rows)
        blind = task.blind_scores(rows) if known else {}  # type: ignore[attr-defined]
        return _Scores(name, kept, clean, noise, changed, blind, bounded=not isinstance(task, ScoresItems))

    def effect(self, places: Sequence[int]) -> Effect:
        rows = [self.pairs[place].clean for place in places]
        clean, noise, changed = ([values[p] for p in places] for values in (self.clean, self.noise, self.changed))
        where, each = clips(rows), weights(rows)
        level = share if self.bounded else mean_interval
        worse = (noise, clean) if metric_spec(self.name).higher_is_better else (clean, noise)
        drop = difference(*worse, where, each)
        baselines = {name: [values[p] for p in places] for name, values in self.blind.items()}
        blind = margin(rows, baselines, noise, self.name)
        if drop.low is None:
            verdict, reason = None, "one clip says nothing of others"
        elif blind is None:
            verdict, reason = None, "no blind row is known item by item"
        else:
            verdict, reason = _verdict(drop, blind.beaten), None
        return Effect(
            level(clean, where, each),
            level(noise, where, each),
            drop,
            _retention(clean, noise, where, each),
            share(changed, where, each),
            verdict,
            reason,
            self.name,
        )


def picked(records: Sequence[Record]) -> Metric:
    """The share of items with an option picked: of questions without a right one, this should be none."""
    rows = [record.scored() for record in records if record.status != "skipped"]
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


def _verdict(drop: Metric, beats_blind: bool) -> Verdict:
    """`grounded`: the drop's interval lies above 0 and the score in noise does not beat the best blind row; `partly`:
    the former alone."""
    if (drop.low or 0.0) <= 0:
        return "not listening"
    return "partly" if beats_blind else "grounded"


def as_json(task: str, condition: str, effect: Effect) -> dict[str, Any]:
    """One entry of "runs": rates as METRIC (records/summary.py), the verdict in words or null with a reason."""
    names = ("clean", "noise", "drop", "retention", "changed")
    entry = {name: metric_json(getattr(effect, name)) for name in names}
    told = {"task": task, "condition": condition, "score": effect.score, **entry, "verdict": effect.verdict}
    return told if effect.reason is None else {**told, "reason": effect.reason}


def table(title: str, rows: Sequence[tuple[str, Effect]]) -> str:
    """A row an effect, in percent."""
    return markdown(
        [title, "n", "clean", "noise", "drop", "retention", "changed", "verdict"], [_row(name, e) for name, e in rows]
    )


def _row(name: str, effect: Effect) -> list[Any]:
    if effect.clean.value is None:
        return [name, "-", f"not computed: {effect.reason}", *["-"] * 5]
    figures = [cell(metric_json(metric), "share") for metric in (effect.clean, effect.noise)]
    rest = [cell(metric_json(metric), "share") for metric in (effect.retention, effect.changed)]
    return [name, effect.clean.n, *figures, signed(metric_json(effect.drop)), *rest, effect.verdict or effect.reason]
