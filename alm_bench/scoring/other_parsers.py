"""Rules of other programs for parsing the same answers, for comparison with the rules of this package.

The rules are written from the programs' descriptions. Each rule gives a score in 0..1 per item. A rule that guesses
gives its expected score. A score of None excludes the item from the mean.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from alm_bench.core.types import Metric, Sample
from alm_bench.parsing import PARSER, parse_choice
from alm_bench.scoring.edge_letter import find_edge_letter
from alm_bench.scoring.intervals import compute_wilson_interval
from alm_bench.scoring.mmau_match import is_officially_correct
from alm_bench.scoring.multiple_choice import is_correct_option

REFUSAL = "I cannot determine the answer"
"""Text of the refusals in the comparison."""

Scores = list[float | None]
"""Score of each item; None for an item that the rule excludes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One item with the model's text."""

    sample: Sample
    """Item with its options and its correct answer."""

    text: str
    """Text as the model wrote it."""

    answer_tags: tuple[str, ...] = ()
    """Names of further tags that enclose the answer in the text."""

    @property
    def choices(self) -> Sequence[str]:
        """Texts of the options."""
        return self.sample.choices

    def is_correct(self, index: int | None) -> bool:
        """Return True if `index` is the index of the correct option."""
        known = index is not None and 0 <= index < len(self.choices)
        return known and is_correct_option(self.sample, index)


@dataclass(frozen=True, slots=True)
class Rule:
    """A program's rule for parsing and scoring answers."""

    name: str
    """Name of the program."""

    description: str
    """Description of the rule."""

    score: Callable[[Sequence[Answer]], Scores]
    """Function that returns the score of each answer."""


@dataclass(frozen=True, slots=True)
class RuleAccuracy:
    """Accuracy of a model's answers by one rule, compared with the accuracy that empty texts and refusals get by it."""

    rule: Rule
    """The rule."""

    accuracy: Metric
    """Accuracy on the model's texts."""

    empty: Metric
    """Accuracy if all texts were empty."""

    refused: Metric
    """Accuracy if all texts were refusals."""


def compute_rule_accuracies(answers: Sequence[Answer]) -> list[RuleAccuracy]:
    """Return one row per rule of `RULES`, with the accuracy of the same answers by each rule."""
    silent = [replace(answer, text="") for answer in answers]
    refusing = [replace(answer, text=REFUSAL) for answer in answers]
    return [
        RuleAccuracy(rule, *(_average_scores(rule.score(part)) for part in (answers, silent, refusing)))
        for rule in RULES
    ]


def _average_scores(scores: Scores) -> Metric:
    """Return the mean of the scores, without excluded items (None).

    It has no interval if any score is neither 0 nor 1, since such a score is the expected score of a guess.
    """
    kept = [value for value in scores if value is not None]
    if kept and any(0 < value < 1 for value in kept):
        return Metric(sum(kept) / len(kept), n=len(kept))
    return compute_wilson_interval(sum(kept), len(kept))


def _build_item_rule(score_answer: Callable[[Answer], float]) -> Callable[[Sequence[Answer]], Scores]:
    """Return a function that scores a list of answers, each by the function `score_answer` alone."""
    return lambda answers: [score_answer(answer) for answer in answers]


def _build_selection_rule(select_option: Callable[[Answer], int | None]) -> Callable[[Sequence[Answer]], Scores]:
    """Return a function that scores a list of answers: 1.0 if `select_option` selects the correct option, else 0.0.

    `select_option` returns the index of the selected option, None if there is none.
    """
    return _build_item_rule(lambda answer: float(answer.is_correct(select_option(answer))))


def _select_by_parser(answer: Answer) -> int | None:
    """Select the option by `parse_choice`."""
    return parse_choice(answer.text, answer.choices, answer.answer_tags).index


def _score_mmau_official(answer: Answer) -> float:
    """Score an answer by the official MMAU rule."""
    return float(is_officially_correct(answer.text, answer.sample.gold or "", answer.choices))


def _select_before_bracket(answer: Answer) -> int:
    """Select the option whose letter is the text before the first closing bracket."""
    said = answer.text.split(")")[0].strip().upper()
    return ascii_uppercase.find(said) if len(said) == 1 else -1


_STATED = re.compile(r"ANSWER\s*:\s*([A-Z])", re.IGNORECASE)


def _select_by_evalscope(answer: Answer) -> int:
    """Select the letter after "ANSWER:", else a single capital letter, else option A."""
    if match := _STATED.search(answer.text):
        return ascii_uppercase.index(match[1].upper())
    letters = ascii_uppercase[: len(answer.choices)]
    lone = re.search(rf"\b[{letters}]\b", answer.text)
    return letters.index(lone[0]) if lone else 0


