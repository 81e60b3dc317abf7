"""What a condition is: a change of a run's items that shows whether its model listens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from alm_bench.core import Request, Sample, Wave
from alm_bench.core.rng import item_generator

Change = Callable[[Wave], Wave]
"""Changes the samples of a clip, before the clip is cropped or padded."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One change of a task's items, put to the same model and compared with the unchanged items, pair by pair.

    A subclass names itself by `kind` and overrides what it changes: the sound of a clip (`change`), the requests
    (`requests`) or the samples (`samples`). The random draws of a condition are functions of `name`, `seed` and
    `repeat` alone.
    """

    name: str
    """The whole name as it was asked for, parameter included: `snr:20`."""

    seed: int = 0
    """Seed of the run."""

    repeat: int = 0
    """Number of the draw, from 0; only random conditions have more than one."""

    kind: ClassVar[str]
    """The name up to its colon: lower case, digits and hyphens."""

    title: ClassVar[str] = ""
    """One sentence that says what is changed."""

    version: ClassVar[str | int | None] = None
    """Raised with every change of what the condition does: runs under another version are other runs. Default, for
    conditions of installed packages: a hash of the module that defines the class."""

    examples: ClassVar[tuple[str, ...]] = ()
    """Complete names for error messages and lists; default: the kind itself. The parameter follows a colon."""

    random: ClassVar[bool] = False
    """Whether another repeat gives another change."""

    silent: ClassVar[bool] = False
    """Whether no evidence is left in the audio: nothing can be heard in any clip."""

    keeps_evidence: ClassVar[bool] = True
    """Whether what the answer needs may still be in the clips. Only where nothing of them is left can an unchanged
    score show that a model does not listen."""

    without_clips: ClassVar[bool] = False
    """Whether requests have no clip at all, which some models cannot answer."""

    answerable: ClassVar[bool] = True
    """Whether questions keep a right answer. If not, the share of items with any option selected is reported."""

    share: ClassVar[float] = 1.0
    """How much of each clip's length is left, above 0 and at most 1."""

    @property
    def parameter(self) -> str:
        """The text after the first colon of the name, "" without one."""
        return self.name.partition(":")[2]

    def problem(self) -> str | None:
        """Return why the parameter does not fit, such as `takes decibels`; None if it does."""
        return "takes no parameter" if ":" in self.name else None

    @property
    def level(self) -> float | None:
        """The ratio of clip to noise in decibels (inf: no noise, -inf: no clip), the horizontal axis of plots.
        None for conditions that are not plotted."""
        return None

    def change(self, clip: str) -> Change | None:
        """Return how to change the sound of the clip with this id; None to leave it as it is."""
        return None

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return the changed samples; those that the condition cannot be put to are left out."""
        return list(samples)

    def requests(self, requests: Sequence[Request]) -> list[Request]:
        """Return the changed requests. Raises UsageError if the task does not allow the change."""
        return list(requests)

    def derange(self, count: int) -> dict[int, int]:
        """Return a random derangement of 0..count-1: every index maps to another one (if count > 1), each used once."""
        order = item_generator(self.name, self.seed, self.repeat).permutation(count).tolist()
        return {index: order[(n + 1) % len(order)] for n, index in enumerate(order)}
