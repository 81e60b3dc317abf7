"""The protocol of a model: what the runner calls, the abilities that it asks for, and the base class of adapters."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from alm_bench.core.errors import UsageError
from alm_bench.core.types import AdapterIdentity, AudioPolicy, Decoding, OptionScores, Output, Request, Wave

Delivery = Literal["by construction", "to be shown"]

CHARACTERS_A_TOKEN = 4
"""Of English text, roughly, for models that do not count tokens before they answer."""

CACHE_MB = 256
"""Default cache size in MB: about twenty pairs of clips of the published Mellow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Abilities of an adapter beyond answering in text, each of which the runner asks for by its name.

    A class declares them as `abilities = Abilities(...)`. The first four have a method of the same name: a class that
    defines the method declares the ability by that. An object may have fewer abilities than its class (a model of two
    parts scores options only if the part that answers does): it sets its own `abilities` in `__init__`.
    """

    loglikelihood: bool = False
    """Computes the log-likelihood of each option, for `--answer-by likelihood`."""

    prepare: bool = False
    """Preprocesses clips ahead of its turn, on decoding threads."""

    stream: bool = False
    """Makes calls that end one by one (to a server): each answer is stored as soon as it arrives."""

    fit: bool = False
    """Is fitted to a task's development split before it answers."""

    choices_only: bool = False
    """Picks among options and writes no text of its own: tasks without options are refused."""

    is_replay: bool = False
    """Gives answers that were stored elsewhere (`outputs`): their options cannot be reordered nor their clips changed,
    and the prompt, the decoding and the audio are recorded as not known."""

    delivery: Delivery = "by construction"
    """`to be shown` for a model behind a server, chat template or processor that may drop a clip: every run then begins
    with the audio-delivery check."""

    max_clips: int | None = None
    """Largest number of clips of one item that it takes; None: any number. Tasks whose items all have more are
    refused."""

    runtime_options: tuple[str, ...] = ()
    """Names of its options that no answer depends on (concurrency, prices): a run resumes under other values."""


METHODS = ("loglikelihood", "prepare", "stream", "fit")
"""Abilities that are a method each."""

