"""Protocols of tasks and adapters, and optional abilities, which are recognised by isinstance."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from alm_bench.core.types import (
    AdapterIdentity,
    AudioPolicy,
    AudioRef,
    DataFile,
    Decoding,
    OptionScores,
    Output,
    Parsed,
    Request,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
    Wave,
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


@runtime_checkable
class Adapter(Protocol):
    """A model. If a server, chat template or processor that may drop a clip stands between adapter and model, `delivery
    = "to be shown"` makes every run begin with the audio-delivery check; a model made of several has the `delivery` of
    its `listener`, the part that gets the clips."""

    identity: AdapterIdentity
    audio: AudioPolicy | None

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """Return one output per request, in order."""


@runtime_checkable
class Orders(Protocol):
    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the indices of the requests in the adapter's preferred order (shared clips together)."""


@runtime_checkable
class Prepares(Protocol):
    """An adapter whose preprocessing (a log-mel, a hash of the content) can run while its model computes."""

    def prepare(self, wave: Wave) -> Any:
        """Compute `Request.features` from one decoded clip. Called on decoding threads, several at a time, or on the
        model's own thread if those have not reached the clip; once for neighbouring requests about the clip. An
        exception becomes the error of their items.

        Requests without features (`ask`, `check`) must give the same answers.
        """


@runtime_checkable
class Scores(Protocol):
    """An adapter that computes the log-likelihood of each option, for `--answer-by likelihood`."""

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Return one entry per request, in order; every request has choices."""


@runtime_checkable
class Streams(Protocol):
    """An adapter whose calls end one by one (to a server): each answer is stored as soon as it arrives."""

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
        """Yield each request with its output, in any order. Requests are taken when there is capacity for them, from
        the iterating thread; a failed call is an output's `error`."""


@runtime_checkable
class Logs(Protocol):
    """An adapter whose model writes a log that is kept beside its answers (a process's standard error)."""

    def log_to(self, folder: Path) -> None:
        """Set the folder for logs, before the first request of a run."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of one call's size."""

    prompt_tokens: int
    """Number of input tokens, including audio tokens."""

    completion_tokens: int
    """Largest number of output tokens."""

    audio_tokens: int = 0
    """Number of audio tokens."""

    cost: float | None = None
    """US dollars, None if no prices are known."""


@runtime_checkable
class Estimates(Protocol):
    """An adapter whose calls cost money: they are estimated before any is made (`--dry-run`, `--max-cost`).

    The actual cost of a call is in `Output.extra` as `cost`, with `prompt_tokens`, `audio_tokens`, `completion_tokens`.
    """

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate a request whose clips, as they are sent, have a total length of `seconds`. Opens no connection."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item of a development split with its reference."""

    request: Request
    """The request."""

    target: int
    """Index of the correct option."""


@runtime_checkable
class Fits(Protocol):
    """An adapter that is fitted before it answers (a probe, a threshold), never on the evaluated split."""

    def fit(self, rows: Iterable[Labelled]) -> Adapter:
        """Return an adapter fitted on one task's development rows; its identity describes the fit. This one remains
        unchanged, for other tasks.

        `rows` is iterated once, its clips decoded lazily: together they may be larger than memory. It is empty for a
        task without a development split. Raises UsageError for rows that nothing can be fitted on.
        """


@runtime_checkable
class AnswersBlind(Protocol):
    """An adapter with text-only variants, whose answers are reported as text-only baselines, item by item."""

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        """Return the option index that each variant picks, one per request, by the baseline's name."""


CACHE_MB = 256
"""Default cache size in MB: about twenty pairs of clips of the published Mellow."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings of an adapter's execution."""

    device: str = "auto"
    """auto, cpu or cuda."""

    dtype: str | None = None
    """Name of a torch dtype; None for the adapter's default."""

    seed: int = 0
    """Seed of everything random."""

    cache_mb: int = CACHE_MB
    """Size in MB of a cache for questions that share clips or prompts; answers do not depend on it."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """For adapters and tasks without options."""


class BaseAdapter:
    """Base class for adapters: set `audio`, write `answer`.

    Subclasses may set `Options` (a frozen dataclass filled from `--model-arg`), `prompts` (their default prompt set),
    `delivery` (see `Adapter`) and `summary`; heavy libraries are imported inside `__init__` or later, so that listing
    models stays fast.
    """

    Options: ClassVar[type[Any]] = NoOptions
    prompts: ClassVar[str] = "letters"
    summary: ClassVar[str] = ""
    delivery: Literal["by construction", "to be shown"] = "by construction"
    audio: AudioPolicy | None = AudioPolicy()

    def __init__(self, options: Any, runtime: Runtime) -> None:
        self.options = options
        self.runtime = runtime
        self.identity = AdapterIdentity(label=type(self).__name__, family=type(self).__name__)

    def answer(self, request: Request) -> str:
        """Return the model's raw text for one request."""
        raise NotImplementedError(f"{type(self).__name__} defines neither answer() nor generate()")

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [Output(self.answer(request)) for request in batch]
