"""Scores of multiple-choice rows: accuracy, answered rate, breakdowns, and what belongs beside accuracy."""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from alm_bench.core.types import Metric, Metrics, Sample, Scored
from alm_bench.scoring.intervals import share

LIKELIHOOD_METRICS = ("text_ll", "text_ll_per_token", "letter_ll", "letter_ll_per_token")
"""Accuracy by the log-likelihood of the options' texts or letters, summed or per token (scoring/likelihood.py)."""


def same_option(sample: Sample, index: int | None) -> bool:
    """Tell whether option `index` is the right one or a duplicate of it: two options with one text are one answer.

    Where several options are right, a single one is right only if they all have its text.
    """
    if index is None:
        return False
    if sample.targets is not None:
        return same_option_set(sample, (index,))
    return sample.target is not None and fold_choice(sample, index) == fold_choice(sample, sample.target)


def same_option_set(sample: Sample, indices: Iterable[int]) -> bool:
    """Tell whether `indices` are exactly the right options of a question that may have several."""
    right = {fold_choice(sample, index) for index in sample.targets or ()}
    return bool(right) and {fold_choice(sample, index) for index in indices} == right


def fold_choice(sample: Sample, index: int) -> str:
    """What twins have in common."""
    return unicodedata.normalize("NFKC", sample.choices[index]).casefold().strip()


def counted_rows(rows: Sequence[Scored]) -> list[Scored]:
    """Our denominator: every item that is not skipped, failures included."""
    return [row for row in rows if row.status != "skipped"]


def clips(rows: Sequence[Scored]) -> list[str]:
    """The cluster of each row: its clip, or its question where the task names none."""
    return [row.sample.groups.get("clip", row.sample.question) for row in rows]


def weights(rows: Sequence[Scored]) -> list[float]:
    """What each row counts: a question counts once, however many of its arrangements are among the rows."""
    return question_weights([row.sample.question for row in rows])


def question_weights(questions: Sequence[str]) -> list[float]:
    """`weights` of items by the question that each is an arrangement of."""
    arrangements = Counter(questions)
    return [1 / arrangements[question] for question in questions]


def mean_score(rows: Sequence[Scored], name: str) -> Metric:
    """Share of rows that score on `name`; a row without that score (a failed call) counts as 0."""
    return mean(rows, [row.scores.get(name, 0.0) for row in rows])


def counts(name: str, rows: Sequence[Scored]) -> bool:
    """Whether a score is of an item at all, told by the item in several runs: in a task of yes/no and open questions
    none has both kinds of scores. A call that failed in every run has none, and counts for any."""
    graded = [row.scores for row in rows if row.scores]
    return not graded or any(name in scores for scores in graded)


def mean(rows: Sequence[Scored], values: Sequence[float]) -> Metric:
    """The mean of one value (0 to 1) a row, questions weighing alike, with its interval."""
    return share(values, clips(rows), weights(rows))


def answered(rows: Sequence[Scored]) -> Metric:
    return mean(rows, [float(row.status == "ok") for row in rows])


def choice_metrics(rows: Sequence[Scored]) -> Metrics:
    """`accuracy` and `answered` over the counted rows, and what stands beside them; withheld answers are said."""
    kept = counted_rows(rows)
    if kept and not any(row.sample.has_reference for row in kept):
        return {"accuracy": Metric.missing("answers are withheld"), "answered": answered(kept)}
    return {"accuracy": mean_score(kept, "accuracy"), "answered": answered(kept), **companion_metrics(kept)}


def companion_metrics(rows: Sequence[Scored]) -> Metrics:
    """The figures without which an accuracy tells little; those that the rows give no ground for are left out.

    `accuracy_imputed`: an item without an answer counts as a uniform guess (accuracy counts it as wrong: the two are
    bounds). `accuracy_not_text_solvable`: accuracy on the items that the text-only solver gets wrong.
    `LIKELIHOOD_METRICS`: accuracy of the likeliest options. `circular_accuracy`, `consistency`: of questions with
    several option orders, see `arrangements`.
    """
    found = {"accuracy_imputed": mean(rows, [_filled(row) for row in rows])}
    if (name := text_solver(rows)) is not None:
        left = [row for row in rows if not same_option(row.sample, row.blind[name])]
        none_left = Metric.missing(f"{name} answers all {len(rows)} items")
        found["accuracy_not_text_solvable"] = mean_score(left, "accuracy") if left or not rows else none_left
    scored = {score for row in rows for score in row.scores}
    found |= {name: mean_score(rows, name) for name in LIKELIHOOD_METRICS if name in scored}
    return found | arrangements(rows)


