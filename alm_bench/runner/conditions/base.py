"""Base class of conditions, which change a run's items to test whether the model uses the audio."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from alm_bench.core import Request, Sample, Wave
from alm_bench.core.rng import create_item_generator
from alm_bench.scoring.chains import Beginning, Chain

Change = Callable[[Wave], Wave]
"""Function that changes the waveform of a clip (mono, shape (samples,)) before the clip is cropped or padded."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A change of a task's items. The same model answers the changed and the unchanged items, and their scores are
    compared in pairs.

    A subclass sets `kind` and overrides at least one of four methods: `change` (the sound of a clip), `requests`,
    `samples` or `begin_answers` (the model's own reasoning). Random draws depend only on `name`, `seed`, `repeat` and
    the id of the clip or item.
    """

    name: str
    """Full name as the user gave it, including the parameter, such as `snr:20`."""

    seed: int = 0
    """Seed of the run."""

    repeat: int = 0
    """Index of the random draw, from 0. A condition that is not random has one draw only."""

    kind: ClassVar[str]
    """Part of the name before the colon: lower-case letters, digits and hyphens."""

    title: ClassVar[str] = ""
    """One sentence that describes the change."""

    version: ClassVar[str | int | None] = None
    """Version of the condition, to be raised whenever its effect changes: runs of different versions are different
    runs. The default for conditions of installed packages is a hash of the module that defines the class."""

    examples: ClassVar[tuple[str, ...]] = ()
    """Complete names for error messages and lists, with the parameter after a colon. Default: the kind alone."""

    random: ClassVar[bool] = False
    """True if each repeat gives a different change."""

    silent: ClassVar[bool] = False
    """True if the model gets silence or no clip, so that no clip contains any information."""

    keeps_evidence: ClassVar[bool] = True
    """True if the changed clips may still contain the information that is needed to answer. If it is False, an
    unchanged score shows that the model does not use the audio."""

    without_clips: ClassVar[bool] = False
    """True if requests contain no clip at all, which some models cannot answer."""

    answerable: ClassVar[bool] = True
    """True if questions still have a right answer. If not, reports contain no scores, but the share of items for which
    the model selects any option."""

    changes_reasoning: ClassVar[bool] = False
    """True if clips and questions stay as they are, and the model continues beginnings of its own answers
    (`begin_answers`). Models need the ability `continuation`."""

    share: ClassVar[float] = 1.0
    """Remaining fraction of each clip's length, above 0 and at most 1."""

    @property
    def parameter(self) -> str:
        """Text after the first colon of the name; "" if there is no colon."""
        return self.name.partition(":")[2]

    def problem(self) -> str | None:
        """Return why the parameter is invalid, such as `takes decibels`; None if it is valid."""
        return "takes no parameter" if ":" in self.name else None

    @property
    def is_control(self) -> bool:
        """True if the condition is the control of conditions that change the reasoning: the model continues from its
        unchanged chain of thought, so that its answers differ from the clean run only by chance."""
        return False

    @property
    def level(self) -> float | None:
        """Signal-to-noise ratio in decibels (inf: no noise, -inf: only noise), the horizontal axis of plots. None for
        conditions that are not plotted."""
        return None

    def count_draws(self, repeats: int) -> int:
        """Return the number of runs under the condition: `repeats` if it is random, else 1."""
        return repeats if self.random else 1

    @property
    def instruction(self) -> str:
        """Text that is added after every prompt, and is not spoken with a spoken question; "" for no text."""
        return ""

    @property
    def output_format(self) -> str:
        """Format of answers in several parts that `instruction` asks for; "" for answers in one piece, in which case
        the format of the prompt set is used."""
        return ""

    def change(self, clip: str) -> Change | None:
        """Return a function that changes the waveform of the clip with the id `clip`; None to leave it unchanged."""
        return None

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return the changed samples. Samples to which the condition does not apply are left out."""
        return list(samples)

    def requests(self, requests: Sequence[Request]) -> list[Request]:
        """Return the changed requests. Raises UsageError if the task does not allow the change."""
        return list(requests)

    def begin_answers(self, chains: Mapping[str, Chain]) -> dict[str, Beginning]:
        """Return the beginning of an answer by item id. The model continues it.

        `chains` holds the chains of thought of the clean run by item id. Items that are missing from the result are not
        sent to the model. Called only if `changes_reasoning` is True. Raises UsageError if the chains do not allow the
        change.
        """
        return {}

    def derange(self, count: int) -> dict[int, int]:
        """Return a random permutation of the indices 0..count-1, as a mapping from each index to another.

        If `count` is above 1, no index is mapped to itself.
        """
        order = create_item_generator(self.name, self.seed, self.repeat).permutation(count).tolist()
        return {index: order[(n + 1) % len(order)] for n, index in enumerate(order)}
