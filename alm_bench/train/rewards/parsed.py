"""Accuracy of the parsed answer, graded like the answers of tasks."""

from collections.abc import Sequence
from typing import ClassVar

from alm_bench.parsing import parse_choice, parse_choices, parse_label, parse_yes_no
from alm_bench.parsing.plain import ENTAILMENT
from alm_bench.scoring.multiple_choice import is_correct_option, is_correct_set
from alm_bench.scoring.short_answers import contains_reference
from alm_bench.train.rewards.base import Question, Reward, find_entailment_label, is_yes_no


class ParsedAccuracy(Reward):
    """Accuracy of the answer that this package's parsers find in the text.

    A question with options is right if the parser selects the right one (all right ones and no other, if there are
    several). For other questions, the kind of the reference answer decides which parser is used: for yes and no, for
    labels of entailment, or else for a short answer, which the text must assert.
    """

    name: ClassVar = "parsed"
    title: ClassVar = "1 if the parsed answer is right, else 0."
    version: ClassVar = 1

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        return [float(is_right(question, answer)) for answer in answers]


def is_right(question: Question, answer: str) -> bool:
    """Return True if an answer is right by the grading of tasks."""
    if question.targets is not None:
        return is_correct_set(question.sample, parse_choices(answer, question.choices).indices or ())
    if question.choices:
        return is_correct_option(question.sample, parse_choice(answer, question.choices).index)
    if is_yes_no(question):
        return parse_yes_no(answer, question.text).value == parse_yes_no(question.answer).value
    if (label := find_entailment_label(question)) is not None:
        return parse_label(answer, ENTAILMENT).value == label
    return contains_reference(answer, question.all_references, question.text)


REWARDS = (ParsedAccuracy,)
