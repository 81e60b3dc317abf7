"""Protocol of a model, which the runner calls; its optional abilities; and the base class of adapters."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from alm_bench.core.errors import UsageError
from alm_bench.core.types import (
    AdapterIdentity,
    AudioPolicy,
    AudioRef,
    Decoding,
    DecodingMethod,
    EventPresence,
    OptionScores,
    Output,
    Request,
    Wave,
)

Delivery = Literal["by construction", "to be shown"]
"""Evidence that clips reach the model: known by construction, or to be shown by the audio check."""

AnsweredRequest = tuple[Request, Output]
"""A request with its output."""

Answers = AnsweredRequest | list[AnsweredRequest]
"""One answered request, or several that were answered together."""

CHARACTERS_PER_TOKEN = 4
"""Approximate number of characters per token of English text, for models that cannot count tokens in advance."""

DEFAULT_PROMPTS = "letters"
"""Prompt set of models that name no other, which every task has."""

CACHE_MB = 256
"""Default cache size in MB, sufficient for about twenty pairs of clips of the published Mellow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Abilities of an adapter beyond answering with text. The runner checks each of them by its name.

    A class declares them as `abilities = Abilities(...)`. The first six have a method of the same name: a class that
    defines the method thereby declares the ability. An object may have fewer abilities than its class and then sets its
    own `abilities` in `__init__`. For example, a model of two parts scores options only if the answering part does.
    """

    loglikelihood: bool = False
    """Computes the log-likelihood of each option, for `--answer-by likelihood`."""

    prepare: bool = False
    """Preprocesses clips on decoding threads, before their requests are answered."""

    stream: bool = False
    """Makes calls that end one by one (to a server): each answer is stored as soon as it arrives."""

    embed: bool = False
    """Computes embeddings of clips and texts in one space, for retrieval."""

    fit: bool = False
    """Needs to be fitted on a task's development split before it answers."""

    event_presence: bool = False
    """Has an event head: computes which sound events are present in a clip over time, for `ask --explain`."""

    continuation: bool = False
    """Continues a given beginning of its own answer (`Request.prefix`): it writes what follows and does not begin
    anew. The conditions `cot:*`, which change a model's chain of thought, need it."""

    choices_only: bool = False
    """Selects an option and generates no text. Tasks without options are rejected."""

    is_replay: bool = False
    """Returns answers that another program stored (`outputs`). Runs can neither reorder the options nor change the
    clips; prompt, decoding and audio are recorded as not known."""

    delivery: Delivery = "by construction"
    """Evidence that clips reach the model. `by construction`: the adapter's own code passes them to the network. `to be
    shown`: a server, chat template or processor in between may drop a clip, so every run begins with the audio check.
    """

    max_clips: int | None = None
    """Largest number of clips per item; None for any number. Items with more clips get an error; tasks whose items all
    have more are rejected."""

    decodings: tuple[DecodingMethod, ...] = ("greedy", "nucleus")
    """Decoding methods that the adapter supports, for `--decoding`. A run with another one is rejected."""

    spoken_languages: tuple[str, ...] | None = None
    """Codes of the languages whose speech the model understands (`core.languages`); None if that is not declared. A run
    whose clips speak another language is rejected."""

    runtime_options: tuple[str, ...] = ()
    """Names of the options that no answer depends on (concurrency, prices). A run can be resumed with other values of
    them."""


METHODS = ("loglikelihood", "prepare", "stream", "embed", "fit", "event_presence")
"""Abilities that have a method of the same name."""

_OLD_ATTRIBUTES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "picks": ("choices_only", bool),
    "stored": ("is_replay", bool),
    "pace": ("runtime_options", tuple),
    "delivery": ("delivery", str),
}
"""Attributes by which adapters declared abilities in version 0.1, with the new names and their types."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of the size of one call."""

    prompt_tokens: int
    """Number of input tokens, including audio tokens."""

    completion_tokens: int
    """Largest number of output tokens."""

    audio_tokens: int = 0
    """Number of audio tokens."""

    cost: float | None = None
    """Cost in US dollars; None if no prices are known."""

    def __add__(self, other: "Estimate") -> "Estimate":
        """Return the sum of two estimates. Its cost is known if both costs are."""
        return Estimate(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            audio_tokens=self.audio_tokens + other.audio_tokens,
            cost=self.cost + other.cost if self.cost is not None and other.cost is not None else None,
        )


