"""Input and output types of metrics of sentences."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from alm_bench.core.errors import MetricError
from alm_bench.scoring.intervals import Array
from alm_bench.scoring.weights import find_weights

References = Sequence[Sequence[str]]
"""References of each item."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaptionScore:
    """Result of one metric on one set of sentences."""

    corpus: float
    """Value over all items."""

    items: Sequence[float]
    """Value of each item."""

    counts: Array
    """Counts of each item, shape (items, ...), from whose sums the corpus value is computed."""

    statistic: Callable[[Array], Array]
    """Function from sums of `counts` over items, shape (..., *counts.shape[1:]), to the corpus value, shape (..., 1).

    Intervals apply it to resampled items.
    """


def compute_mean_score(items: Sequence[float]) -> CaptionScore:
    """Return the score of a metric whose corpus value is the mean of its items' values."""
    values = np.asarray(items, dtype=np.float64)
    counts = np.stack([values, np.ones(len(values))], axis=1)
    return CaptionScore(float(values.mean()), values.tolist(), counts, lambda sums: sums[..., :1] / sums[..., 1:])


@dataclass(slots=True)
class Sentences:
    """Candidates and references of the items in one computation.

    There is one candidate and at least one reference per item. The lists of candidates and of references have the same
    length, one entry per item, and are not empty.
    Texts are tokenised when a metric first asks for tokens, because the tokeniser starts Java. Metrics can share
    intermediate results through `compute_once`, and use other metrics through
    `alm_bench.scoring.metrics.score_sentences`.
    """

    raw_candidates: Sequence[str]
    """Candidates as they were written."""

    raw_references: References
    """References as they were written."""

    tokenize: Callable[[Sequence[str]], tuple[list[str], str]]
    """Function from texts to their tokens, one string per text, and the name of the tokeniser."""

    names: Sequence[str] | None = None
    """Names of the items in messages; by default their numbers from 1."""

    questions: Sequence[str | None] | None = None
    """Questions that the candidates answer, one per item; None if the candidates are no answers or it is not known."""

    weights: Mapping[str, Path] = field(default_factory=dict)
    """Folders of weights that the user named, by part; other weights are in their default folders."""

    metric: str = ""
    """Name of the metric that is being computed, for messages."""

    tokenizer: str | None = None
    """Name of the tokeniser; None as long as no metric has asked for tokens."""

    _made: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def candidates(self) -> Sequence[str]:
        """Candidates as Penn Treebank tokens: lower case, without punctuation, separated by spaces."""
        return self.compute_once("tokens", self._tokenize)[0]

    @property
    def references(self) -> References:
        """References of each item as the same kind of tokens."""
        return self.compute_once("tokens", self._tokenize)[1]

    def _tokenize(self) -> tuple[list[str], list[list[str]]]:
        """Return the tokens of the candidates and of the references."""
        texts = [*self.raw_candidates, *(text for each in self.raw_references for text in each)]
        tokens, self.tokenizer = self.tokenize(texts)
        rest = iter(tokens[len(self.raw_candidates) :])
        return tokens[: len(self.raw_candidates)], [[next(rest) for _ in each] for each in self.raw_references]

    def find_weights(self, part: str) -> Path:
        """Return the folder of the weights `part`. Raises MetricError, with advice, if there are none."""
        return find_weights(self.metric, part, self.weights.get(part))

    def compute_once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of `make`, which is called once per key.

        A MetricError that `make` raises is also stored, and raised again in each call for its key.
        """
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
