"""What `run.json` and `summary.json` hold, as types that msgspec validates when a file is read.

Keys that a type does not have are ignored, so that files may hold more. Rates are fractions; a metric that could not be
computed has value null and a reason. `--json` prints the same: `{"schema_version": 2, "runs": [RunSummary]}`.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from alm_bench.core.types import STATUSES, Metric, Metrics
from alm_bench.scoring.blind import Margin

SCHEMA_VERSION = 2
"""Version of run.json, samples.jsonl, summary.json and item_scores.json. Version 1 is read too (version_1.py), newer
ones are refused."""

Model = TypeVar("Model", bound=Struct)


def to_json(value: Any) -> Any:
    """Return a model, or a container of models, as JSON values; objects that JSON does not know become their text."""
    return msgspec.to_builtins(value, enc_hook=str)


def from_json(value: Any, kind: type[Model]) -> Model:
    """Build a model from JSON values. Raises msgspec.ValidationError."""
    return msgspec.convert(value, kind)


class StoredTask(Struct, frozen=True, kw_only=True):
    """Task of a run."""

    name: str
    """Name in `--tasks`."""

    version: int | str
    """Version of the task's card."""

    kind: str | None = None
    """Kind of answers."""


class StoredData(Struct, frozen=True, kw_only=True):
    """Data of a run."""

    kind: str
    """`real` or `demo`."""

    revision: str
    """Name of the revision of the questions."""

    manifest: str | None = None
    """Hash over the files."""

    files: dict[str, str] = field(default_factory=dict)
    """Sha256 of each file, by role."""

    annotations: str | None = None
    """Absolute path of the file of questions."""


class StoredPrompt(Struct, frozen=True, kw_only=True):
    """Prompt set of a run."""

    id: str
    """Task and prompt set, or `not known` of a replay."""

    version: int | str | None
    """Version of the prompt set; None if not known."""

    hash: str | None
    """Hash over everything that changes a rendered prompt; None if not known."""

    name: str | None = None
    """Name of the prompt set alone; None if not known."""


class StoredDecoding(Struct, frozen=True, kw_only=True):
    """Decoding settings of a run; all but `method` are None if not known."""

    method: str
    """`greedy`, `nucleus`, or `not known` of a replay."""

    max_new_tokens: int | None = None
    """Token limit of an answer."""

    top_p: float | None = None
    """Probability mass of nucleus sampling."""

    temperature: float | None = None
    """Temperature of nucleus sampling."""

    seed: int | None = None
    """Seed of nucleus sampling."""


class StoredIdentity(Struct, frozen=True, kw_only=True):
    """Identity of a model, without secrets (`core.AdapterIdentity`)."""

    label: str
    """Name in tables."""

    parameters: int | None
    """Number of trained weights."""

    trained_on: tuple[str, ...]
    """Audio domains of the training data."""

    family: str | None = None
    """Name of the adapter."""

    weights: str | None = None
    """Sha256 of the weights, or a hub revision."""

    dtype: str | None = None
    """Precision of the computation."""

    device: str | None = None
    """Device of the computation."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Choices that change answers."""

    note: str | None = None
    """Remark for readers of the run."""


class StoredSpec(Struct, frozen=True, kw_only=True):
    """A run as the user asked for it, without secrets (`runner.spec.RunSpec` says what each field means)."""

    split: str
    decoding: StoredDecoding
    task: str | None = None
    model: str | None = None
    data: str | None = None
    prompt: str | None = None
    seed: int = 0
    limit: int | None = None
    sample: int | None = None
    batch_size: int | str | None = None
    workers: int | None = None
    missing_audio: str = "error"
    answer_by: str = "generate"
    strategy: str = "plain"
    options: str = "given"
    shuffles: int = 1
    condition: str = "clean"
    repeat: int = 0
    task_options: dict[str, str] = field(default_factory=dict)
    model_options: dict[str, Any] = field(default_factory=dict)
    answer_tags: tuple[str, ...] = ()


class FitRows(Struct, frozen=True, kw_only=True):
    """Development rows that a model was fitted on."""

    task: str
    """Task that the rows are of."""

    split: str
    """Split that the rows are of."""

    annotations: str
    """Sha256 of the file of questions."""

    ids: str
    """Hash over the ids and the sizes of the clips of all rows that were taken."""

    rows: int
    """Number of rows that were taken."""

    left_out: int
    """Number of rows whose clips could not be used."""


class StoredAudioCheck(Struct, frozen=True, kw_only=True):
    """Result of the audio-delivery check (`runner.audio_check.AudioCheck`)."""

    verdict: str
    """Whether the audio reached the model."""

    reason: str
    """What shows that."""

    answers: tuple[dict[str, Any], ...] = ()
    """What the model answered about each sound."""

    length: dict[str, str] | None = None
    """Verdict and reason of `runner.length_check.LengthCheck`; None where it was not asked about long clips."""

    checked_at: float | None = None
    """Time of the check, in seconds since 1970 (UTC)."""


