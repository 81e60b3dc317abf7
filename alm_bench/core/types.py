"""The nouns that every part speaks: samples, requests, outputs, readings, scores and cards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from alm_bench.core.errors import UsageError

if TYPE_CHECKING:  # numpy takes longer to import than the commands that never touch a clip take to run
    import numpy as np
    import numpy.typing as npt

    Wave = npt.NDArray[np.float32]
else:
    Wave = Any
"""Mono float32 samples in -1..1, shape (samples,)."""

Status = Literal["ok", "unparsed", "refused", "truncated", "error", "skipped"]
"""How one item of a run ended. Every item ends in exactly one."""

AnswerBy = Literal["generate", "likelihood", "both"]
"""What an answer is: the text that a model writes, the option that it finds likeliest, or both side by side."""

Strategy = Literal["plain", "caption-first"]
"""How a model is led to its answer: asked at once, or to describe first what it hears."""

OptionOrder = Literal["given", "shuffled", "circular"]
"""In which order options are shown: the file's, seeded shuffles, or every rotation."""

STATUSES: tuple[Status, ...] = ("ok", "unparsed", "refused", "truncated", "error", "skipped")

ParseStatus = Literal["ok", "unparsed", "refused", "ambiguous", "truncated", "empty"]
"""What reading a text gave. `ambiguous` and `empty` are kinds of the item status `unparsed`."""


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Where one clip is.

    `id` is stable across machines (a path below the data root) and seeds random crops and second clips.
    `read`, when set, returns the encoded bytes (a cell of a parquet file, a synthesised demo clip);
    otherwise the bytes are those of `path`.
    `content` tells clips of one id and path apart whose bytes are made: equal texts stand for equal bytes.
    """

    id: str
    path: Path
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    content: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """What an adapter wants done to a clip before it sees it.

    `rate` is in Hz. `seconds` is a fixed length, or None for the whole clip; then `crop` and `short` do not apply.
    `channels`: average all, average the first two, take the first, or lay them end to end.
    `short`: what fills a clip below `seconds`. Clips below `min_seconds` are refused, and those beyond `max_seconds`,
    where there is no fixed length, are cropped to it.
    `spare`: an item with fewer than two clips also gets `Request.spare`, a random other clip of the task.
    """

    rate: int = 16_000
    seconds: float | None = None
    crop: Literal["first", "centre", "random"] = "first"
    short: Literal["keep", "repeat", "zeros"] = "keep"
    channels: Literal["mean", "mean_first_two", "first", "end_to_end"] = "mean"
    min_seconds: float = 0.025
    max_seconds: float | None = None
    spare: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError: an adapter's author meets a misspelt policy when the class is read, not clip by clip."""
        for name, kind in get_type_hints(AudioPolicy).items():
            value = getattr(self, name)
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise UsageError(f"AudioPolicy takes {name}={' or '.join(map(repr, get_args(kind)))}, found {value!r}")
        for name in ("rate", "seconds", "max_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UsageError(f"AudioPolicy takes a {name} above 0, found {value}")


@dataclass(frozen=True, slots=True)
class Request:
    """All that an adapter sees of an item: never the target.

    `waves` holds the decoded clips, in the order of `audio` and then `spare`, when the adapter has an `AudioPolicy`.
    They are shared by all requests about a clip, and read-only. `features` is what the adapter's `prepare` made of each
    of them, empty where nobody called it.
    """

    id: str
    prompt: str
    audio: tuple[AudioRef, ...] = ()
    choices: tuple[str, ...] = ()
    spare: AudioRef | None = None
    waves: tuple[Wave, ...] = field(default=(), compare=False, repr=False)
    features: tuple[Any, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How text is drawn from the model. `seed` makes nucleus sampling reproducible."""

    method: Literal["greedy", "nucleus"] = "greedy"
    max_new_tokens: int = 64
    top_p: float = 0.8
    temperature: float = 1.0
    seed: int = 0


Likelihoods = Mapping[str, Sequence[tuple[float, int]]]
"""How likely a model finds each option, by the form in which it is put before it (`text`, `letter`): the sum of its
tokens' log-probabilities (nats), and how many tokens those are."""


@dataclass(frozen=True, slots=True)
class OptionScores:
    """What an adapter that scores options gives back for one request: every form has one entry an option, in order.

    A failed call has `error` set and no forms.
    """

    forms: Likelihoods = field(default_factory=dict)
    error: str | None = None


NOTHING: dict[str, Any] = {}
"""For mappings that are empty in most of very many items: one that all share, and nobody writes to."""


@dataclass(frozen=True, slots=True)
class Output:
    """What an adapter gives back for one request.

    A failed call has `error` set and no text. `refusal` is why whoever runs the model did not let it answer (a content
    filter): no failure, not tried again, no text. `truncated` says that the token limit ended the text.
    `extra` is stored with the item (token counts, a reasoning block, a cost). `likelihood` is filled by the runner,
    where options are scored.
    """

    text: str | None
    truncated: bool = False
    error: str | None = None
    refusal: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    likelihood: Likelihoods = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Parsed:
    """How a text was read.

    `index` is the option chosen (0-based) and `value` its text or another value read, both None unless `status` is ok.
    `rule` names the rule that decided, `span` the characters of the text that it read. `indices` are the options chosen
    where a question may have several right ones, ascending; `index` is None then.
    """

    status: ParseStatus
    rule: str
    index: int | None = None
    value: str | None = None
    span: tuple[int, int] | None = None
    indices: tuple[int, ...] | None = None

    @property
    def selects(self) -> bool:
        """Whether the text selects an option, or several."""
        return self.index is not None or bool(self.indices)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How an item's options were moved: the one that now stands at `i` stands at `order[i]` in the file.

    The item is the `number`-th (from 0) of `count` arrangements of the question with the id `question`.
    """

    question: str
    number: int
    count: int
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a task, before a prompt set turns it into a `Request`.

    `fields` fills the prompt template (`question`, `hypothesis`). `target` is the option's index for multiple choice,
    the references for captions, or None where answers are withheld. `targets` are the indices of all right options of a
    question that may have several; `target` is None then. `gold` is the answer as the source file writes it,
    for official rules that compare text. `groups` are the keys of the breakdowns, and `clip` where clips repeat.
    `skip` says why the item is outside our denominator (its gold is not among its options); it is answered all the
    same, since official columns count it. `arranged` says how options were moved, where they were: `choices`,
    `target` and `targets` are in the order that the model is shown.
    """

    id: str
    fields: Mapping[str, str]
    audio: tuple[AudioRef, ...] = ()
    choices: tuple[str, ...] = ()
    target: Any = None
    gold: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    skip: str | None = None
    arranged: Arrangement | None = None
    targets: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Put `targets` into ascending order. Raises ValueError for targets that are not a set of options."""
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
        """Whether its right answer is known."""
        return self.target is not None or self.targets is not None

    @property
    def question(self) -> str:
        """The id in the file: arrangements of one question share it."""
        return self.id if self.arranged is None else self.arranged.question


@dataclass(frozen=True, slots=True)
class Scored:
    """A stored item as scoring sees it: the sample, the text, its reading and its per-item scores (0..1)."""

    sample: Sample
    status: Status
    text: str | None
    parsed: Parsed | None
    scores: Mapping[str, float]
    blind: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its 95 % interval and the number of items behind it. Fractions, not percent.

    A figure that could not be had has value None and a reason.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None

    @staticmethod
    def missing(reason: str) -> "Metric":
        return Metric(None, reason=reason)


Metrics = dict[str, Metric]


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Corpus-level result: overall, by grouping and key, and the blind rows. `tables` holds extra ones (confusion)."""

    metrics: Metrics
    groups: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    blind: dict[str, Metrics] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Where something can be fetched from, and its place `to` below the data root.

    Either `url` names a file, or `hub` a data set of the Hugging Face hub, whose parquet files go below `to`. `members`
    makes the file an archive: its members whose base names fit the pattern are unpacked into the folder `to`.
    `checksum` is what the file's makers publish (`md5:...` or `sha256:...`), as is `size` in bytes; Zenodo is asked for
    its own checksum. An
    `alternative` stands for another file of the task: it is fetched where it is asked for. `split` is the one
    whose clips an archive holds, where it does not hold all of a task's.
    """

    to: str
    url: str | None = None
    hub: str | None = None
    members: str | None = None
    checksum: str | None = None
    alternative: bool = False
    split: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a place that is none, or lies outside the data root."""
        if (self.url is None) == (self.hub is None):
            raise ValueError("fetch takes either a url or a hub data set")
        parts = PurePosixPath(self.to).parts
        if not parts or parts[0] == "/" or ".." in parts or any(sign in self.to for sign in "*?[\\"):
            raise ValueError(f"fetch takes a place below the data folder, found {self.to!r}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that a task reads, as its card declares it.

    `names` are glob patterns below the data root, best first. `revisions` maps sha256, of
    the file or of its questions (`data.questions_digest`), to the name of a known revision.
    An `optional` file adds something (a blind row) when it is there.
    """

    role: str
    names: tuple[str, ...]
    source: str
    split: str | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    fetch: Fetch | None = None


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What a task is, read from its `task.toml` without importing its code.

    `audio` are the places of its clips below the data root; `audio_source` says where they come from when that is not
    `source`, and `audio_fetch` where they can be fetched. `prompts` is the file of its prompt sets, in the card's
    folder. `fit_split` is the development split that adapters may be fitted on: its own, or that of
    `fit_task`.
    """

    name: str
    family: str
    version: int
    kind: str
    title: str
    summary: str
    paper: str
    source: str
    licence: str
    splits: tuple[str, ...]
    metrics: tuple[str, ...]
    groups: tuple[str, ...]
    files: tuple[DataFile, ...]
    audio: tuple[str, ...]
    folder: Path
    max_new_tokens: int = 64
    clips: int = 1
    hub: Mapping[str, str] = field(default_factory=dict)  # split -> HF dataset id
    audio_source: str | None = None
    audio_fetch: Fetch | None = None
    collection: str | None = None  # a name that stands for several tasks
    prompts: str = "prompts.toml"
    fit_split: str | None = None
    fit_task: str | None = None
    answer_tags: tuple[str, ...] = ()  # names of tags that hold the answer, besides those that the parser knows

    @property
    def default_split(self) -> str:
        return self.splits[0]


@dataclass(frozen=True, slots=True)
class AblationCard:
    """Other tasks' questions under other conditions: a `task.toml` of kind `ablation`, which has no code."""

    name: str
    family: str
    version: int
    title: str
    summary: str
    paper: str
    bases: tuple[str, ...]
    conditions: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class AdapterIdentity:
    """Which model answered, precisely enough to tell two runs apart.

    `label` is what tables print. `weights` is a sha256 or a hub revision; `settings` are the choices that change
    answers (protocol, crop). `parameters` counts trained weights; `trained_on` names the domains heard in training.
    """

    label: str
    family: str
    weights: str | None = None
    dtype: str | None = None
    device: str | None = None
    parameters: int | None = None
    trained_on: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
