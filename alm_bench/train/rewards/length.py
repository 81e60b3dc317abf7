"""Reward for the length of an answer, or of the reasoning in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from alm_bench.core.errors import UsageError
from alm_bench.parsing.document import Document
from alm_bench.train.rewards.base import Question, Reward


@dataclass(frozen=True, slots=True)
class LengthOptions:
    """Options of the reward `length`."""

    low: int = 25
    """Fewest words with the full reward."""

    high: int = 100
    """Most words with the full reward."""

    part: Literal["reasoning", "text"] = "reasoning"
    """Part whose words are counted: the reasoning, or the whole text with its tags."""

    def __post_init__(self) -> None:
        """Check the range. Raises UsageError."""
        if not 0 <= self.low <= self.high or self.high < 1:
            raise UsageError(f"the reward length takes 0 <= low <= high, found low {self.low}, high {self.high}")


class Length(Reward):
    """Number of words within a range. Outside the range the reward falls linearly: to 0 at no words, and to 0 at twice
    the largest number."""

    name: ClassVar = "length"
    title: ClassVar = "1 if the number of words is in a range, less outside of it, down to 0."
    version: ClassVar = 1
    Options: ClassVar = LengthOptions

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        return [self.score_length(self.count_words(answer)) for answer in answers]

    def count_words(self, answer: str) -> int:
        """Return the number of words in the whole answer, or in its reasoning only, as the option `part` says."""
        if self.options.part == "text":
            return len(answer.split())
        return sum(len(answer[start:end].split()) for start, end in Document(answer).reasoning)

    def score_length(self, words: int) -> float:
        """Return the reward of a number of words."""
        options: LengthOptions = self.options
        low, high = options.low, options.high
        if words < low:
            return words / low
        return 1.0 if words <= high else max(0.0, 2 - words / high)


REWARDS = (Length,)
