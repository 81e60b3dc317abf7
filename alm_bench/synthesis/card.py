"""Data card of a set of rows: counts, lengths, vocabulary, text-only baselines before and after filters, examples."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alm_bench.core import Scored
from alm_bench.core.rng import derive_integer
from alm_bench.scoring.blind import compute_baseline_accuracies, score_choice_baselines
from alm_bench.scoring.leaks import find_leaks
from alm_bench.synthesis.filters import FilterSettings
from alm_bench.synthesis.filters.text_solvable import score_solver_answers
from alm_bench.synthesis.pipeline import FilterResult
from alm_bench.synthesis.rows import QuestionRow, convert_row_to_sample, format_answer, format_input
from alm_bench.synthesis.text_classifier import compute_option_probabilities

EXAMPLES = 50
"""Number of rows that the card shows."""

DROPPED_EXAMPLES = 3
"""Largest number of removed rows that the card shows per filter."""

CLASSIFIER = "text classifier (cross-fitted)"
"""Name of the baseline that selects the option which the text-only classifier finds most probable."""

SOLVER = "text-only model (one draw)"
"""Name of the baseline that is the text-only model."""

_WORDS = re.compile(r"[^\W_]+(?:'\w+)?")


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """Mean lengths in words and vocabulary sizes of the rows of one form, as in table 9 of the Mellow paper."""

    rows: int
    """Number of rows."""

    question_words: float
    """Mean number of words of a question, without its options."""

    question_vocabulary: int
    """Number of different words of all questions, in lower case."""

    answer_words: float
    """Mean number of words of an answer, without its letter."""

    answer_vocabulary: int
    """Number of different words of all answers, in lower case."""


def compute_text_statistics(rows: Sequence[QuestionRow]) -> TextStatistics:
    """Return the mean lengths in words and the vocabulary sizes of rows, of which there must be at least one."""
    questions = [_WORDS.findall(row.question.lower()) for row in rows]
    answers = [_WORDS.findall(row.answer.lower()) for row in rows]
    return TextStatistics(
        rows=len(rows),
        question_words=round(sum(map(len, questions)) / len(rows), 2),
        question_vocabulary=len({word for words in questions for word in words}),
        answer_words=round(sum(map(len, answers)) / len(rows), 2),
        answer_vocabulary=len({word for words in answers for word in words}),
    )


def build_statistics(rows: Sequence[QuestionRow], settings: FilterSettings) -> dict[str, Any]:
    """Return statistics of rows as a JSON object: counts by split and form, lengths, vocabulary, positions of the right
    options, text-only baselines and leaks."""
    forms = {"choice": [row for row in rows if row.choices], "detail": [row for row in rows if not row.choices]}
    scored = [row for row in forms["choice"] if row.target is not None]
    return {
        "rows": len(rows),
        "clips": len({row.clips for row in rows}),
        "splits": dict(sorted(Counter(row.split for row in rows).items())),
        "forms": {form: asdict(compute_text_statistics(some)) for form, some in forms.items() if some},
        "positions": dict(sorted(Counter(str((row.target or 0) + 1) for row in scored).items())),
        "baselines": _compute_baselines(scored, settings),
        "leaks": [
            {**asdict(leak), "rate": leak.rate, "suspicious": leak.is_suspicious}
            for leak in find_leaks([convert_row_to_sample(row) for row in scored])
        ],
    }


def _compute_baselines(rows: Sequence[QuestionRow], settings: FilterSettings) -> dict[str, Any]:
    """Return the accuracy of each text-only baseline on multiple-choice rows, with its interval, by name."""
    if not rows:
        return {}
    items = [Scored(convert_row_to_sample(row), "error", None, None, {}) for row in rows]
    values = dict(score_choice_baselines(items))
    probabilities = compute_option_probabilities(rows, settings.seed)
    if probabilities:
        values[CLASSIFIER] = [float(probabilities[row.id].argmax() == row.target) for row in rows]
    if settings.solver is not None:
        values[SOLVER] = score_solver_answers(rows, settings)
    return {name: asdict(metrics["accuracy"]) for name, metrics in compute_baseline_accuracies(items, values).items()}


def build_card(
    rows: Sequence[QuestionRow], result: FilterResult, settings: FilterSettings, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data card as a JSON object. `rows` are those before the filters; `about` describes their source."""
    ranked = sorted(result.rows, key=lambda row: derive_integer("card", settings.seed, row.id))
    removed = Counter[str]()
    examples = []
    for one in result.dropped:
        removed[one.filter] += 1
        if removed[one.filter] <= DROPPED_EXAMPLES:
            reason = f"{one.finding.reason}: {one.finding.detail}".rstrip(": ")
            examples.append({"filter": one.filter, "reason": reason, **_describe_row(one.row)})
    return {
        "schema_version": 1,
        **about,
        "filters": [{**asdict(step), "reasons": dict(step.reasons.most_common())} for step in result.steps],
        "before": build_statistics(rows, settings),
        "after": build_statistics(result.rows, settings),
        "examples": [_describe_row(row) for row in ranked[:EXAMPLES]],
        "removed": examples,
    }


def _describe_row(row: QuestionRow) -> dict[str, Any]:
    return {
        "clip": " ".join(row.clips),
        "caption": row.caption,
        "input": format_input(row),
        "answer": format_answer(row),
        "flags": list(row.other.get("flags", ())),
    }
