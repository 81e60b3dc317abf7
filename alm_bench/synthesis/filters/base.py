"""Base class of the filters of rows, their settings, and the faults that they find."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from alm_bench.core import Request
from alm_bench.synthesis.rows import QuestionRow

Action = Literal["drop", "flag", "repair"]
"""Treatment of a row in which a filter finds a fault: remove it, mark it (key `flags`), or replace it."""

AskText = Callable[[Sequence[Request]], Mapping[str, str]]
"""Function that sends prompts to a text model and returns the answers by the requests' ids. An answer that the model's
provider refused is an empty text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Fault of one row."""

    row: str
    """Id of the row."""

    reason: str
    """Fault in a few words. Rows are counted by it."""

    detail: str = ""
    """Evidence for the fault in this row, such as the text that has it."""

    repaired: QuestionRow | None = None
    """The row without the fault, if it can be repaired."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """Settings that all filters get."""

    seed: int = 0
    """Seed of everything random."""

    solver: AskText | None = None
    """Text-only model that tries to answer the questions without the audio; None to use the bundled classifier."""

    draws: int | None = None
    """Number of times that the solver answers each question. None for so many that a uniform guess is right in all of
    them with a probability of at most 1 %, and for two without options."""

    judge: AskText | None = None
    """Text model that decides if a caption supports an answer; None to decide by rules alone."""

    repeats: int | None = None
    """Largest number of near-duplicate questions that are kept; None for 0.5 % of the rows, at least 3."""

    held_out: frozenset[str] = field(default_factory=frozenset)
    """Clips of other data, such as a benchmark, that no row may be about."""


class RowFilter:
    """Filter of rows, which finds one kind of fault. A subclass sets `name` and `summary` and defines `check`."""

    name: ClassVar[str]
    """Name on the command line."""

    summary: ClassVar[str]
    """Faults that it finds, in one line."""

    action: ClassVar[Action] = "drop"
    """Default treatment of rows with a fault. A repairing filter drops rows that cannot be repaired."""

    order: ClassVar[int] = 50
    """Rank in the sequence of filters. Repairs come first, filters that call models later, and those that balance the
    whole data last. A filter gets the rows that those before it have left."""

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        """Yield the faults of `rows`, at most one per row."""
        raise NotImplementedError(f"{type(self).__name__} does not define check()")
