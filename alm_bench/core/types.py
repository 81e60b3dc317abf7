"""Data types shared by all packages: samples, requests, outputs, parsed answers and scores."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from alm_bench.core.errors import UsageError
from alm_bench.core.languages import ItemLanguages

if TYPE_CHECKING:  # numpy takes longer to import than the commands that never touch a clip take to run
    import numpy as np
    import numpy.typing as npt

    Wave = npt.NDArray[np.float32]
else:
    Wave = Any
"""Mono float32 samples in -1..1, shape (samples,)."""

Status = Literal["ok", "unparsed", "refused", "truncated", "error", "skipped"]
"""Outcome of one item of a run. Every item has exactly one."""

AnswerBy = Literal["generate", "likelihood", "both", "embedding"]
"""Answer mode: the generated text, the option with the highest log-likelihood, or both; for retrieval, an embedding."""

Strategy = Literal["plain", "caption-first"]
"""Ask the question directly (`plain`), or after a description of the clips by the model (describe-then-answer)."""

OptionOrder = Literal["given", "shuffled", "circular"]
"""Order of the answer options: that of the file, seeded shuffles, or every rotation (CircularEval)."""

STATUSES: tuple[Status, ...] = ("ok", "unparsed", "refused", "truncated", "error", "skipped")
"""All values of `Status`."""

ParseStatus = Literal["ok", "unparsed", "refused", "ambiguous", "truncated", "empty"]
"""Outcome of parsing a text. `ambiguous` and `empty` become the item status `unparsed`."""


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Reference to one clip that is not decoded yet."""

    id: str
    """Name that is the same on every machine (a path below the data root). It seeds random crops and second clips."""

    path: Path
    """File that holds the clip."""

    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    """Function that returns the encoded bytes (a cell of a parquet file, a synthesised clip); None to read them from
    `path`."""

    content: str | None = field(default=None, compare=False, repr=False)
    """Key of synthesised bytes, which distinguishes clips with the same id and path. Equal keys mean equal bytes."""

    is_question: bool = False
    """True for a clip in which the item's question is spoken (`--speak`). Conditions do not change it."""


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """Preprocessing of a clip before an adapter gets it."""

    rate: int = 16_000
    """Sample rate in Hz."""

    seconds: float | None = None
    """Fixed length in seconds; None to use the whole clip, in which case `crop` and `short` have no effect."""

    crop: Literal["first", "centre", "random"] = "first"
    """Part that is used of a clip longer than `seconds`."""

    short: Literal["keep", "repeat", "zeros"] = "keep"
    """Padding of a clip shorter than `seconds`."""

    channels: Literal["mean", "mean_first_two", "first", "end_to_end"] = "mean"
    """Average all channels, average the first two, take the first, or concatenate them in time."""

    min_seconds: float = 0.025
    """Smallest length in seconds; shorter clips are rejected."""

    max_seconds: float | None = None
    """Largest length in seconds if `seconds` is None; of longer clips only the beginning is used."""

    spare: bool = False
    """True to give items with fewer than two clips a random other clip of the task as `Request.spare`."""

    def __post_init__(self) -> None:
        """Raise UsageError for an invalid policy. This happens once, when the adapter's class is defined, not for every
        clip."""
        for name, kind in get_type_hints(AudioPolicy).items():
            value = getattr(self, name)
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise UsageError(f"AudioPolicy takes {name}={' or '.join(map(repr, get_args(kind)))}, found {value!r}")
        for name in ("rate", "seconds", "max_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UsageError(f"AudioPolicy takes a {name} above 0, found {value}")


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that an adapter gets for an item. The reference answer is not part of it."""

    id: str
    """Id of the item."""

    prompt: str
    """Rendered question."""

    audio: tuple[AudioRef, ...] = ()
    """Clips of the item, in order; most items have one."""

    choices: tuple[str, ...] = ()
    """Texts of the options, in the order in which the prompt shows them."""

    spare: AudioRef | None = None
    """Second clip from elsewhere in the task, for adapters whose policy asks for one."""

    waves: tuple[Wave, ...] = field(default=(), compare=False, repr=False)
    """Decoded clips of `audio`, followed by the one of `spare`. They are read-only, since requests about the same clip
    share them. Empty for an adapter without `AudioPolicy`."""

    features: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    """Result of the adapter's `prepare` for each of `waves`; empty if it was not called."""

    prefix: str = ""
    """Beginning of the answer, which the model has to continue: its output is what follows. "" to answer from the
    start. Only adapters with the ability `continuation` get one."""


DecodingMethod = Literal["greedy", "nucleus", "top-k", "beam"]
"""Decoding method: most likely token, sampling from the nucleus (arXiv 1904.09751), sampling from the k most likely
tokens, or beam search."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Decoding settings of a run."""

    method: DecodingMethod = "greedy"
    """Decoding method."""

    max_new_tokens: int = 64
    """Token limit of an answer."""

    top_p: float = 0.8
    """Probability mass of nucleus sampling, 0..1."""

    temperature: float = 1.0
    """Temperature of nucleus and top-k sampling."""

    seed: int = 0
    """Seed of nucleus and top-k sampling."""

    top_k: int = 50
    """Number of most likely tokens that top-k sampling draws from."""

    beams: int = 4
    """Number of sequences that beam search extends in parallel."""

    length_penalty: float = 1.0
    """Exponent of the length by which beam search divides the log-probability of a finished answer. 0 ranks answers by
    their probability, which favours short ones."""

    @property
    def is_sampled(self) -> bool:
        """True if tokens are drawn at random."""
        return self.method in ("nucleus", "top-k")

    def check(self) -> None:
        """Raise UsageError for values that the method cannot work with."""
        if self.max_new_tokens < 1:
            raise UsageError(f"max_new_tokens must be at least 1, found {self.max_new_tokens}")
        if self.is_sampled and not 0 < self.temperature < math.inf:
            raise UsageError(f"{self.method} sampling takes a temperature above 0, found {self.temperature}")
        if self.method == "nucleus" and not 0 <= self.top_p <= 1:
            raise UsageError(f"nucleus sampling takes a top_p in 0..1, found {self.top_p}")
        if self.method == "top-k" and self.top_k < 1:
            raise UsageError(f"top-k sampling takes a top_k of at least 1, found {self.top_k}")
        if self.method == "beam" and self.beams < 2:
            raise UsageError(f"beam search takes at least 2 beams, found {self.beams} (greedy decoding has one)")
        if self.method == "beam" and not math.isfinite(self.length_penalty):
            raise UsageError(f"beam search takes a finite length_penalty, found {self.length_penalty}")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name. Settings of top-k sampling and of beam search are left out for other methods.

        Greedy and nucleus runs therefore have the same fingerprints as in version 0.1, which had no other methods.
        """
        own = {"top_k": ("top-k",), "beams": ("beam",), "length_penalty": ("beam",)}
        return {name: value for name, value in asdict(self).items() if self.method in own.get(name, (self.method,))}


Likelihoods = Mapping[str, Sequence[tuple[float, int]]]
"""Log-likelihoods of the options by their form (`text`, `letter`). There is one pair per option: the summed
log-probability of its tokens in nats, and the number of tokens."""


@dataclass(frozen=True, slots=True)
class OptionScores:
    """Log-likelihoods of one request's options, in one or more forms: the option's text, or its letter."""

    forms: Likelihoods = field(default_factory=dict)
    """Log-likelihoods by form, with one pair per option in the order of the options; empty after a failed call."""

    error: str | None = None
    """Reason of a failed call."""


@dataclass(frozen=True, slots=True)
class EventPresence:
    """Output of a model's event head for one clip: the probabilities of sound events over time."""

    probabilities: Any
    """Probabilities in 0..1, float32 array of shape (steps, classes). The steps divide the clip into equal parts; there
    is one step if the head classifies whole clips only."""

    logmel: Any
    """Log-mel spectrogram in dB that the probabilities were computed from, float32 array of shape (frames, mels)."""

    seconds: float
    """Length of the clip as the model gets it, after cropping and padding."""

    names: tuple[str | None, ...] | None = None
    """Name of each class; None for a class that is not a sound event. None if the names are not known."""


NOTHING: dict[str, Any] = {}
"""Shared empty mapping that is never written to. It saves memory, since most items have nothing to store."""


@dataclass(frozen=True, slots=True)
class Output:
    """Result of an adapter for one request."""

    text: str | None
    """Generated text; None after a failed or refused call."""

    truncated: bool = False
    """True if the token limit ended the text."""

    error: str | None = None
    """Reason of a failed call. The call is repeated when the run is resumed."""

    refusal: str | None = None
    """Reason why the model's provider did not let it answer (a content filter). Such calls are not repeated."""

    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """JSON values that are stored with the item (token counts, reasoning, `cost` in US dollars)."""

    likelihood: Likelihoods = field(default_factory=lambda: NOTHING)
    """Log-likelihoods of the options. The runner sets them if options are scored."""

    embedding: str | None = None
    """Embedding of the item's clip or text, as `core.vectors` encodes it. The runner sets it for retrieval."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """Result of parsing a text."""

    status: ParseStatus
    """Outcome. Unless it is `ok`, all other fields except `rule` and `span` are None."""

    rule: str
    """Name of the parsing rule that determined the result."""

    index: int | None = None
    """Selected option, from 0."""

    value: str | None = None
    """Text of the selected option, or another parsed value (a label, a number)."""

    span: tuple[int, int] | None = None
    """Start and end of the part of the text that determined the result. The end is the index after the last character.
    """

    indices: tuple[int, ...] | None = None
    """Selected options in ascending order, for a question that may have several correct ones; `index` is None then."""

    @property
    def selects_option(self) -> bool:
        """True if the text selects at least one option."""
        return self.index is not None or bool(self.indices)


@dataclass(frozen=True, slots=True)
class OptionArrangement:
    """Option order of an item that differs from the order in the file."""

    question: str
    """Id of the item's question in the file."""

    number: int
    """Index of this order among the orders of the question, from 0."""

    count: int
    """Number of orders in which the question is asked."""

    order: tuple[int, ...]
    """Indices of the options in the file, in the order of the item: `order[i]` is the file's index of the item's option
    i."""


REQUIREMENT = "requirement"
"""Key in `Sample.metadata` of what an answer has to fulfil, in words, for items without a reference answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a task, before a prompt template turns it into a `Request`."""

    id: str
    """Unique id of the item."""

    fields: Mapping[str, str]
    """Values for the prompt template (`question`, `hypothesis`)."""

    audio: tuple[AudioRef, ...] = ()
    """Clips of the item, in order; most items have one."""

    choices: tuple[str, ...] = ()
    """Texts of the options, in the order in which the model gets them."""

    target: Any = None
    """Index of the correct option, or the reference texts of a caption; None if the correct answer is withheld or there
    are several (`targets`)."""

    gold: str | None = None
    """Correct answer as it is written in the source file, for official scoring rules that compare texts."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """Keys of the item by grouping. If several items share a clip, the grouping `clip` contains the clip's id."""

    skip: str | None = None
    """Reason why the item is excluded from the project's own metrics (its answer is not among its options). The model
    is asked all the same, since the official metrics include the item."""

    arranged: OptionArrangement | None = None
    """Option order if it differs from the file; `choices`, `target` and `targets` are in this order. None for the
    file's order."""

    targets: tuple[int, ...] | None = None
    """Indices of all correct options of a question that may have several; `target` is None then."""

    metadata: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """JSON values of the source row that are stored with the item for later scoring (reasoning traces, rubrics). They
    may contain the answer, so no prompt is rendered from them and no model gets them."""

    languages: ItemLanguages | None = None
    """Languages of question, audio and answer; None for a task that does not declare them."""

    def __post_init__(self) -> None:
        """Sort `targets` in ascending order. Raises ValueError if they are not valid indices of options."""
        if self.targets is None:
            return
        targets = tuple(sorted(set(self.targets)))
        if self.target is not None or not targets or targets[0] < 0 or targets[-1] >= len(self.choices):
            raise ValueError(
                f"item {self.id}: `targets` takes indices of its {len(self.choices)} options, at least one, and no "
                f"`target` beside them; found targets {self.targets!r}, target {self.target!r}"
            )
        object.__setattr__(self, "targets", targets)

    @property
    def has_reference(self) -> bool:
        """True if the correct answer is known."""
        return self.target is not None or self.targets is not None

    def describe_reference(self) -> str | None:
        """Return the right option, several options joined by ` + `, or the correct answer as the data writes it; None
        if it is withheld."""
        right = self.targets or ((self.target,) if isinstance(self.target, int) and self.choices else ())
        return " + ".join(self.choices[index] for index in right) if right else self.gold

    @property
    def question(self) -> str:
        """Id of the question in the file. All option orders of a question share it."""
        return self.id if self.arranged is None else self.arranged.question


@dataclass(frozen=True, slots=True)
class Scored:
    """A stored item with everything that scoring needs."""

    sample: Sample
    """Item with its references."""

    status: Status
    """Outcome of the item."""

    text: str | None
    """Generated text."""

    parsed: Parsed | None
    """Parsed answer; None if there is no text."""

    scores: Mapping[str, float]
    """Scores of the item by metric, 0..1."""

    blind: Mapping[str, int | None] = field(default_factory=dict)
    """Option selected by each text-only baseline."""

    text_solvers: tuple[str, ...] = ()
    """Names of the baselines in `blind` that may serve as text-only solver, the preferred one first."""

    embedding: str | None = None
    """Embedding of the item (see `core.vectors`); None unless the task compares embeddings."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A value with its 95 % confidence interval. Rates are fractions, not percentages."""

    value: float | None
    """The value; None if it could not be computed."""

    low: float | None = None
    """Lower end of the interval; None without one."""

    high: float | None = None
    """Upper end of the interval; None without one."""

    n: int = 0
    """Number of items."""

    reason: str | None = None
    """Reason why the value could not be computed."""

    @staticmethod
    def missing(reason: str) -> "Metric":
        """Return a metric without a value, for the reason why it could not be computed."""
        return Metric(None, reason=reason)


Metrics = dict[str, Metric]


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Metrics of all items of a run."""

    metrics: Metrics
    """Metrics over all items."""

    groups: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    """Metrics by grouping and by key of the grouping."""

    blind: dict[str, Metrics] = field(default_factory=dict)
    """Metrics of each text-only baseline, by its name."""

    tables: dict[str, Any] = field(default_factory=dict)
    """Further tables by name (such as `confusion`), as JSON values."""


@dataclass(frozen=True, slots=True)
class AdapterIdentity:
    """Identity of a model: everything that changes its answers. It is part of the fingerprint."""

    label: str
    """Name of the model in tables."""

    family: str
    """Name of the adapter."""

    weights: str | None = None
    """Sha256 of the weights, or a hub revision."""

    dtype: str | None = None
    """Precision of the computation."""

    device: str | None = None
    """Device of the computation."""

    parameters: int | None = None
    """Number of weights of the model."""

    trained_on: tuple[str, ...] = ()
    """Audio domains of the training data (sound, music, speech)."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings that change answers (protocol, crop)."""

    note: str | None = None
    """Remark that is stored with the run."""
