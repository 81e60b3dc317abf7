"""Protocols of tasks and of their data. Optional methods of a task are recognised by isinstance."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from alm_bench.core.types import (
    AudioRef,
    DataFile,
    Parsed,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
)


class DataRoot(Protocol):
    """Source of a task's files: a local folder, a hub copy, or the demo world."""

    kind: str  # "real" or "demo"
    path: Path

    def locate(self, file: DataFile) -> Path:
        """Return the newest file that matches. Raises DataError naming what was searched for and where it can be
        obtained."""

    def locate_all(self, file: DataFile) -> Sequence[Path]:
        """Return all files of the first pattern that matches any, sorted (shards of a parquet). Raises DataError."""

    def has(self, file: DataFile) -> bool: ...

    def audio(self, *names: str) -> AudioRef:
        """Return the clip under the first of `names` (glob patterns) that exists. A missing clip causes an error only
        when it is decoded."""

    def version(self) -> str | None:
        """Return a revision of the audio for a run's fingerprint, if files alone do not determine it (demo world), else
        None."""


class Task(Protocol):
    @property
    def card(self) -> TaskCard: ...

    @property
    def parser(self) -> str:
        """Name and version of the rules that parse its answers."""

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        """Yield items in file order. Raises DataError for a malformed file or duplicate ids."""

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        """Return the files that `samples` and text-only baselines use, by role."""

    def parse(self, sample: Sample, text: str) -> Parsed:
        """Parse an answer. Pure."""

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        """Return scores of one item in 0..1, by metric name. Pure."""

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Compute metrics over all rows and by the groups of `card.groups`. Pure."""


@runtime_checkable
class FitsBlind(Protocol):
    """A task with a text-only baseline that is fitted on development data at the start of a run."""

    def blind_predictions(self, data: DataRoot, samples: Sequence[Sample]) -> Mapping[str, Mapping[str, int] | str]:
        """Return option indices by item id for each baseline, or the reason why it is not available."""


@runtime_checkable
class KnowsBlind(Protocol):
    """A task with text-only baselines that are computed per item; the margin over the best of them is reported."""

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the expected score of each of `rows`, all of which have a target, for each baseline. Pure.

        The score is that of `item_scores`, with the same exceptions, for a `ScoresItems`; else accuracy, or the first
        metric of a card without accuracy, and `rows` are those to which `grade` gives it.
        """


@runtime_checkable
class ScoresItems(Protocol):
    """A task whose main metric is not a score of `grade`, but still a mean over items."""

    def item_scores(self, rows: Sequence[Scored]) -> tuple[str, Sequence[float]]:
        """Return the score's name, and one value per row, in order. Raises MetricError if it is not available."""

    def scores_of(self, rows: Sequence[Scored], figures: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """Return one score per row for each of the named metrics that is a mean over items and available."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Corpus metrics: metrics that are not means over items."""

    names: Sequence[str]
    """Names of the metrics."""

    counts: Any
    """Statistics per item, shape (items, ...)."""

    statistic: Callable[[Any], Any]
    """Maps sums of `counts` over items, (..., *counts.shape[1:]), to the metrics' values (..., len(names))."""


@runtime_checkable
class HasCorpus(Protocol):
    """A task with corpus metrics (precision, F1), for confidence intervals of differences."""

    def corpus(self, rows: Sequence[Scored]) -> Corpus:
        """Return the statistics of `rows`. Raises ValueError if there are none. Pure."""


@runtime_checkable
class GroupsRows(Protocol):
    """A task that can determine the groups of an item from another program's row about it."""

    def row_groups(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the row's values for the keys of `card.groups` that it has. Pure."""


@runtime_checkable
class Submits(Protocol):
    """A task with an official evaluation server that takes a file."""

    def submission(self, rows: Sequence[Scored], annotations: Path) -> Any:
        """Return the JSON value to submit. Raises UsageError if outputs are missing."""