def chance(sample: Sample) -> float:
    """Give the expected score of a uniform guess over the options, or over their non-empty sets where several may be
    right."""
    if sample.targets is not None:
        return _sets(sample) / ((1 << len(sample.choices)) - 1)
    return sum(same_option(sample, place) for place in range(len(sample.choices))) / len(sample.choices)


def _sets(sample: Sample) -> int:
    """Count the sets of options that are right: of duplicates any may stand for all."""
    copies = Counter(fold_choice(sample, index) for index in range(len(sample.choices)))
    right = {fold_choice(sample, index) for index in sample.targets or ()}
    return math.prod((1 << copies[text]) - 1 for text in right)


def _filled(row: Scored) -> float:
    return row.scores.get("accuracy", 0.0) if row.status == "ok" or not row.sample.choices else chance(row.sample)


def predictors(rows: Sequence[Scored]) -> list[str]:
    """Names of the blind predictions that every row carries: of a part of the items, a row of a table says nothing."""
    return [name for name in (rows[0].blind if rows else ()) if all(name in row.blind for row in rows)]


def text_solver(rows: Sequence[Scored]) -> str | None:
    """Return the text-only solver: the first that the items prefer and that all of them have a prediction of."""
    names = predictors(rows)
    return next((name for name in (rows[0].text_solvers if rows else ()) if name in names), None)


def arrangements(rows: Sequence[Scored]) -> Metrics:
    """Of questions shown in several orders of their options, all of which are among the rows; none without such.

    `circular_accuracy`: the share that is answered right in every order. `consistency`: the share of pairs of orders of
    one question in which the same option (by its text) is chosen; where none is chosen, nothing agrees (the consistency
    rate of arXiv 2503.00137).
    """
    shown: dict[str, list[Scored]] = {}
    for row in rows:
        shown.setdefault(row.sample.question, []).append(row)
    several = [part for part in shown.values() if len(part) > 1 and len(part) == _arrangements_of(part[0])]
    if not several:
        return {}
    where = clips([part[0] for part in several])
    right = [float(all(row.scores.get("accuracy", 0.0) == 1 for row in part)) for part in several]
    agreement = share([_agreement(part) for part in several], where)
    return {"circular_accuracy": share(right, where), "consistency": agreement}


def _arrangements_of(row: Scored) -> int:
    return 1 if row.sample.arranged is None else row.sample.arranged.count


def _agreement(rows: Sequence[Scored]) -> float:
    said = [chosen_options(row) for row in rows]
    pairs = list(combinations(said, 2))
    return sum(one is not None and one == other for one, other in pairs) / len(pairs)


def chosen_options(row: Scored) -> str | None:
    """Give the text of the option that was chosen, or of all that were, the same for duplicates."""
    if row.parsed is None or not row.parsed.selects:
        return None
    indices = row.parsed.indices or ()
    if row.parsed.index is not None:
        indices = (row.parsed.index,)
    return "\n".join(sorted({fold_choice(row.sample, index) for index in indices}))


def by_group(
    rows: Sequence[Scored], groupings: Iterable[str], metrics: Callable[[Sequence[Scored]], Metrics]
) -> dict[str, dict[str, Metrics]]:
    """`metrics` of each key of each grouping, keys sorted."""
    parts = split(rows, groupings)
    return {grouping: {key: metrics(part) for key, part in keys.items()} for grouping, keys in parts.items()}


def split(rows: Sequence[Scored], groupings: Iterable[str]) -> dict[str, dict[str, list[Scored]]]:
    """The rows of each key of each grouping, keys sorted."""
    table: dict[str, dict[str, list[Scored]]] = {}
    for grouping in groupings:
        parts: dict[str, list[Scored]] = {}
        for row in rows:
            if (key := row.sample.groups.get(grouping)) is not None:
                parts.setdefault(key, []).append(row)
        table[grouping] = dict(sorted(parts.items()))
    return table
