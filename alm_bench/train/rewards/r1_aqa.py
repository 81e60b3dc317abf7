"""Reward of R1-AQA (arXiv 2503.11197, github.com/xiaomi-research/r1-aqa), as published.

The accuracy compares the text of the first `<answer>` element with the right option, case-sensitively; without such an
element, it compares the whole text. The format requires that the whole text is one `<answer>` element. Both have known
faults, which are kept here, because a run that is to reproduce the published one needs them; the reward `parsed` has
none of them:

- `Dog` and `a) dog` are wrong for `dog`;
- an answer on a line of its own within the element is not recognised, because `.` does not match a line break;
- a text with two different `<answer>` elements counts as right if the first one is, and keeps the format if it ends
  with the second;
- text before the element (reasoning) forfeits the format.

The published code also accepts answers that the package math_verify proves equal to the reference, which applies to
formulas only and is left out here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from alm_bench.train.rewards.base import Question, Reward

_ANSWER = re.compile(r"<answer>(.*?)</answer>")
_FORMAT = re.compile(r"<answer>.*?</answer>", re.DOTALL)
_THINK_FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class R1AqaOptions:
    """Options of the reward `r1-aqa`."""

    accuracy: float = 1.0
    """Weight of the accuracy."""

    format: float = 1.0
    """Weight of the format."""

    think: bool = False
    """True for the format of the variant that thinks: a `<think>` element before the `<answer>` element."""


class R1Aqa(Reward):
    """Accuracy and format as in R1-AQA."""

    name: ClassVar = "r1-aqa"
    title: ClassVar = "Exact text of the right option in <answer> (0 or 1) plus format (0 or 1), as R1-AQA has them."
    version: ClassVar = 1
    Options: ClassVar = R1AqaOptions

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        weights = self.options
        return [
            weights.accuracy * self.compute_accuracy(question.answer, answer)
            + weights.format * self.compute_format(answer)
            for answer in answers
        ]

    @staticmethod
    def compute_accuracy(reference: str, answer: str) -> float:
        """Return 1 if the first `<answer>` element of the text is the reference, else 0."""
        element = _ANSWER.search(answer)
        return float((element[1] if element else answer).strip() == reference.strip())

    def compute_format(self, answer: str) -> float:
        """Return 1 if the text has the required format, else 0."""
        return float((_THINK_FORMAT if self.options.think else _FORMAT).fullmatch(answer) is not None)


REWARDS = (R1Aqa,)