_OLDER: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "picks": ("choices_only", bool),
    "stored": ("is_replay", bool),
    "pace": ("runtime_options", tuple),
    "delivery": ("delivery", str),
}
"""Attributes by which adapters declared abilities before there was `Abilities`."""


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

    def __add__(self, other: "Estimate") -> "Estimate":
        """Sum two calls; the cost is known if those of both are."""
        return Estimate(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            audio_tokens=self.audio_tokens + other.audio_tokens,
            cost=self.cost + other.cost if self.cost is not None and other.cost is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item of a development split with its reference."""

    request: Request
    """The request."""

    target: int
    """Index of the correct option."""


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


def _undefined(adapter: object, method: str) -> NotImplementedError:
    return NotImplementedError(f"{type(adapter).__name__} declares the ability {method} and does not define {method}()")


@runtime_checkable
class Adapter(Protocol):
    """A model. `BaseAdapter` gives all of this but `answer` or `generate`; `adopt` makes one of any object that has
    `identity`, `audio` and `generate`. Where a method has a default, that is right for models without the ability."""

    identity: AdapterIdentity
    """All that tells two models apart. Runs of equal identities are resumed into one another."""

    audio: AudioPolicy | None
    """How its clips are decoded; None for a model that takes no audio."""

    prompts: str = "letters"
    """Name of the prompt set that it is asked in."""

    abilities: Abilities = Abilities()
    """Its abilities."""

    listener: "Adapter | None" = None
    """In a model of several, the part that gets the clips; None: itself."""

    outputs: Any = None
    """The stored answers of an adapter that `is_replay`."""

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """Return one output per request, in order."""

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Return one entry per request, in order; every request has choices."""
        raise _undefined(self, "loglikelihood")

    def prepare(self, wave: Wave) -> Any:
        """Compute `Request.features` from one decoded clip (a log-mel, a hash of the content).

        Called on decoding threads, several at a time, or on the model's own thread if those have not reached the clip;
        once for neighbouring requests about the clip. An exception becomes the error of their items. Requests without
        features (`ask`, `check`) must give the same answers.
        """
        raise _undefined(self, "prepare")

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
        """Yield each request with its output, in any order. Requests are taken when there is capacity for them, from
        the iterating thread; a failed call is an output's `error`."""
        raise _undefined(self, "stream")

    def fit(self, rows: Iterable[Labelled]) -> "Adapter":
        """Return an adapter fitted on one task's development rows; its identity describes the fit. This one remains
        unchanged, for other tasks.

        `rows` is iterated once, its clips decoded lazily: together they may be larger than memory. It is empty for a
        task without a development split. Raises UsageError for rows that nothing can be fitted on.
        """
        raise _undefined(self, "fit")

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the indices of the requests in the adapter's preferred order, such as shared clips together.
        [default: as they are]"""
        return range(len(requests))

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        """Return the option index that each text-only variant of the model picks, one per request, by the baseline's
        name. [default: no variant]"""
        return {}

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate tokens and cost of a request whose clips, as they are sent, have a total length of `seconds`, for
        `--dry-run` and `--max-cost`. Opens no connection. [default: tokens of the text, no cost]

        The actual cost of a call is in `Output.extra` as `cost`, with `prompt_tokens`, `audio_tokens`,
        `completion_tokens`.
        """
        return Estimate(math.ceil(len(request.prompt) / CHARACTERS_A_TOKEN), decoding.max_new_tokens)

    def log_to(self, folder: Path) -> None:
        """Set the folder for a log beside the answers, before the first request of a run. [default: no log]"""
        return None

    def close(self) -> None:
        """Release what the model holds (a process, files); it is not asked again. [default: nothing]"""
        return None


class BaseAdapter(Adapter):
    """Base class for adapters: set `audio`, write `answer`.

    Subclasses may set `Options` (a frozen dataclass filled from `--model-arg`), `prompts` (their default prompt set),
    `abilities` and `summary`; heavy libraries are imported inside `__init__` or later, so that listing models stays
    fast.
    """

    Options: ClassVar[type[Any]] = NoOptions
    summary: ClassVar[str] = ""
    hub_option: ClassVar[str | None] = None
    """The option that takes a repository of the hub, for the adapter that runs any of them: `--model ORG/NAME`."""

    audio: AudioPolicy | None = AudioPolicy()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.abilities = read_abilities(cls)

    def __init__(self, options: Any, runtime: Runtime) -> None:
        self.options = options
        self.runtime = runtime
        self.identity = AdapterIdentity(label=type(self).__name__, family=type(self).__name__)

    def answer(self, request: Request) -> str:
        """Return the model's raw text for one request."""
        raise NotImplementedError(f"{type(self).__name__} defines neither answer() nor generate()")

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [Output(self.answer(request)) for request in batch]


def read_abilities(model: object) -> Abilities:
    """Read the abilities of a class, or of an object of a class that is no `BaseAdapter`: those that it declares, those
    whose method it defines, and those under the names of version 0.1. Raises UsageError if `abilities` are none."""
    declared = getattr(model, "abilities", Abilities())
    if not isinstance(declared, Abilities):
        owner = model if isinstance(model, type) else type(model)
        raise UsageError(f"{owner.__name__}: abilities is {declared!r:.60}, expected alm_bench.core.Abilities(...)")
    defined: dict[str, Any] = {
        name: True for name in METHODS if getattr(model, name, None) not in (None, getattr(BaseAdapter, name))
    }
    return replace(declared, **defined, **_read_older(model))


def _read_older(model: object) -> dict[str, Any]:
    return {new: read(getattr(model, old)) for old, (new, read) in _OLDER.items() if hasattr(model, old)}


_NEEDED = ("identity", "audio", "generate")


def find_missing(model: object) -> str | None:
    """Return the name of an attribute that every adapter has and `model` lacks; None for an adapter."""
    return next((name for name in _NEEDED if not hasattr(model, name)), None)


def adopt(model: object) -> Adapter:
    """Return `model` as a whole `Adapter`. An object that is no `BaseAdapter` keeps what it has; the rest are defaults.

    `find_missing(model)` must be None.
    """
    if not isinstance(model, BaseAdapter):
        return _Adopted(model)
    if older := _read_older(model):  # set by its __init__
        model.abilities = replace(model.abilities, **older)
    return model


class _Adopted(BaseAdapter):
    """An object of a class of others, completed by defaults."""

    def __init__(self, model: object) -> None:
        own: Any = self
        for name in (*Adapter.__annotations__, *(key for key in vars(Adapter) if not key.startswith("_"))):
            if hasattr(model, name):
                setattr(own, name, getattr(model, name))
        self.abilities = read_abilities(model)
