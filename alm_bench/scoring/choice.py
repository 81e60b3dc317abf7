"""Scores of multiple-choice rows: accuracy, answered rate, breakdowns and the blind rows that belong beside them."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from alm_bench.core.types import Metric, Metrics, Sample, Scored
from alm_bench.scoring.intervals import share

BLIND_UNIFORM = "uniform guess (expected)"
BLIND_FIRST = "first option"
BLIND_LONGEST = "longest option"
BLIND_LETTER = "most frequent letter"


def same_option(sample: Sample, index: int | None) -> bool:
    """Whether option `index` is the gold or a twin of it: two options with one text are one answer."""
    if index is None or sample.target is None:
        return False
    said, gold = (unicodedata.normalize("NFKC", sample.choices[i]).casefold().strip() for i in (index, sample.target))
    return said == gold


def counted(rows: Sequence[Scored]) -> list[Scored]:
    """Our denominator: every item that is not skipped, failures included."""
    return [row for row in rows if row.status != "skipped"]


def clips(rows: Sequence[Scored]) -> list[str]:
    """The cluster of each row: its clip, or itself where the task names none."""
    return [row.sample.groups.get("clip", row.sample.id) for row in rows]


def mean_score(rows: Sequence[Scored], name: str) -> Metric:
    """Share of rows that score on `name`; a row without that score (a failed call) counts as 0."""
    return share([row.scores.get(name, 0.0) for row in rows], clips(rows))


def answered(rows: Sequence[Scored]) -> Metric:
    return share([float(row.status == "ok") for row in rows], clips(rows))


def choice_metrics(rows: Sequence[Scored]) -> Metrics:
    """`accuracy` and `answered` over the counted rows; without answers, accuracy says so."""
    kept = counted(rows)
    if kept and all(row.sample.target is None for row in kept):
        return {"accuracy": Metric.missing("answers are withheld"), "answered": answered(kept)}
    return {"accuracy": mean_score(kept, "accuracy"), "answered": answered(kept)}


def by_group(
    rows: Sequence[Scored], groupings: Iterable[str], metrics: Callable[[Sequence[Scored]], Metrics]
) -> dict[str, dict[str, Metrics]]:
    """`metrics` of each key of each grouping, keys sorted."""
    table: dict[str, dict[str, Metrics]] = {}
    for grouping in groupings:
        parts: dict[str, list[Scored]] = {}
        for row in rows:
            if (key := row.sample.groups.get(grouping)) is not None:
                parts.setdefault(key, []).append(row)
        table[grouping] = {key: metrics(part) for key, part in sorted(parts.items())}
    return table


def longest_option(choices: Sequence[str]) -> int:
    """The option of most characters, the first of ties."""
    return max(range(len(choices)), key=lambda i: len(choices[i]))


def blind_rows(rows: Sequence[Scored]) -> dict[str, Metrics]:
    """What no listening earns on the same items: accuracy of each blind strategy.

    The uniform guess is an expectation, so it has no interval. The most frequent letter knows the golds, as the
    row of that name in the Mellow paper's table 2 does.
    """
    kept = [row for row in counted(rows) if row.sample.target is not None]
    if not kept:
        return {}
    samples = [row.sample for row in kept]
    chance = [sum(same_option(s, i) for i in range(len(s.choices))) / len(s.choices) for s in samples]
    letter = Counter(s.target for s in samples).most_common(1)[0][0]
    strategies: dict[str, Callable[[Sample], int]] = {
        BLIND_FIRST: lambda s: 0,
        BLIND_LONGEST: lambda s: longest_option(s.choices),
        BLIND_LETTER: lambda s: letter if letter < len(s.choices) else 0,
    }
    table: dict[str, Metrics] = {BLIND_UNIFORM: {"accuracy": Metric(sum(chance) / len(kept), n=len(kept))}}
    for name, pick in strategies.items():
        right = [float(same_option(s, pick(s))) for s in samples]
        table[name] = {"accuracy": share(right, clips(kept))}
    return table