@dataclass(frozen=True, slots=True)
class LabelledRequest:
    """An item of a development split with its correct answer."""

    request: Request
    """The request."""

    target: int
    """Index of the correct option."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings of an adapter that concern its execution."""

    device: str = "auto"
    """Device: `auto`, `cpu` or `cuda`."""

    dtype: str | None = None
    """Name of a torch dtype; None for the adapter's default."""

    seed: int = 0
    """Seed of everything random."""

    cache_mb: int = CACHE_MB
    """Size in MB of a cache for questions that share clips or prompts. Answers do not depend on it."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of adapters and tasks that have none."""


def _build_undefined_method_error(adapter: object, method: str) -> NotImplementedError:
    """Return the error for an ability that is declared but whose method is missing."""
    return NotImplementedError(f"{type(adapter).__name__} declares the ability {method} and does not define {method}()")


@runtime_checkable
class Adapter(Protocol):
    """Protocol of a model.

    `BaseAdapter` defines everything except `answer` and `generate`, one of which a subclass must define.
    `wrap_as_adapter` turns any object that has `identity`, `audio` and `generate` into an adapter. The defaults of the
    methods are right for models without the respective ability.
    """

    identity: AdapterIdentity
    """Everything that distinguishes two models. A run can be resumed by a model of equal identity."""

    audio: AudioPolicy | None
    """Preprocessing of clips; None for a model that takes no audio."""

    prompts: str = DEFAULT_PROMPTS
    """Name of the prompt set that is used by default."""

    abilities: Abilities = Abilities()
    """Optional abilities."""

    listener: "Adapter | None" = None
    """Part of a composite model that gets the clips; None if that is the adapter itself."""

    outputs: Any = None
    """Stored answers of an adapter with the ability `is_replay`."""

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """Return one output per request, in order."""

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Return the scores of the options of each request, in order. Every request has options."""
        raise _build_undefined_method_error(self, "loglikelihood")

    def prepare(self, wave: Wave) -> Any:
        """Compute `Request.features` from one decoded clip (such as a log-mel spectrogram or a hash of the content).

        It is called on several decoding threads at a time, or on the model's own thread if no decoding thread has
        reached the clip, and only once for neighbouring requests about a clip. An exception becomes the error of the
        items about the clip. Requests without features (from the commands `ask` and `check`) must get the same answers.
        """
        raise _build_undefined_method_error(self, "prepare")

    def prepare_file(self, ref: AudioRef) -> Any:
        """Compute `Request.features` from a clip's file without decoding it. Returns None if the clip must be decoded;
        `prepare` then gets the decoded clip.

        It is called only if the adapter has the ability `prepare` and no condition changes the clip, under the same
        rules as `prepare`. A request with such features has no `waves` for the clip. Raises AudioError for a clip that
        cannot be used. [default: None]
        """
        return None

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[Answers]:
        """Yield each request with its output, in any order: one by one, or as lists of those that arrived together,
        which are then stored together.

        The iterating thread takes a request from `requests` whenever there is capacity for it. A failed call is an
        output with an `error`.
        """
        raise _build_undefined_method_error(self, "stream")

    def embed(self, batch: Sequence[Request]) -> Sequence[Any]:
        """Return the embedding of each request, in order: of its clip, or of its prompt if it has none.

        An embedding is an array of shape (width,). The cosine of the embeddings of a clip and of a text is their
        similarity.
        """
        raise _build_undefined_method_error(self, "embed")

    def fit(self, rows: Iterable[LabelledRequest]) -> "Adapter":
        """Return an adapter that is fitted on one task's development rows, with an identity that describes the fit.

        This adapter remains unchanged and can be fitted for other tasks. `rows` can be iterated once, and its clips are
        decoded during the iteration, since together they may be larger than memory. It is empty for a task without a
        development split. Raises UsageError if the adapter cannot be fitted on the rows.
        """
        raise _build_undefined_method_error(self, "fit")

    def event_presence(self, waves: Sequence[Wave]) -> Sequence[EventPresence]:
        """Return the output of the model's event head for each decoded clip, in order."""
        raise _build_undefined_method_error(self, "event_presence")

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the order in which the adapter prefers to answer the requests, as indices.

        For example, requests about the same clip are adjacent. [default: the given order]
        """
        return range(len(requests))

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        """Return the options that text-only variants of the model select: by the baseline's name, one index per
        request. [default: no variant]"""
        return {}

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate tokens and cost of a request for `--dry-run` and `--max-cost`. Opens no connection.

        `seconds` is the total length of the request's clips as they are sent. The actual cost of a call is in
        `Output.extra` as `cost`, with `prompt_tokens`, `audio_tokens`, `completion_tokens`. [default: tokens of the
        text, no cost]
        """
        tokens = math.ceil((len(request.prompt) + len(request.prefix)) / CHARACTERS_PER_TOKEN)
        return Estimate(tokens, decoding.max_new_tokens)

    def count_tokens(self, text: str) -> int | None:
        """Return the number of tokens in which the model wrote `text`, the beginning of one of its outputs. [default:
        None, not known]"""
        return None

    def log_to(self, folder: Path) -> None:
        """Set the folder for a log file, before the first request of a run. It is the run's folder. [default: no
        log]"""
        return None

    def close(self) -> None:
        """Release the model's resources (a process, files). No request follows. [default: nothing]"""
        return None


