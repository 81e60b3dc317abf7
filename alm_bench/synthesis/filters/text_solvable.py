"""Filter of questions that can be answered without the audio."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alm_bench.core import Request
from alm_bench.core.rng import create_item_generator
from alm_bench.data.inline_options import normalise_option
from alm_bench.parsing import parse_choice
from alm_bench.scoring.short_answers import compute_token_f1, contains_reference
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.prompts import load_synthesis_prompts
from alm_bench.synthesis.rows import QuestionRow
from alm_bench.synthesis.text_classifier import compute_option_probabilities

LEAST_PROBABILITY = 0.8
"""Probability of the right option from which the classifier knows the answer."""

MOST_LUCK = 0.01
"""Largest probability that a uniform guess is right in all draws."""

OPEN_DRAWS = 2
"""Number of draws (answers of the text-only model) for a question without options."""

LEAST_F1 = 0.6
"""Word overlap (F1) of a sentence with the reference from which it counts as the same answer."""

_SHORT = 4
"""Largest number of words of a reference that an answer must contain as a whole."""

_LEAST_REPEATS = 5
_SAME_SHARE = 0.9


class TextSolvable(RowFilter):
    """Finds questions that are answered rightly without the audio.

    With a text-only model (`FilterSettings.solver`), each question is asked several times (draws), and it is found if
    all answers are right. Each draw after the first shows the options in another order, and questions that were
    answered wrongly once are not asked again.

    Without a model, multiple-choice questions are found if a classifier, which is trained on the wording of other rows,
    gives the right option a high probability. Questions without options are found if they have the same answer under
    nearly all clips.
    """

    name = "text_solvable"
    summary = "questions that are answered without the audio, by a text-only model or a classifier"
    order = 70

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        if settings.solver is None:
            yield from _check_by_classifier(rows, settings.seed)
            yield from _check_fixed_answers([row for row in rows if not row.choices])
        else:
            yield from _check_by_model(rows, settings)


def _check_by_classifier(rows: Sequence[QuestionRow], seed: int) -> Iterator[Finding]:
    """Yield a finding for each multiple-choice question whose right option has a high probability by the text-only
    classifier."""
    probabilities = compute_option_probabilities(rows, seed)
    for row in rows:
        if row.target is None or row.id not in probabilities:
            continue
        probability = float(probabilities[row.id][row.target])
        if probability >= max(LEAST_PROBABILITY, 1.5 / len(row.choices)):
            yield Finding(row.id, "wording tells the right option", f"probability {probability:.2f} by text alone")


def _check_fixed_answers(rows: Sequence[QuestionRow]) -> Iterator[Finding]:
    """Yield a finding for each question that has the same answer under nearly all of at least five clips. `rows` have
    no options."""
    answers: dict[str, list[tuple[str, QuestionRow]]] = defaultdict(list)
    for row in rows:
        answers[normalise_option(row.question)].append((normalise_option(row.answer), row))
    for same in answers.values():
        if len({row.clips for _, row in same}) < _LEAST_REPEATS:
            continue
        common, count = Counter(answer for answer, _ in same).most_common(1)[0]
        if count / len(same) >= _SAME_SHARE:
            for answer, row in same:
                if answer == common:
                    yield Finding(
                        row.id, "same answer under nearly all clips", f"{count} of {len(same)}: {answer[:60]}"
                    )


def count_solver_calls(option_count: int, settings: FilterSettings) -> int:
    """Return how often the text-only model is asked a question with `option_count` options (0: without options)."""
    if settings.draws is not None:
        return settings.draws
    return OPEN_DRAWS if option_count < 2 else max(1, math.ceil(math.log(MOST_LUCK) / math.log(1 / option_count)))


@dataclass(frozen=True, slots=True)
class _SolverCall:
    """One call that asks the text-only model the question of a row. A row has several, with different option orders."""

    row: QuestionRow
    """The row."""

    request: Request
    """The question, without the clip."""

    order: tuple[int, ...]
    """Indices of the row's options in the order of the request."""


def _check_by_model(rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
    """Yield a finding for each question to which all answers of the text-only model are right."""
    assert settings.solver is not None, "a solver is given"
    open_rows = [row for row in rows if row.choices == () or row.target is not None]
    number = 0
    while asked := [row for row in open_rows if number < count_solver_calls(len(row.choices), settings)]:
        draws = [_create_solver_call(row, number, settings.seed) for row in asked]
        answers = settings.solver([draw.request for draw in draws])
        wrong = {draw.row.id for draw in draws if not _is_right(draw, answers.get(draw.request.id, ""))}
        open_rows = [row for row in open_rows if row.id not in wrong]
        number += 1
    for row in open_rows:
        count = count_solver_calls(len(row.choices), settings)
        yield Finding(row.id, "answered by a text-only model", f"right in {count} of {count} draws")


def score_solver_answers(rows: Sequence[QuestionRow], settings: FilterSettings) -> list[float]:
    """Return one score per multiple-choice row: 1.0 if the text-only model (`settings.solver`, which must be set)
    selects the right option, else 0.0. Each question is asked once, with the options in the row's own order."""
    assert settings.solver is not None, "a solver is given"
    draws = [_create_solver_call(row, 0, settings.seed) for row in rows]
    answers = settings.solver([draw.request for draw in draws])
    return [float(_is_right(draw, answers.get(draw.request.id, ""))) for draw in draws]


def _create_solver_call(row: QuestionRow, number: int, seed: int) -> _SolverCall:
    """Build the call number `number` (from 0) that asks the text-only model the question of a row.

    Call 0 has the row's own order of options, later calls have random orders.
    """
    prompts = load_synthesis_prompts()
    name = f"{row.id}/solver/{number}"
    if not row.choices:
        return _SolverCall(row, Request(name, prompts["solver_open"].render({"question": row.question})), ())
    order = tuple(range(len(row.choices)))
    if number:
        order = tuple(create_item_generator("solver", seed, number, row.id).permutation(len(order)).tolist())
    choices = tuple(row.choices[index] for index in order)
    prompt = prompts["solver_choice"].render({"question": row.question}, choices)
    return _SolverCall(row, Request(name, prompt, choices=choices), order)


def _is_right(call: _SolverCall, text: str) -> bool:
    """Return True if `text`, the model's answer in this call, is right."""
    row = call.row
    if row.choices:
        index = parse_choice(text, call.request.choices).index
        return index is not None and call.order[index] == row.target
    if len(row.answer.split()) <= _SHORT:
        return contains_reference(text, [row.answer], row.question)
    return compute_token_f1(text, [row.answer]) >= LEAST_F1


FILTERS = (TextSolvable,)
