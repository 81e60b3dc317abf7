"""Base class of rewards, and the question that a reward is given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from alm_bench.core import NoOptions
from alm_bench.core.types import Sample
from alm_bench.data.inline_options import split_options
from alm_bench.parsing import parse_choice, parse_choices, parse_label, parse_yes_no
from alm_bench.parsing.plain import ENTAILMENT


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its reference answer, as rewards need them."""

    text: str
    """Question without its options."""

    answer: str
    """Reference answer: the text of the right option without its letter, or the answer as in the data."""

    choices: tuple[str, ...] = ()
    """Texts of the options; empty for a question without options."""

    target: int | None = None
    """Index of the right option, if there is one right option."""

    targets: tuple[int, ...] | None = None
    """Indices of the right options, if there are several."""

    references: tuple[str, ...] = ()
    """All reference answers of a question without options; empty if `answer` is the only one."""

    @property
    def sample(self) -> Sample:
        """The question as a sample, which the grading functions of tasks take."""
        return Sample(
            id="",
            fields={"question": self.text},
            audio=(),
            choices=self.choices,
            target=self.target,
            targets=self.targets,
            gold=self.answer,
        )

    @property
    def all_references(self) -> tuple[str, ...]:
        """All reference answers."""
        return self.references or (self.answer,)


def build_question(prompt: str, answer: str) -> Question:
    """Build the question of a training row whose prompt may contain its options (`what is heard? a) dog b) cat`).

    An answer that names several of the options (`a) dog, b) cat`) makes a question with several right options. If no
    options are found, or the answer is none of them, the question has no options.
    """
    parsed = split_options(prompt, answer)
    if parsed.target is not None:
        return Question(parsed.question, parsed.choices[parsed.target], parsed.choices, parsed.target)
    if parsed.choices and len(several := parse_choices(answer, parsed.choices).indices or ()) > 1:
        return Question(parsed.question, answer, parsed.choices, targets=several)
    return Question(prompt.strip(), answer.strip())


def is_yes_no(question: Question) -> bool:
    """Return True if a question has no options and its reference answer is just `yes` or `no`."""
    return not question.choices and question.answer.strip().strip(".").casefold() in ("yes", "no")


def find_entailment_label(question: Question) -> str | None:
    """Return the label of entailment that is the reference answer of a question without options; None if the answer is
    no such label."""
    if question.choices or len(question.answer.split()) > 3:
        return None
    return parse_label(question.answer, ENTAILMENT).value


def find_selected_option(question: Question, answer: str) -> str | None:
    """Return what an answer selects, in a form that can be compared: the option or options, yes or no, the label of
    entailment, or the text itself in lower case for other questions. Returns None if it selects nothing."""
    if question.choices:
        parse = parse_choices if question.targets else parse_choice
        parsed = parse(answer, question.choices)
        return str(parsed.indices or parsed.index) if parsed.selects_option else None
    if is_yes_no(question):
        return parse_yes_no(answer, question.text).value
    if find_entailment_label(question) is not None:
        return parse_label(answer, ENTAILMENT).value
    return " ".join(answer.casefold().split()) or None


class Reward(ABC):
    """Base class of rewards. A reward is created once per stage, with an instance of `Options` filled from the recipe.
    Then `compute` is called once per group: one question and the answers that were drawn to it.

    Modules of rewards import no torch, so that trainers of other programs can call them.
    """

    name: ClassVar[str]
    """Name in recipes: lower-case letters, digits and hyphens."""

    title: ClassVar[str] = ""
    """One sentence that says what is rewarded, with the range of the values."""

    version: ClassVar[str | int | None] = None
    """Version of the rule. Increase it with every change: a run is not resumed with another version. Default for
    rewards of installed packages: a hash of the module that defines the class."""

    Options: ClassVar[type] = NoOptions
    """Frozen dataclass of the reward's options."""

    def __init__(self, options: Any) -> None:
        """Create the reward. `options`: instance of `Options`."""
        self.options = options

    def prepare(self, questions: Sequence[Question]) -> None:
        """Prepare for all questions of the stage, for example with the document frequencies of their answers. Raises
        UsageError if the reward cannot score them. Default: nothing."""
        return

    @abstractmethod
    def compute(self, question: Question, answers: Sequence[str]) -> Sequence[float]:
        """Return one reward per answer. `answers`: all answers that were drawn to `question`, as text, without the stop
        token."""


def combine_rewards(
    rewards: Mapping[str, Reward], weights: Mapping[str, float], question: Question, answers: Sequence[str]
) -> tuple[list[float], dict[str, list[float]]]:
    """Return the weighted sum of the rewards of each answer, and the unweighted values (one per answer) of each reward
    by name. `weights`: weight of each reward by name."""
    values = {name: [float(value) for value in reward.compute(question, answers)] for name, reward in rewards.items()}
    sums = [sum(weights[name] * column[i] for name, column in values.items()) for i in range(len(answers))]
    return sums, values
