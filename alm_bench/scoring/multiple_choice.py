"""Metrics of multiple choice: accuracy, answered rate, companion metrics of accuracy, and breakdowns by group."""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from alm_bench.core.types import Metric, Metrics, Sample, Scored
from alm_bench.scoring.intervals import compute_share

LIKELIHOOD_METRICS = ("text_ll", "text_ll_per_token", "letter_ll", "letter_ll_per_token")
"""Names of the accuracies by log-likelihood of the options' texts or letters, summed or per token."""


def is_correct_option(sample: Sample, index: int | None) -> bool:
    """Return True if the option at `index` is correct; a duplicate of the correct option is correct, too.

    For a question with several correct options, an option is correct only if all correct options have the same text as
    it.
    """
    if index is None:
        return False
    if sample.targets is not None:
        return is_correct_set(sample, (index,))
    return sample.target is not None and normalise_choice(sample, index) == normalise_choice(sample, sample.target)


def is_correct_set(sample: Sample, indices: Iterable[int]) -> bool:
    """Return True if `indices` are exactly the correct options of a question that may have several."""
    right = {normalise_choice(sample, index) for index in sample.targets or ()}
    return bool(right) and {normalise_choice(sample, index) for index in indices} == right


def normalise_choice(sample: Sample, index: int) -> str:
    """Return the normalised text of an option, which is equal for duplicate options."""
    return unicodedata.normalize("NFKC", sample.choices[index]).casefold().strip()


def drop_skipped_rows(rows: Sequence[Scored]) -> list[Scored]:
    """Return the rows of the denominator: every item that is not skipped, including failed calls."""
    return [row for row in rows if row.status != "skipped"]


def list_clusters(rows: Sequence[Scored]) -> list[str]:
    """Return the cluster of each row for resampling: its clip, or its question if the task names no clip."""
    return [row.sample.groups.get("clip", row.sample.question) for row in rows]


def compute_option_order_weights(rows: Sequence[Scored]) -> list[float]:
    """Return one weight per row: 1 divided by the number of rows that ask the same question in another option order.

    Every question then has a total weight of 1.
    """
    return compute_question_weights([row.sample.question for row in rows])


def compute_question_weights(questions: Sequence[str]) -> list[float]:
    """Return one weight per item, from the question that each item asks: 1 divided by the number of its items."""
    arrangements = Counter(questions)
    return [1 / arrangements[question] for question in questions]


def compute_mean_score(rows: Sequence[Scored], name: str) -> Metric:
    """Return the mean of the score `name` over all rows; a row without it (a failed call) counts as 0."""
    return compute_mean(rows, [row.scores.get(name, 0.0) for row in rows])


def has_score(name: str, rows: Sequence[Scored]) -> bool:
    """Return True if the score `name` applies to an item. `rows` are the rows of this item in several runs.

    In a task of yes/no and open questions, for example, a score applies to one kind of question only. Failed calls have
    no scores: if the call failed in every run, it is not known which scores apply, and the result is True.
    """
    graded = [row.scores for row in rows if row.scores]
    return not graded or any(name in scores for scores in graded)


def compute_mean(rows: Sequence[Scored], values: Sequence[float]) -> Metric:
    """Return the mean of one value in 0..1 per row, with its interval; every question has the same weight."""
    return compute_share(values, list_clusters(rows), compute_option_order_weights(rows))


def compute_answered_share(rows: Sequence[Scored]) -> Metric:
    """Return the share of rows with an answer that could be parsed."""
    return compute_mean(rows, [float(row.status == "ok") for row in rows])


def compute_choice_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return `accuracy`, `answered` and the companion metrics over all rows that are not skipped.

    If all answers are withheld, `accuracy` is missing with that reason, and there are no companion metrics.
    """
    kept = drop_skipped_rows(rows)
    if kept and not any(row.sample.has_reference for row in kept):
        return {"accuracy": Metric.missing("answers are withheld"), "answered": compute_answered_share(kept)}
    return {
        "accuracy": compute_mean_score(kept, "accuracy"),
        "answered": compute_answered_share(kept),
        **compute_companion_metrics(kept),
    }


def compute_companion_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return the metrics that help to interpret accuracy, as far as these rows allow.

    - `accuracy_imputed`: an item without an answer counts as a uniform guess, while plain accuracy counts it as wrong.
    - `accuracy_not_text_solvable`: accuracy on the items that the text-only solver gets wrong.
    - `LIKELIHOOD_METRICS`: accuracy of the most likely options.
    - `circular_accuracy`, `consistency`: agreement over several option orders of a question.
    """
    found = {"accuracy_imputed": compute_mean(rows, [_impute_accuracy(row) for row in rows])}
    if (name := find_text_solver(rows)) is not None:
        left = [row for row in rows if not is_correct_option(row.sample, row.blind[name])]
        none_left = Metric.missing(f"{name} answers all {len(rows)} items")
        found["accuracy_not_text_solvable"] = compute_mean_score(left, "accuracy") if left or not rows else none_left
    scored = {score for row in rows for score in row.scores}
    found |= {name: compute_mean_score(rows, name) for name in LIKELIHOOD_METRICS if name in scored}
    return found | compute_option_order_metrics(rows)


