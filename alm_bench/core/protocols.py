"""Protocols of tasks and of their data. Optional methods of a task are recognised by `isinstance` checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from alm_bench.core.cards import DataFile, TaskCard
from alm_bench.core.types import AudioRef, Parsed, Sample, Scored, TaskScore


class DataRoot(Protocol):
    """Source of a task's files: a local folder, a copy of a hub data set, or the synthetic demo data."""

    kind: str  # "real" or "demo"
    path: Path

    def locate(self, file: DataFile) -> Path:
        """Return the newest file that matches the patterns of `file`. Raises DataError, which says what was searched
        for and where to get it."""

    def locate_all(self, file: DataFile) -> Sequence[Path]:
        """Return all files that match the first of the file's patterns that has a match, sorted. Raises DataError.

        Several files are, for example, the shards of a parquet data set.
        """

    def has(self, file: DataFile) -> bool: ...

    def audio(self, *names: str) -> AudioRef:
        """Return a reference to the clip under the first of `names` (glob patterns) that exists.

        A missing clip causes an error only when it is decoded.
        """

    def version(self) -> str | None:
        """Return the version of generated audio (demo data), which is part of a run's fingerprint. None for audio from
        files."""


class Task(Protocol):
    """A task: yields the items of a data set, parses answers to them and scores them.

    Further protocols in this module describe optional methods of tasks.
    """

    @property
    def card(self) -> TaskCard: ...

    @property
    def parser(self) -> str:
        """Name and version of the rules that parse the answers."""

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        """Yield the items in the order of the file. Raises DataError for a malformed file or duplicate ids."""

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        """Return the files that `samples` and text-only baselines use, by role."""

    def parse(self, sample: Sample, text: str) -> Parsed:
        """Parse an answer. Must be a pure function."""

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        """Return the scores of one item by metric name, each in 0..1. Must be a pure function."""

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Compute the metrics of all rows, and by the groupings of `card.groups`. Must be a pure function."""


@runtime_checkable
class ReadsOwnFile(Protocol):
    """Task whose questions come from a file of the user. The task detects the roles of the file's columns."""

    def open_root(self, split: str) -> DataRoot:
        """Return the data root from which the clips of the file are read."""

    def build_stored_options(self, split: str) -> Mapping[str, str]:
        """Return the options with which stored records can be scored without the file. Raises DataError."""

    def describe(self, split: str) -> Sequence[str]:
        """Return lines for the user that describe the columns of the file and their roles. Raises DataError."""

    def list_samples_and_faults(self, split: str) -> tuple[Sequence[tuple[int, Sample]], Sequence[tuple[int, str]]]:
        """Return all questions and the faults of rows, each with the number of its row.

        Questions of faulty rows have a reason to be skipped. Raises DataError for a file that cannot be read as a
        whole.
        """

    def format_sidecar(self, split: str) -> tuple[Path, str]:
        """Return the path and the text of a sidecar, which declares the detected roles of the columns.

        Raises DataError and UsageError.
        """


@runtime_checkable
class FitsTextBaselines(Protocol):
    """Task with text-only baselines that are fitted on development data at the start of a run."""

    def blind_predictions(self, data: DataRoot, samples: Sequence[Sample]) -> Mapping[str, Mapping[str, int] | str]:
        """Return the predicted option index of each item id, by baseline; or the reason why a baseline is not
        available."""


@runtime_checkable
class HasTextBaselines(Protocol):
    """Task with text-only baselines that are computed per item. The margin over the best of them is reported."""

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the expected score of each row under each baseline, by the baseline's name. Must be a pure function.

        All rows have a correct answer. For a task that is a `ScoresItems`, the scores are values of the metric that
        `item_scores` returns, and the same errors are raised. For other tasks they are accuracies or, if the card has
        no accuracy, values of the card's first metric; `rows` then contains only rows for which `grade` returns it.
        """


@runtime_checkable
class ScoresItems(Protocol):
    """Task whose main metric is a mean over items, but is not a score of `grade`."""

    def item_scores(self, rows: Sequence[Scored]) -> tuple[str, Sequence[float]]:
        """Return the name of the score and one value per row, in order. Raises MetricError if it is not available."""

    def scores_of(self, rows: Sequence[Scored], figures: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """Return one score per row, by metric, for the metrics named in `figures`.

        Metrics that are not a mean over items, or not available, are left out.
        """


@dataclass(frozen=True, slots=True)
class Corpus:
    """Statistics for corpus metrics, which are not means over items."""

    names: Sequence[str]
    """Names of the metrics."""

    counts: Any
    """Statistics of each item, shape (items, ...)."""

    statistic: Callable[[Any], Any]
    """Function that maps sums of `counts` over items, shape (..., *counts.shape[1:]), to metrics, shape (...,
    len(names))."""


@runtime_checkable
class HasCorpus(Protocol):
    """Task with corpus metrics (precision, F1). Confidence intervals of differences use the statistics of items."""

    def corpus(self, rows: Sequence[Scored]) -> Corpus:
        """Return the statistics of each row, all of which have a reference, from which the corpus metrics are computed.
        Raises ValueError if there are no rows. Must be a pure function."""


@runtime_checkable
class GroupsRows(Protocol):
    """Task that can determine the groups of an item from its row in a file of outputs that another program wrote."""

    def row_groups(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the row's key for each grouping of `card.groups` that the row determines. Must be a pure function."""


@runtime_checkable
class MakesSubmission(Protocol):
    """Task with an official evaluation server that accepts a file."""

    def submission(self, rows: Sequence[Scored], annotations: Path) -> Any:
        """Return the JSON value to submit. Raises UsageError if outputs are missing."""