class Selection(Struct, frozen=True, kw_only=True):
    """The part of a task's items that a run is limited to."""

    method: Literal["first", "random"]
    """`first` for `--limit`, `random` for `--sample`."""

    count: int
    """Number of items that were taken, before a condition leaves some out."""

    of: int
    """Number of all items of the split."""

    groups: tuple[str, ...] = ()
    """Groupings that a random sample is stratified by."""

    seed: int | None = None
    """Seed of a random sample."""

    def describe(self) -> str:
        """Return the selection in words: `the first 100 of 1,000 items`."""
        if self.method == "first":
            return f"the first {self.count:,} of {self.of:,} items"
        by = f", stratified by {', '.join(self.groups)}" if self.groups else ""
        return f"{self.count:,} of {self.of:,} items at random{by}, seed {self.seed}"


class RunHeader(Struct, frozen=True, kw_only=True):
    """What is known of a run before its first item (`run.json`), and what was noted while it was made."""

    fingerprint: str
    """Hash over everything that an answer depends on; equal fingerprints are one run."""

    spec: StoredSpec
    """The run as the user asked for it."""

    task: StoredTask
    """Task of the run."""

    data: StoredData
    """Data of the run."""

    prompt: StoredPrompt
    """Prompt set of the run."""

    identity: StoredIdentity
    """Model of the run."""

    items: int
    """Number of items of the finished run."""

    baselines_missing: dict[str, str]
    """Reasons by text-only baseline that is not available."""

    parser: str | None = None
    """Version of the parser that read the answers."""

    audio: Any = None
    """Preprocessing of clips; None for a model that gets none, `not known` of a replay."""

    fit: FitRows | None = None
    """Development rows that the model was fitted on; None for a model that is not."""

    condition_version: str | None = None
    """Version of the condition, if an installed package defines it."""

    environment: dict[str, Any] = field(default_factory=dict)
    """Packages, commit and machine."""

    selection: Selection | None = None
    """Part of the items that the run is limited to; None for all, or for a run of before there was this field."""

    audio_check: StoredAudioCheck | None = None
    """Result of the audio-delivery check; None without one."""

    batch_size: dict[str, Any] | None = None
    """Batch sizes that were asked for and used; None before the first batch."""


class Usage(Struct, frozen=True, kw_only=True):
    """Sums over the calls of a run, as far as the model's server reports them."""

    calls: int
    """Number of items with a report."""

    prompt_tokens: int
    """Tokens of prompts, those of audio included."""

    audio_tokens: int
    """Tokens of audio."""

    completion_tokens: int
    """Tokens of answers."""

    estimated_calls: int = 0
    """Calls whose cost is an estimate, since the server did not report their tokens."""

    cost: float | None = None
    """US dollars; None if no call has a cost."""


class TextMargin(Struct, frozen=True, kw_only=True):
    """Margin of a run over the best text-only baseline of the same items."""

    baseline: str
    """Name of the best baseline."""

    baseline_value: float
    """Value of the metric for that baseline."""

    metric: str
    """Metric that is compared."""

    margin: Metric
    """Paired difference, with its 95 % interval."""

    significant: bool
    """Whether the interval lies on the better side of 0."""

    def __post_init__(self) -> None:
        if self.margin.value is None:
            raise ValueError("margin: expected a number, got null")

    @staticmethod
    def of(found: Margin) -> "TextMargin":
        """Return a computed margin as it is stored."""
        return TextMargin(
            baseline=found.row,
            baseline_value=found.value,
            metric=found.score,
            margin=found.lead,
            significant=found.beaten,
        )