class BaseAdapter(Adapter):
    """Base class of adapters. A subclass sets `audio` and defines `answer`.

    Subclasses may set `Options` (a frozen dataclass that is filled from `--model-arg`), `prompts` (their default prompt
    set), `abilities` and `summary`. Heavy libraries should be imported within `__init__` or later, so that listing
    models stays fast.
    """

    Options: ClassVar[type[Any]] = NoOptions
    summary: ClassVar[str] = ""
    hub_option: ClassVar[str | None] = None
    """Option that takes the name of a hub repository, for the adapter that runs any such repository: `--model
    ORG/NAME`."""

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
    """Return the abilities of an adapter class, or of an object whose class is not a `BaseAdapter`.

    They are those in its `abilities`, those whose method is defined, and those that attributes of version 0.1 declare.
    Raises UsageError if `abilities` is not an `Abilities`.
    """
    declared = getattr(model, "abilities", Abilities())
    if not isinstance(declared, Abilities):
        owner = model if isinstance(model, type) else type(model)
        raise UsageError(f"{owner.__name__}: abilities is {declared!r:.60}, expected alm_bench.core.Abilities(...)")
    defined: dict[str, Any] = {
        name: True for name in METHODS if getattr(model, name, None) not in (None, getattr(BaseAdapter, name))
    }
    return replace(declared, **defined, **_read_old_attributes(model))


def _read_old_attributes(model: object) -> dict[str, Any]:
    """Return the abilities that are declared by attributes of version 0.1, by their new names."""
    return {new: read(getattr(model, old)) for old, (new, read) in _OLD_ATTRIBUTES.items() if hasattr(model, old)}


_REQUIRED_ATTRIBUTES = ("identity", "audio", "generate")


def find_missing_attribute(model: object) -> str | None:
    """Return the first attribute that every adapter needs and `model` lacks; None if it has all."""
    return next((name for name in _REQUIRED_ATTRIBUTES if not hasattr(model, name)), None)


def wrap_as_adapter(model: object) -> Adapter:
    """Return `model` as an `Adapter`.

    An object whose class is not a `BaseAdapter` keeps its own attributes and methods, and gets defaults for the others.
    `find_missing_attribute(model)` must be None.
    """
    if not isinstance(model, BaseAdapter):
        return _AdoptedAdapter(model)
    if older := _read_old_attributes(model):  # set by its __init__
        model.abilities = replace(model.abilities, **older)
    return model


class _AdoptedAdapter(BaseAdapter):
    """Adapter that wraps an object of any class, with defaults for attributes that the object does not define."""

    def __init__(self, model: object) -> None:
        own: Any = self
        for name in (*Adapter.__annotations__, *(key for key in vars(Adapter) if not key.startswith("_"))):
            if hasattr(model, name):
                setattr(own, name, getattr(model, name))
        self.abilities = read_abilities(model)
