"""Protocol of a judge preset: which prompts a judge gets about an answer, and how its replies become a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from alm_bench.core import AudioRef, UsageError
from alm_bench.core.files import hash_json
from alm_bench.judges.replies import Fields, ReplyError, read_fields


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """An answer that is to be judged. The audio itself is not part of any prompt."""

    id: str
    """Id of the item."""

    question: str | None
    """Question that was answered; None for captions without one."""

    answer: str
    """Answer of the model, without markup and reasoning."""

    references: tuple[str, ...] = ()
    """Correct answers or captions; empty if there is none."""

    requirement: str | None = None
    """Requirement that the answer has to meet, in words, for an item without references; None otherwise."""

    full_answer: str = ""
    """Answer as the model wrote it, with its reasoning."""

    options: tuple[str, ...] = ()
    """Options of a multiple-choice question; empty for an open question."""

    is_right: bool | None = None
    """True if the selected option is right; None for an open question."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that the data set stores for judges, such as rubrics."""

    clips: tuple[AudioRef, ...] = ()
    """Clips of the item, for presets that compare the answer with the audio by other means than the judge."""

    cluster: str = ""
    """Cluster of the item for confidence intervals: its clip, else its question."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict that was read from one reply, or combined from several; or the reason why there is none."""

    score: float | None = None
    """Score in 0..1; None without a verdict."""

    label: str | None = None
    """Verdict in the words or on the scale of the preset."""

    reason: str | None = None
    """The judge's explanation, in one line."""

    scores: Mapping[str, float] = field(default_factory=dict)
    """Further scores in 0..1 by name."""

    problem: str | None = None
    """Reason why there is no verdict; None if there is one."""

    orders_agree: bool | None = None
    """True if the same of two answers is preferred in both orders; None without a comparison."""


class JudgePreset:
    """Base class of presets.

    A subclass sets the class variables and defines `build_prompts` and `read`; one that sends several prompts about an
    item also defines `combine`. `prompts` contains the text of every prompt. Results store a hash of these texts, so
    that a judge with a changed text counts as another judge.
    """

    name: ClassVar[str]
    """Name in `--judge-preset`."""

    version: ClassVar[int] = 1
    """Version, to be raised with every change of the scale or of the reading of replies."""

    title: ClassVar[str]
    """Description in one line, with the source."""

    prompts: ClassVar[tuple[str, ...]]
    """Texts of the prompts, with placeholders in braces."""

    max_new_tokens: ClassVar[int] = 256
    """Token limit of a reply."""

    def configure(self, options: Mapping[str, str]) -> "JudgePreset":
        """Return the preset with options (`--judge-preset NAME:option=value`). Raises UsageError for unknown ones.
        [default: a preset has no options]"""
        raise UsageError(f"judge preset {self.name} has no options, found {', '.join(options)}")

    def describe_unsuitable(self, item: JudgeItem) -> str | None:
        """Return the reason why an item cannot be judged by this preset; None if it can. [default: an open question
        with references]"""
        if item.options:
            return "a multiple-choice question"
        return None if item.references else "no reference"

    def decide(self, item: JudgeItem) -> Verdict | None:
        """Return the verdict on an item that needs no call; None for other items. [default: every item needs one]"""
        return None

    def build_prompts(self, item: JudgeItem) -> list[str]:
        """Return the prompts about an item, one per call."""
        raise NotImplementedError(f"preset {self.name} has no build_prompts()")

    def read(self, reply: str) -> Verdict:
        """Read the verdict of one reply. A reply without a readable verdict gives a verdict with a `problem`."""
        raise NotImplementedError(f"preset {self.name} has no read()")

    def combine(self, item: JudgeItem, verdicts: Sequence[Verdict], replies: Sequence[str]) -> Verdict:
        """Return the verdict on an item from the verdicts of its prompts, in order. [default: the only one]"""
        return verdicts[0]

    @property
    def hash(self) -> str:
        """Hash over the prompts and everything else that decides a verdict, 12 hex digits."""
        return self.hash_with([])

    def hash_with(self, parts: Sequence[object]) -> str:
        """Return the first 12 hex digits of a SHA-256 over the preset's name, its prompts and `parts` (JSON values)."""
        return hash_json([self.name, list(self.prompts), *parts])[:12]


def read_verdict_fields(reply: str, key: str) -> tuple[Fields, Verdict | None]:
    """Read the fields of a reply that must contain the field `key`.

    Returns the fields and None. If the reply cannot be read, returns {} and a verdict that states the problem.
    """
    try:
        return read_fields(reply, key), None
    except ReplyError as error:
        return {}, Verdict(problem=str(error))


def get_reason(fields: Fields) -> str | None:
    """Return the explanation in a reply, in one line of at most 300 characters; None without one."""
    value = fields.get("reason")
    return " ".join(value.split())[:300] or None if isinstance(value, str) else None


def format_references(references: Sequence[str]) -> str:
    """Return references for a prompt: the only one, or one per line."""
    return references[0] if len(references) == 1 else "".join(f"\n- {reference}" for reference in references)