def compute_chance(sample: Sample) -> float:
    """Return the expected accuracy of a uniform guess over the options.

    If several options may be correct, the guess is uniform over the non-empty sets of options.
    """
    if sample.targets is not None:
        return _count_correct_sets(sample) / ((1 << len(sample.choices)) - 1)
    return sum(is_correct_option(sample, place) for place in range(len(sample.choices))) / len(sample.choices)


def _count_correct_sets(sample: Sample) -> int:
    """Return the number of option sets that are correct.

    There are several if a correct option has duplicates: any of them, or several of them, may then be selected for it.
    """
    copies = Counter(normalise_choice(sample, index) for index in range(len(sample.choices)))
    right = {normalise_choice(sample, index) for index in sample.targets or ()}
    return math.prod((1 << copies[text]) - 1 for text in right)


def _impute_accuracy(row: Scored) -> float:
    """Return the accuracy of a row, or the accuracy of a uniform guess if the row has no answer."""
    return (
        row.scores.get("accuracy", 0.0) if row.status == "ok" or not row.sample.choices else compute_chance(row.sample)
    )


def list_complete_baselines(rows: Sequence[Scored]) -> list[str]:
    """Return the names of the text-only baselines that have a stored prediction for every row.

    Baselines with predictions for a part of the rows are left out, since they would not be comparable.
    """
    return [name for name in (rows[0].blind if rows else ()) if all(name in row.blind for row in rows)]


def find_text_solver(rows: Sequence[Scored]) -> str | None:
    """Return the name of the text-only solver; None without one.

    It is the first name in `Scored.text_solvers` that has a prediction for every row.
    """
    names = list_complete_baselines(rows)
    return next((name for name in (rows[0].text_solvers if rows else ()) if name in names), None)


def compute_option_order_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return the metrics of questions that are asked in several option orders; empty without such questions.

    Only questions with all their orders among the rows are counted. `circular_accuracy` is the share of questions that
    are answered correctly in every order. `consistency` is the share of pairs of orders of one question in which the
    same option (by its text) is selected; a pair without a selected option does not agree (the consistency rate of
    arXiv 2503.00137).
    """
    shown: dict[str, list[Scored]] = {}
    for row in rows:
        shown.setdefault(row.sample.question, []).append(row)
    several = [part for part in shown.values() if len(part) > 1 and len(part) == _count_option_orders(part[0])]
    if not several:
        return {}
    where = list_clusters([part[0] for part in several])
    right = [float(all(row.scores.get("accuracy", 0.0) == 1 for row in part)) for part in several]
    agreement = compute_share([_compute_option_agreement(part) for part in several], where)
    return {"circular_accuracy": compute_share(right, where), "consistency": agreement}


def _count_option_orders(row: Scored) -> int:
    """Return the number of option orders in which the question of a row is asked."""
    return 1 if row.sample.arranged is None else row.sample.arranged.count


def _compute_option_agreement(rows: Sequence[Scored]) -> float:
    """Return the share of pairs of rows, all of one question, in which both rows select the same option."""
    said = [get_selected_text(row) for row in rows]
    pairs = list(combinations(said, 2))
    return sum(one is not None and one == other for one, other in pairs) / len(pairs)


def get_selected_text(row: Scored) -> str | None:
    """Return the normalised texts of the selected options, sorted and separated by line breaks.

    Duplicate options give the same text. Returns None if no option is selected.
    """
    if row.parsed is None or not row.parsed.selects_option:
        return None
    indices = row.parsed.indices or ()
    if row.parsed.index is not None:
        indices = (row.parsed.index,)
    return "\n".join(sorted({normalise_choice(row.sample, index) for index in indices}))


def compute_by_group(
    rows: Sequence[Scored], groupings: Iterable[str], compute: Callable[[Sequence[Scored]], Metrics]
) -> dict[str, dict[str, Metrics]]:
    """Compute metrics on the rows of each group: a mapping from grouping to key to metrics, with sorted keys.

    `compute` is called with the rows of each group, and returns their metrics.
    """
    parts = split_by_group(rows, groupings)
    return {grouping: {key: compute(part) for key, part in keys.items()} for grouping, keys in parts.items()}


def split_by_group(rows: Sequence[Scored], groupings: Iterable[str]) -> dict[str, dict[str, list[Scored]]]:
    """Split rows by group: a mapping from grouping to key to rows, with sorted keys.

    Rows without a key in a grouping are in none of its parts.
    """
    table: dict[str, dict[str, list[Scored]]] = {}
    for grouping in groupings:
        parts: dict[str, list[Scored]] = {}
        for row in rows:
            if (key := row.sample.groups.get(grouping)) is not None:
                parts.setdefault(key, []).append(row)
        table[grouping] = dict(sorted(parts.items()))
    return table


def split_by_labels(rows: Sequence[Scored], list_labels: Callable[[Scored], Iterable[str]]) -> dict[str, list[Scored]]:
    """Return the rows with each label, by label, in sorted order.

    `list_labels` returns the labels of a row. A row with several labels is in several parts.
    """
    parts: dict[str, list[Scored]] = {}
    for row in rows:
        for label in list_labels(row):
            parts.setdefault(label, []).append(row)
    return dict(sorted(parts.items()))