def _find_template_letters(answer: Answer) -> tuple[str, list[int]]:
    """Return (text, indices): the answer without punctuation at its ends, and the options whose letter occurs in it.

    Letters in brackets are searched first; if there are none, letters before a space; if there are none, letters before
    a full stop.
    """
    said = f" {answer.text.strip(',.!?;:')} "
    letters = ascii_uppercase[: len(answer.choices)]
    for form in ("({})", "{} ", "{}."):
        if found := [place for place, letter in enumerate(letters) if form.format(letter) in said]:
            return said, found
    return said, []


def _score_random_guess(answer: Answer) -> float:
    """Return the expected score of a random letter."""
    return sum(answer.is_correct(place) for place in range(len(answer.choices))) / len(answer.choices)


def _score_lmms_mmau(answer: Answer) -> float:
    """Score the first option that `_find_template_letters` returns, or a random guess if it returns none."""
    _, found = _find_template_letters(answer)
    return float(answer.is_correct(found[0])) if found else _score_random_guess(answer)


def _score_lmms_mmar(answer: Answer) -> float:
    """Score an option that `_find_template_letters` returns: the last in brackets, or the first if none is in brackets.

    If there are no letters and the answer has more than five words, the option whose text occurs last in it is scored.
    Otherwise, a random guess is scored.
    """
    said, found = _find_template_letters(answer)
    if found:
        return float(answer.is_correct(max(found, key=lambda place: said.rfind(f"({ascii_uppercase[place]})"))))
    last = {place: said.lower().rfind(text.lower()) for place, text in enumerate(answer.choices)}
    if len(said.split()) > 5 and max(last.values()) >= 0:
        return float(answer.is_correct(max(last, key=last.__getitem__)))
    return _score_random_guess(answer)


def _score_mmsu(answers: Sequence[Answer]) -> Scores:
    """Score the letter at the first or the second-last character of each text (`find_edge_letter`).

    An empty text gets the letter of the answer before it. Texts for which no letter results are excluded.
    """
    earned: Scores = []
    before: str | None = None
    for answer in answers:
        letters = ascii_uppercase[: len(answer.choices)]
        before = find_edge_letter(answer.text, letters) if answer.text.strip() else before
        earned.append(None if before is None else float(answer.is_correct(letters.find(before))))
    return earned


def _select_capital(answer: Answer) -> int | None:
    """Select the only capital letter of A to D that occurs in the text."""
    found = {letter for letter in "ABCD" if letter in answer.text}
    return ascii_uppercase.index(found.pop()) if len(found) == 1 else None


_LETTER = re.compile(r"\W*([a-z])\W*", re.IGNORECASE)


def _select_single_letter(answer: Answer) -> int | None:
    """Select the letter of a text that consists of a letter and punctuation."""
    match = _LETTER.fullmatch(answer.text)
    return ascii_uppercase.index(match[1].upper()) if match and match[1].isascii() else None


def _select_contained(answer: Answer) -> int | None:
    """Select the only option whose text occurs in the answer."""
    found = [i for i, text in enumerate(answer.choices) if text.lower() in answer.text.lower()]
    return found[0] if len(found) == 1 else None


RULES: tuple[Rule, ...] = (
    Rule(
        f"alm-bench, {PARSER}",
        "the last explicit statement, else the conclusion; never a guess",
        _build_selection_rule(_select_by_parser),
    ),
    Rule(
        "MMAU, official",
        "bags of words: all of the gold's, none that only other options have",
        _build_item_rule(_score_mmau_official),
    ),
    Rule("Mellow's authors", "the text before the first `)`", _build_selection_rule(_select_before_bracket)),
    Rule("EvalScope", "`ANSWER: X`, else a lone capital, else always A", _build_selection_rule(_select_by_evalscope)),
    Rule(
        "lmms-eval, MMAU",
        "the first capital in brackets, before a blank or a point, else a random letter",
        _build_item_rule(_score_lmms_mmau),
    ),
    Rule(
        "lmms-eval, MMAR",
        "the last such capital, else, over five words, the last option's text, else random",
        _build_item_rule(_score_lmms_mmar),
    ),
    Rule("MMSU", "first or second-last character; empty takes the letter before; others are left out", _score_mmsu),
    Rule("MuChoMusic", "the one capital of A to D that occurs anywhere", _build_selection_rule(_select_capital)),
    Rule("letter alone", "a single letter in any brackets", _build_selection_rule(_select_single_letter)),
    Rule("containment", "the one option whose text the output holds", _build_selection_rule(_select_contained)),
)
"""All rules; the first is the rule of this package."""
