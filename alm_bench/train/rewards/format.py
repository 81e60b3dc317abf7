"""Reward of the output format: named elements in order and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from alm_bench.train.rewards.base import Question, Reward

SECTIONS: dict[str, tuple[str, ...]] = {
    "answer": ("answer",),
    "think": ("think", "answer"),
    "structured": ("planning", "caption", "reasoning", "summary", "answer"),
}
"""Names of the elements of each style, in order. The elements of `structured` (arXiv 2504.15900) before the answer may
stand within a `<think>` element."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """Options of the reward `format`."""

    style: Literal["answer", "think", "structured"] = "think"
    """Required elements: `answer` (an `<answer>` element alone), `think` (`<think>` and `<answer>`) or `structured`
    (`<planning>`, `<caption>`, `<reasoning>`, `<summary>` and `<answer>`)."""


class Format(Reward):
    """Format of the text: each element of a style once, in order, not empty, and nothing outside of them."""

    name: ClassVar = "format"
    title: ClassVar = "1 if the text has exactly the elements of a style, in order, else 0."
    version: ClassVar = 1
    Options: ClassVar = FormatOptions

    def __init__(self, options: FormatOptions) -> None:
        self.options, names = options, SECTIONS[options.style]
        *before, last = [rf"<{name}>(?P<{name}>.+?)</{name}>" for name in names]
        inner = r"\s*".join(before)
        if options.style == "structured":
            inner = rf"(?:<think>\s*{inner}\s*</think>|{inner.replace('?P<', '?P<outside_')})"
        self._pattern = re.compile(rf"\s*{inner}\s*{last}\s*", re.DOTALL | re.IGNORECASE)
        self._tag = re.compile(rf"</?(?:{'|'.join((*names, 'think'))})>", re.IGNORECASE)

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        return [float(self.matches_format(answer)) for answer in answers]

    def matches_format(self, answer: str) -> bool:
        """Return True if a text has exactly the required elements. An element that contains another tag of the style
        does not count, so that elements cannot be repeated within each other."""
        match = self._pattern.fullmatch(answer)
        contents = [] if match is None else [text for text in match.groupdict().values() if text is not None]
        return bool(contents) and all(text.strip() and not self._tag.search(text) for text in contents)


REWARDS = (Format,)