class RunSummary(Struct, frozen=True, kw_only=True):
    """A scored run: one entry of `runs` in `summary.json` and in `--json`."""

    task: str
    """Name of the task."""

    model: str
    """Name of the model."""

    data: str
    """`real` or `demo`."""

    revision: str
    """Name of the revision of the questions."""

    split: str
    """Split of the questions."""

    n: int
    """Number of items in our denominator, all but the skipped ones."""

    skipped: int
    """Number of skipped items."""

    status: dict[str, int]
    """Number of items by status; all statuses are there."""

    main: str
    """Metric that the task is ranked by."""

    metrics: Metrics
    """Metrics over all items."""

    groups: dict[str, dict[str, Metrics]]
    """Metrics by grouping and key."""

    baselines: dict[str, Metrics]
    """Metrics of text-only baselines, by name."""

    margins: dict[str, dict[str, TextMargin]]
    """Margins over the best text-only baseline by grouping and key, over all items under `all` and `all`."""

    partial: bool
    """Whether items are missing that the finished run has."""

    run: str
    """Name of the run's folder."""

    fingerprint: str
    """Hash over everything that an answer depends on."""

    prompt: StoredPrompt
    """Prompt set."""

    parser: str
    """Version of the parser."""

    condition: str
    """Condition of the clips or options; `clean` for ordinary runs."""

    condition_version: str | None = None
    """Version of the condition, if an installed package defines it."""

    options: str
    """Option order, with its seed and the number of orders if it is shuffled."""

    answer_by: str
    """Answer mode."""

    decoding: StoredDecoding
    """Decoding settings."""

    identity: StoredIdentity
    """Model of the run."""

    items: int
    """Number of items of the finished run."""

    task_version: int | str | None = None
    """Version of the task's card."""

    questions: int | None = None
    """Number of questions that the `n` items are option orders of."""

    solver: str | None = None
    """The text-only baseline whose correct items count as solvable from text; None without one."""

    fit: FitRows | None = None
    """Development rows that the model was fitted on; None for a model that is not."""

    limit: int | None = None
    """Number of first items that the run is limited to."""

    sample: int | None = None
    """Number of random items that the run is limited to."""

    selection: Selection | None = None
    """The same in full; None for all items, or for a run of before there was this field."""

    preprocessing: dict[str, int] = field(default_factory=dict)
    """Number of items by audio preprocessing that was applied."""

    reasons: dict[str, int] = field(default_factory=dict)
    """The 20 most frequent reasons of items that did not end as ok, and their numbers."""

    usage: Usage | None = None
    """Tokens and cost; None without any report."""

    audio_check: StoredAudioCheck | None = None
    """Result of the audio-delivery check; None without one."""

    metric_versions: dict[str, str] = field(default_factory=dict)
    """Versions of the metrics that installed packages define."""

    tables: dict[str, Any] = field(default_factory=dict)
    """Further tables: `confusion`, `positions` (scoring/position.py), `options` (scoring/multi_select.py), `no_option`
    (scoring/no_option.py), `tokenizer`, and those of a task's own."""

    def __post_init__(self) -> None:
        if missing := [name for name in STATUSES if name not in self.status]:
            raise ValueError(f"status: {', '.join(missing)} missing")

    def describe_selection(self) -> str | None:
        """Return which items the run is limited to, in words; None for all."""
        if self.selection is not None:
            return self.selection.describe()
        if self.limit is not None:
            return f"the first {self.limit} items"
        return None if self.sample is None else f"{self.sample} items at random"

    @property
    def selection_key(self) -> tuple[Any, ...]:
        """What two runs of the same items have in common, whether or not they have `selection`."""
        if self.selection is not None and self.selection.method == "random":
            return ("random", self.selection.count, self.selection.seed, self.selection.groups)
        first = self.limit if self.selection is None else self.selection.count
        return (
            ("first", first) if first is not None else ("random", self.sample) if self.sample is not None else ("all",)
        )

    @property
    def answered_items(self) -> int:
        """Number of items with a record, skipped and failed ones included."""
        return sum(self.status.values())

    @property
    def text_margin(self) -> TextMargin | None:
        """Margin over all items; None without text-only baselines."""
        return self.margins.get("all", {}).get("all")


class SummaryFile(Struct, frozen=True, kw_only=True):
    """Content of `summary.json`."""

    runs: tuple[RunSummary, ...]
    """Runs; this program writes one."""


class Stamp(Struct, frozen=True, kw_only=True):
    """What item scores belong to: they are ignored if the files have changed since."""

    summary_sha256: str
    """Hash of `summary.json`."""

    samples_bytes: int | None
    """Size of `samples.jsonl`; None if there is none."""


class ItemScores(Struct, frozen=True, kw_only=True):
    """Scores of single items, small enough to be read for a thousand runs: what paired comparisons of runs need.

    All items that have a reference and were not skipped, in the task's order; all lists are of one length.
    """

    ids: tuple[str, ...]
    """Ids of the items."""

    questions: tuple[str, ...]
    """Ids of the questions that the items are option orders of."""

    clips: tuple[str, ...]
    """Clips, or what items share besides, for intervals."""

    accuracy: tuple[float, ...]
    """Accuracy, or the main score of a task that has another."""

    baselines: dict[str, tuple[float, ...]]
    """Scores of the text-only baselines by name."""

    def __post_init__(self) -> None:
        lists = [self.ids, self.questions, self.clips, self.accuracy, *self.baselines.values()]
        if len({len(each) for each in lists}) > 1:
            raise ValueError(f"lists of {', '.join(str(len(each)) for each in lists)} items, expected one length")


class ItemScoresFile(ItemScores, frozen=True, kw_only=True):
    """Content of `item_scores.json`."""

    summary_sha256: str
    """`Stamp.summary_sha256` of the scores."""

    samples_bytes: int | None
    """`Stamp.samples_bytes` of the scores."""


def runs_json(runs: Sequence[RunSummary]) -> dict[str, Any]:
    """Return what `--json` prints of runs."""
    return {"schema_version": SCHEMA_VERSION, "runs": [to_json(run) for run in runs]}
