"""What metrics of sentences are computed from and give."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from alm_bench.core.errors import MetricError
from alm_bench.scoring.intervals import Array

References = Sequence[Sequence[str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaptionScore:
    """One metric of one set of sentences."""

    corpus: float
    """The value of all items together."""

    items: Sequence[float]
    """The value of each item."""

    counts: Array
    """What the corpus value is a function of, (items, ...)."""

    statistic: Callable[[Array], Array]
    """Maps sums of `counts` over items, (..., counts), to the corpus value, (..., 1): intervals resample items."""


def mean_score(items: Sequence[float]) -> CaptionScore:
    """Return the score of a metric whose corpus value is the mean of its items."""
    values = np.asarray(items, dtype=np.float64)
    counts = np.stack([values, np.ones(len(values))], axis=1)
    return CaptionScore(float(values.mean()), values.tolist(), counts, lambda sums: sums[..., :1] / sums[..., 1:])


@dataclass(slots=True)
class Sentences:
    """The items of one computation: a candidate each, and one or more references.

    Lists are parallel and not empty. Metrics may share work through `once`, and build on one
    another through `alm_bench.scoring.metrics.score_sentences`.
    """

    candidates: Sequence[str]
    """Candidates in tokens of the Penn Treebank: lower case, without punctuation, separated by blanks."""

    references: References
    """References of each item in the same tokens."""

    raw_candidates: Sequence[str]
    """Candidates as they were written."""

    raw_references: References
    """References as they were written."""

    names: Sequence[str] | None = None
    """What messages call the items; default: their number, from 1."""

    _made: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned, or raise the MetricError that it raised, when it was first called for this
        key."""
        if key not in self._made:
            try:
                self._made[key] = make()
            except MetricError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, MetricError):
            raise made
        found: T = made
        return found
