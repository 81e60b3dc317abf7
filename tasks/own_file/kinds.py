"""Kinds of questions of a file: how their answers are parsed and graded, and their text-only baselines."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from alm_bench.core import Parsed, Sample, Scored
from alm_bench.data.questions import KIND_GROUP
from alm_bench.parsing import parse_choice, parse_choices, parse_number, parse_yes_no
from alm_bench.parsing.text import normalise_text
from alm_bench.parsing.yes_no import read_whole_answer
from alm_bench.scoring.blind import UNIFORM, score_choice_baselines
from alm_bench.scoring.multi_select import compute_multi_select_baselines, grade_option_set
from alm_bench.scoring.multiple_choice import is_correct_option
from alm_bench.scoring.sentences import parse_text

CHOICE, SEVERAL, YES_NO, NUMBER, OPEN = "choice", "several", "yes_no", "number", "open"

REQUESTS: Mapping[str, str] = {
    CHOICE: "Answer with the letter of the correct option.",
    SEVERAL: "Answer with the letters of all correct options.",
    YES_NO: "Answer with yes or no.",
    NUMBER: "Answer with a number.",
    OPEN: "Answer with one or a few words.",
}
"""Last line of the prompt set `letters`, by the kind of the question."""

ALWAYS_YES, ALWAYS_NO, FREQUENT = "always yes", "always no", "most frequent answer"
"""Names of text-only baselines of questions without options."""


def find_question_kind(sample: Sample) -> str:
    """Return the kind of a question, a key of `REQUESTS`.

    With options, it is `several` if several may be correct, else `choice`. Without options, the item's grouping
    `KIND_GROUP` names the kind.
    """
    if sample.choices:
        return CHOICE if sample.targets is None else SEVERAL
    return sample.groups.get(KIND_GROUP, OPEN)


def read_answer_word(text: str) -> str | None:
    """Return `yes` or `no` for an answer word of any language; None for another text."""
    return read_whole_answer(normalise_text(text))


def parse_answer(sample: Sample, text: str, tags: Sequence[str]) -> Parsed:
    """Parse an answer by the kind of its question."""
    kind, question = find_question_kind(sample), sample.fields.get("question")
    if kind == CHOICE:
        return parse_choice(text, sample.choices, tags)
    if kind == SEVERAL:
        return parse_choices(text, sample.choices, tags)
    if kind == YES_NO:
        return parse_yes_no(text, question, tags)
    return parse_number(text, question, tags) if kind == NUMBER else parse_text(text)


def grade_answer(sample: Sample, parsed: Parsed) -> dict[str, float]:
    """Return the scores of an answer by metric name; empty if the correct answer is withheld.

    The accuracy of a yes/no answer is the share of references that equal it. A number or a short text is right if it
    equals any reference. Questions with several correct options have further scores (`grade_option_set`).
    """
    if not sample.has_reference:
        return {}
    kind = find_question_kind(sample)
    if kind == CHOICE:
        return {"accuracy": float(is_correct_option(sample, parsed.index))}
    return (
        grade_option_set(sample, parsed) if kind == SEVERAL else {"accuracy": _grade_text(sample, kind, parsed.value)}
    )


def _grade_text(sample: Sample, kind: str, value: str | None) -> float:
    """Return the accuracy of a parsed value against the references, for questions without options."""
    references = list(sample.target)
    if value is None:
        return 0.0
    if kind == YES_NO:
        return references.count(value) / len(references)
    if kind == NUMBER:
        return float(any(_convert_to_number(value) == _convert_to_number(reference) for reference in references))
    answer = normalise_text(value)
    return float(any(answer == normalise_text(reference) for reference in references))


def _convert_to_number(text: str) -> float:
    """Return the value of a number whose thousands may be separated by commas."""
    return float(text.replace(",", ""))


def score_baselines(rows: Sequence[Scored]) -> dict[str, list[float]]:
    """Return the expected accuracy of each row under each text-only baseline, by the baseline's name.

    If the rows have several kinds of questions, a baseline scores 0 on rows of kinds to which it does not apply.
    """
    by_kind: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        by_kind.setdefault(find_question_kind(row.sample), []).append(index)
    scorers: dict[str, Callable[[Sequence[Scored]], Mapping[str, Sequence[float]]]] = {
        CHOICE: score_choice_baselines,
        SEVERAL: compute_multi_select_baselines,
        YES_NO: _score_yes_no_baselines,
        NUMBER: _score_most_frequent_baseline,
        OPEN: _score_most_frequent_baseline,
    }
    table: dict[str, list[float]] = {}
    for kind, places in by_kind.items():
        for name, scores in scorers[kind]([rows[place] for place in places]).items():
            column = table.setdefault(name, [0.0] * len(rows))
            for place, score in zip(places, scores, strict=True):
                column[place] = float(score)
    return table


def _score_yes_no_baselines(rows: Sequence[Scored]) -> dict[str, list[float]]:
    """Return the accuracy of each row under the baselines that guess, always say yes, or always say no."""
    always = {ALWAYS_YES: "yes", ALWAYS_NO: "no"}
    table = {name: [_grade_text(row.sample, YES_NO, word) for row in rows] for name, word in always.items()}
    return {UNIFORM: [0.5 * sum(pair) for pair in zip(*table.values(), strict=True)], **table}


def _score_most_frequent_baseline(rows: Sequence[Scored]) -> dict[str, list[float]]:
    """Return the accuracy of each row under the baseline that always gives the most frequent reference of the rows."""
    kind = find_question_kind(rows[0].sample)
    counts = Counter(normalise_text(text) for row in rows for text in set(row.sample.target))
    answer = counts.most_common(1)[0][0]
    return {FREQUENT: [_grade_text(row.sample, kind, answer) for row in rows]}
