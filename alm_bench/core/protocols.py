"""What a task and an adapter must be able to do, and the optional abilities found by isinstance."""

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
    """Where a task's files are: a local folder, a hub copy, or the demo world."""

    kind: str  # "real" or "demo"
    path: Path

    def locate(self, file: DataFile) -> Path:
        """The newest file that matches. Raises DataError naming what was looked for and where it comes from."""

    def locate_all(self, file: DataFile) -> Sequence[Path]:
        """All files of the first pattern that has any, sorted (the shards of a parquet). Raises DataError."""

    def has(self, file: DataFile) -> bool: ...

    def audio(self, *names: str) -> AudioRef:
        """The clip under the first of `names` (glob patterns) that exists; a missing one is met when it is decoded."""

    def version(self) -> str | None:
        """What stands for the audio's revision in a run's fingerprint, where files alone do not tell (demo)."""


class Task(Protocol):
    @property
    def card(self) -> TaskCard: ...

    @property
    def parser(self) -> str:
        """Name and version of the rules that read its answers."""

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        """Items in file order. Raises DataError for a malformed file or duplicate ids."""

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        """The files that `samples` and blind rows read, by role."""

    def parse(self, sample: Sample, text: str) -> Parsed:
        """Read an answer. Pure."""

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        """Per-item scores in 0..1, by metric name. Pure."""

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Corpus level, broken down by `card.groups`. Pure."""


@runtime_checkable
class FitsBlind(Protocol):
    """A task with a blind row that is fitted on development data when the run starts."""

    def blind_predictions(self, data: DataRoot, samples: Sequence[Sample]) -> Mapping[str, Mapping[str, int] | str]:
        """Row name -> {item id: option index}, or -> the reason why the row cannot be had."""


@runtime_checkable
class KnowsBlind(Protocol):
    """A task whose tables have rows that hear nothing, item by item: every score is set against the best of them."""

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Row name -> the expected score of each of `rows`, all of which have a target. Pure.

        The score is that of `item_scores`, and raises what that raises, where the task is a `ScoresItems`; else it is
        accuracy, or the first metric of a card without that, and `rows` are those that `grade` gives it to.
        """


@runtime_checkable
class ScoresItems(Protocol):
    """A task whose main figure is no per-item score of `grade`, and which can say what each item earns all the same."""

    def item_scores(self, rows: Sequence[Scored]) -> tuple[str, Sequence[float]]:
        """The score's name, and that of each row, in order. Raises MetricError where it cannot be had."""

    def scores_of(self, rows: Sequence[Scored], figures: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """By name what each row earns, of the figures that are means of items and can be had."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Figures that are no means of items: `statistic` maps sums of `counts` over items to one figure a name.

    `counts` has shape (items, ...); `statistic` takes (..., *counts.shape[1:]) to (..., len(names)).
    """

    names: Sequence[str]
    counts: Any
    statistic: Callable[[Any], Any]


@runtime_checkable
class HasCorpus(Protocol):
    """A task with such figures (precision, F1), for intervals of their differences."""

    def corpus(self, rows: Sequence[Scored]) -> Corpus:
        """Raises ValueError where `rows` are none. Pure."""


@runtime_checkable
class GroupsRows(Protocol):
    """A task that can tell the groups of an item from a row that another program wrote about it."""

    def row_groups(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        """The keys of `card.groups` that the row has. Pure."""


@runtime_checkable
class Submits(Protocol):
    """A task with an official scoring space that takes a file."""

    def submission(self, rows: Sequence[Scored], annotations: Path) -> Any:
        """The JSON value to send in. Raises UsageError when outputs are missing."""


@runtime_checkable
class Adapter(Protocol):
    """A model. Where something that may drop a clip (a server, a chat template, a processor) stands between the
    adapter and its model, `delivery = "to be shown"` makes every run begin with the proof; of a model made
    of several it is that of its `listener`, the part that gets the clips."""

    identity: AdapterIdentity
    audio: AudioPolicy | None

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """One output a request, in order."""


@runtime_checkable
class Orders(Protocol):
    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """The order in which the adapter would like the requests (shared clips together)."""


@runtime_checkable
class Prepares(Protocol):
    """An adapter whose first steps can be done while its model is at work (a log-mel, a key of the content)."""

    def prepare(self, wave: Wave) -> Any:
        """What `Request.features` holds of one decoded clip. Called on decoding threads, several at a time, or
        on the model's own where these have not come to it; once for neighbouring requests about the clip. What it
        raises is the error of their items.

        Requests come without features, too (`ask`, `check`): they are answered alike.
        """


@runtime_checkable
class Scores(Protocol):
    """An adapter that says how likely its model finds each option, for `--answer-by likelihood`."""

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """One entry a request, in order; every request has choices."""


@runtime_checkable
class Streams(Protocol):
    """An adapter whose calls end one by one (a server's): each answer is stored as soon as it is there."""

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
        """Each request with its output, in any order. Requests are taken as there is room for them, from the thread
        that iterates; a failed call is an output's `error`."""


@runtime_checkable
class Logs(Protocol):
    """An adapter whose model says things that are kept beside its answers (a process's standard error)."""

    def log_to(self, folder: Path) -> None:
        """Told the folder of a run before the first request of it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one call is expected to take.

    `audio_tokens` are among `prompt_tokens`; `completion_tokens` are the most that it may write; `cost` is in US
    dollars, None where no prices are known.
    """

    prompt_tokens: int
    completion_tokens: int
    audio_tokens: int = 0
    cost: float | None = None


@runtime_checkable
class Estimates(Protocol):
    """An adapter whose calls are paid for: it is asked before any money is spent (`--dry-run`, `--max-cost`).

    What a call did cost stands in `Output.extra` as `cost`, with `prompt_tokens`, `audio_tokens`, `completion_tokens`.
    """

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Of a request whose clips, as they are sent, are `seconds` long together. Opens no connection."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item of a development split with its answer: `target` is an option's index."""

    request: Request
    target: int


@runtime_checkable
class Fits(Protocol):
    """An adapter that is fitted before it answers (a probe, a threshold), never on the split that it is tested on."""

    def fit(self, rows: Iterable[Labelled]) -> Adapter:
        """The adapter that answers one task, fitted on its development rows; its identity tells what was fitted. This
        one stays as it is, for other tasks.

        `rows` is read once, its clips decoded as they are taken: together they may be larger than memory. It is empty
        for a task without a development split. Raises UsageError for rows that nothing can be fitted on.
        """


@runtime_checkable
class AnswersBlind(Protocol):
    """An adapter with a twin that hears nothing, whose answers stand beside its own as blind rows, item by item."""

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        """Row name -> the option (its place among the request's) that the twin picks, a request each."""


CACHE_MB = 256
"""For the published Mellow, what some twenty pairs of clips leave."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how an adapter runs: `device` auto, cpu or cuda; `dtype` a torch name or None for the adapter's own;
    `cache_mb` what it may keep, in MB, for questions that share something, as their clips: no answer depends on it."""

    device: str = "auto"
    dtype: str | None = None
    seed: int = 0
    cache_mb: int = CACHE_MB


@dataclass(frozen=True, slots=True)
class NoOptions:
    """For adapters and tasks without options."""


class BaseAdapter:
    """The short way to an adapter: set `audio`, write `answer`.

    Subclasses may set `Options` (a frozen dataclass filled from `--model-arg`), `prompts` (their native prompt set),
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
        """The model's raw text for one request."""
        raise NotImplementedError(f"{type(self).__name__} defines neither answer() nor generate()")

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [Output(self.answer(request)) for request in batch]
