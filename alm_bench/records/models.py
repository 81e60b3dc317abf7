"""Types of the content of `run.json`, `summary.json` and `item_scores.json`. msgspec validates files against them.

Unknown keys are ignored, so that files may contain more. Rates are fractions. A metric that could not be computed has
the value null and a reason. `--json` prints the same types: `{"schema_version": 2, "runs": [RunSummary]}`.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from alm_bench.core.types import STATUSES, Metric, Metrics
from alm_bench.records.judgement import JudgeNotes
from alm_bench.scoring.blind import Margin

SCHEMA_VERSION = 2
"""Version of run.json, samples.jsonl, summary.json and item_scores.json. Files of version 1 are converted
(version_1.py), files of newer versions are refused.
"""

Model = TypeVar("Model", bound=Struct)


def to_json(value: Any) -> Any:
    """Convert a msgspec struct, or a container of structs, to JSON values. Other objects are converted with `str`."""
    return msgspec.to_builtins(value, enc_hook=str)


def from_json(value: Any, kind: type[Model]) -> Model:
    """Build a msgspec struct of the type `kind` from JSON values. Raises msgspec.ValidationError."""
    return msgspec.convert(value, kind)


class StoredTask(Struct, frozen=True, kw_only=True):
    """Task of a run."""

    name: str
    """Name of the task, as in `--tasks`."""

    version: int | str
    """Version of the task's card."""

    kind: str | None = None
    """Kind of answers that the task expects."""


class StoredData(Struct, frozen=True, kw_only=True):
    """Data set that a run used: kind, revision, and hashes of its files."""

    kind: str
    """`real` or `demo`."""

    revision: str
    """Name of the revision of the data."""

    manifest: str | None = None
    """Hash over all data files."""

    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each data file, by the file's role."""

    annotations: str | None = None
    """Absolute path of the file with the questions."""


class StoredPrompt(Struct, frozen=True, kw_only=True):
    """Prompt set of a run."""

    id: str
    """Task and prompt set; `not known` for a replay."""

    version: int | str | None
    """Version of the prompt set; None if not known."""

    hash: str | None
    """Hash over everything that affects rendered prompts; None if not known."""

    name: str | None = None
    """Name of the prompt set without the task; None if not known."""

    format: str | None = None
    """Form that outputs are asked to have, such as `<think> </think> <answer> </answer>`; None if the prompt set asks
    for none."""


class StoredDecoding(Struct, frozen=True, kw_only=True):
    """Decoding settings of a run; all except `method` are None if not known (see `core.Decoding`)."""

    method: str
    """Decoding method: `greedy`, `nucleus`, `top-k`, `beam`, or `not known` for a replay."""

    max_new_tokens: int | None = None
    """Largest number of tokens of an answer."""

    top_p: float | None = None
    """Probability mass of nucleus sampling."""

    temperature: float | None = None
    """Temperature of nucleus and top-k sampling."""

    seed: int | None = None
    """Seed of nucleus and top-k sampling."""

    top_k: int | None = None
    """Number of most likely tokens that top-k sampling draws from; None for other methods."""

    beams: int | None = None
    """Number of beams of beam search; None for other methods."""

    length_penalty: float | None = None
    """Length penalty of beam search; None for other methods."""


class StoredIdentity(Struct, frozen=True, kw_only=True):
    """Identity of a model, without secrets (see `core.AdapterIdentity`)."""

    label: str
    """Name of the model in tables."""

    parameters: int | None
    """Number of trained parameters."""

    trained_on: tuple[str, ...]
    """Audio domains of the model's training data."""

    family: str | None = None
    """Name of the adapter."""

    weights: str | None = None
    """SHA-256 of the weights, or revision on the hub."""

    dtype: str | None = None
    """Precision of the model's computation."""

    device: str | None = None
    """Device that the model ran on."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the adapter that affect answers."""

    note: str | None = None
    """Remark that is printed with the run's results."""


class StoredSpec(Struct, frozen=True, kw_only=True):
    """Settings of a run as the user gave them, without secrets. `runner.spec.RunSpec` documents the fields."""

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
    speak: str | None = None
    also_written: bool = False


class FitRows(Struct, frozen=True, kw_only=True):
    """Development rows that a model was fitted on."""

    task: str
    """Name of the task of the rows."""

    split: str
    """Name of the split of the rows."""

    annotations: str
    """SHA-256 of the file with the questions."""

    ids: str
    """Hash over the ids and clip sizes of all rows that were used."""

    rows: int
    """Number of rows that were used."""

    left_out: int
    """Number of rows that were not used because their clips could not be used."""


class StoredAudioCheck(Struct, frozen=True, kw_only=True):
    """Result of the audio-delivery check (see `runner.audio_check.AudioCheck`)."""

    verdict: str
    """Verdict: `delivered`, `no reaction`, `audio_not_delivered` or `not checked`."""

    reason: str
    """Evidence for the verdict."""

    answers: tuple[dict[str, Any], ...] = ()
    """Answers of the model, one per test sound."""

    length: dict[str, str] | None = None
    """Verdict and reason of `runner.length_check.LengthCheck`; None if long clips were not tested."""

    checked_at: float | None = None
    """Time of the check, in seconds since 1970 (UTC)."""


class Selection(Struct, frozen=True, kw_only=True):
    """Subset of a task's items that a run is limited to."""

    method: Literal["first", "random"]
    """Selection method: `first` for `--limit`, `random` for `--sample`."""

    count: int
    """Number of selected items, before a condition excludes some."""

    of: int
    """Number of items of the whole split."""

    groups: tuple[str, ...] = ()
    """Groupings by which a random selection is stratified."""

    seed: int | None = None
    """Seed of a random selection."""

    def describe(self) -> str:
        """Return the selection in words, such as `the first 100 of 1,000 items`."""
        if self.method == "first":
            return f"the first {self.count:,} of {self.of:,} items"
        by = f", stratified by {', '.join(self.groups)}" if self.groups else ""
        return f"{self.count:,} of {self.of:,} items at random{by}, seed {self.seed}"


class RunHeader(Struct, frozen=True, kw_only=True):
    """Content of `run.json`: settings known before the first item, and facts added while the run is in progress."""

    fingerprint: str
    """Hash over everything that answers depend on; runs with equal fingerprints are the same run."""

    spec: StoredSpec
    """Settings of the run as the user gave them."""

    task: StoredTask
    """Task of the run."""

    data: StoredData
    """Data of the run."""

    prompt: StoredPrompt
    """Prompt set of the run."""

    identity: StoredIdentity
    """Model of the run."""

    items: int
    """Number of items that the finished run has."""

    baselines_missing: dict[str, str]
    """Reasons why text-only baselines are not available, by baseline."""

    parser: str | None = None
    """Version of the parser that parsed the answers."""

    audio: Any = None
    """Preprocessing of clips; None for a model without audio, `not known` for a replay."""

    fit: FitRows | None = None
    """Development rows that the model was fitted on; None for a model that is not fitted."""

    condition_version: str | None = None
    """Version of the condition, if an installed package defines it."""

    speech: str | None = None
    """Synthesiser and voice that spoke the questions; None for written questions."""

    environment: dict[str, Any] = field(default_factory=dict)
    """Versions of packages, commit, and description of the machine."""

    selection: Selection | None = None
    """Subset of items that the run is limited to; None for all items, and for runs that are older than this field."""

    audio_check: StoredAudioCheck | None = None
    """Result of the audio-delivery check; None if it was not run."""

    batch_size: dict[str, Any] | None = None
    """Batch sizes that were requested and used; None before the first batch."""

    judges: dict[str, JudgeNotes] = field(default_factory=dict)
    """Judges of the answers, by `Judgement.key`."""


class Usage(Struct, frozen=True, kw_only=True):
    """Sums of token counts and costs over the calls of a run. Only calls with counts that the server reports are
    included.
    """

    calls: int
    """Number of items with reported token counts or a cost."""

    prompt_tokens: int
    """Number of prompt tokens, including audio tokens."""

    audio_tokens: int
    """Number of audio tokens."""

    completion_tokens: int
    """Number of tokens of answers."""

    estimated_calls: int = 0
    """Number of calls whose cost is an estimate because the server reported no token counts."""

    cost: float | None = None
    """Cost in US dollars; None if no call has a known cost."""


class TextMargin(Struct, frozen=True, kw_only=True):
    """Difference of a metric between a run and the best text-only baseline on the same items."""

    baseline: str
    """Name of the best baseline."""

    baseline_value: float
    """Value of the metric for the baseline."""

    metric: str
    """Name of the metric."""

    margin: Metric
    """Paired difference with its 95 % confidence interval."""

    significant: bool
    """True if the whole interval is on the better side of 0."""

    def __post_init__(self) -> None:
        if self.margin.value is None:
            raise ValueError("margin: expected a number, got null")

    @staticmethod
    def from_margin(margin: Margin) -> "TextMargin":
        """Convert a computed margin to the stored type."""
        return TextMargin(
            baseline=margin.row,
            baseline_value=margin.value,
            metric=margin.score,
            margin=margin.lead,
            significant=margin.is_significant,
        )


class RunSummary(Struct, frozen=True, kw_only=True):
    """Scored run: one entry of `runs` in `summary.json` and in the output of `--json`."""

    task: str
    """Name of the task."""

    model: str
    """Name of the model."""

    data: str
    """`real` or `demo`."""

    revision: str
    """Name of the revision of the data."""

    split: str
    """Name of the split."""

    n: int
    """Number of items in the denominator of metrics: all except skipped items."""

    skipped: int
    """Number of skipped items."""

    status: dict[str, int]
    """Number of items by status; every status has an entry."""

    main: str
    """Name of the metric that runs of the task are ranked by."""

    metrics: Metrics
    """Metrics over all items."""

    groups: dict[str, dict[str, Metrics]]
    """Metrics by grouping and key."""

    baselines: dict[str, Metrics]
    """Metrics of text-only baselines, by name."""

    margins: dict[str, dict[str, TextMargin]]
    """Margins over the best text-only baseline, by grouping and key. The margin over all items has grouping and key
    `all`.
    """

    partial: bool
    """True if some items of the finished run have no record yet."""

    run: str
    """Name of the run's folder."""

    fingerprint: str
    """Hash over everything that answers depend on."""

    prompt: StoredPrompt
    """Prompt set of the run."""

    parser: str
    """Version of the parser."""

    condition: str
    """Condition that changed clips or options; `clean` for ordinary runs."""

    condition_version: str | None = None
    """Version of the condition, if an installed package defines it."""

    speech: str | None = None
    """Synthesiser and voice that spoke the questions, and whether they were also written; None for written questions.
    """

    options: str
    """Option order; if it is shuffled, with its seed and the number of orders per question."""

    answer_by: str
    """Answer mode: `generate`, `likelihood` or `both`."""

    decoding: StoredDecoding
    """Decoding settings."""

    identity: StoredIdentity
    """Model of the run."""

    items: int
    """Number of items that the finished run has."""

    task_version: int | str | None = None
    """Version of the task's card."""

    questions: int | None = None
    """Number of different questions among the `n` items, which may contain several option orders of a question."""

    solver: str | None = None
    """Text-only baseline whose correct items count as solvable from text; None without one."""

    fit: FitRows | None = None
    """Development rows that the model was fitted on; None for a model that is not fitted."""

    limit: int | None = None
    """Number of items if the run is limited to the first ones; else None."""

    sample: int | None = None
    """Number of items if the run is limited to a random selection; else None."""

    selection: Selection | None = None
    """Subset of items that the run is limited to; None for all items, and for runs that are older than this field."""

    preprocessing: dict[str, int] = field(default_factory=dict)
    """Number of items by audio preprocessing step that changed their clips."""

    reasons: dict[str, int] = field(default_factory=dict)
    """The 20 most frequent reasons of items with another status than `ok`, with their counts."""

    usage: Usage | None = None
    """Token counts and costs; None if nothing was reported."""

    audio_check: StoredAudioCheck | None = None
    """Result of the audio-delivery check; None if it was not run."""

    task_options: dict[str, str] = field(default_factory=dict)
    """Options of the task that select or change its questions, such as a language or a track. Options that only affect
    scoring are left out, and so is the path of the annotations, whose revision is stored.
    """

    metric_versions: dict[str, str] = field(default_factory=dict)
    """Versions of the metrics that installed packages define."""

    tables: dict[str, Any] = field(default_factory=dict)
    """Further tables by name: `confusion`, `positions` (scoring/position.py), `options` (scoring/multi_select.py),
    `no_option` (scoring/no_option.py), `pairs` (scoring/pairs.py), `judges` (records/judgement.py), `reasoning`
    (scoring/reasoning.py), `languages` (scoring/language_table.py), `parts` (scoring/part_scores.py), `tokenizer`, and
    tables that the task adds.
    """

    def __post_init__(self) -> None:
        if missing := [name for name in STATUSES if name not in self.status]:
            raise ValueError(f"status: {', '.join(missing)} missing")

    def describe_selection(self) -> str | None:
        """Return the selection of items in words; None if the run has all items."""
        if self.selection is not None:
            return self.selection.describe()
        if self.limit is not None:
            return f"the first {self.limit} items"
        return None if self.sample is None else f"{self.sample} items at random"

    @property
    def selection_key(self) -> tuple[Any, ...]:
        """Key of the selected items. It is equal for runs with the same selection, also if one of them is older than
        the field `selection`.
        """
        if self.selection is not None and self.selection.method == "random":
            return ("random", self.selection.count, self.selection.seed, self.selection.groups)
        first = self.limit if self.selection is None else self.selection.count
        return (
            ("first", first) if first is not None else ("random", self.sample) if self.sample is not None else ("all",)
        )

    @property
    def processed_items(self) -> int:
        """Number of items with a record. Skipped and failed items have one, too."""
        return sum(self.status.values())

    @property
    def margin_over_text_only(self) -> TextMargin | None:
        """Margin over the best text-only baseline on all items; None without text-only baselines."""
        return self.margins.get("all", {}).get("all")


class SummaryFile(Struct, frozen=True, kw_only=True):
    """Content of `summary.json`."""

    runs: tuple[RunSummary, ...]
    """Summaries of runs; this program writes exactly one."""


class Stamp(Struct, frozen=True, kw_only=True):
    """Hash and size of the files from which item scores were computed. If they have changed, the scores are ignored."""

    summary_sha256: str
    """SHA-256 of `summary.json`."""

    samples_bytes: int | None
    """Size of `samples.jsonl` in bytes; None if there is no such file."""


class ItemScores(Struct, frozen=True, kw_only=True):
    """Scores of single items, which paired comparisons of runs need. They are small enough to read for a thousand runs.

    Contains the items that have a reference answer and were not skipped, in the task's order. All lists have one entry
    per item.
    """

    ids: tuple[str, ...]
    """Ids of the items."""

    questions: tuple[str, ...]
    """Id of each item's question; option orders of one question share it."""

    clips: tuple[str, ...]
    """Cluster of each item for confidence intervals: its clip, or its question if the task does not name a clip."""

    accuracy: tuple[float, ...]
    """Accuracy of each item. If the task's main metric is another one, its value for each item."""

    baselines: dict[str, tuple[float, ...]]
    """Scores of each text-only baseline, by name."""

    def __post_init__(self) -> None:
        lists = [self.ids, self.questions, self.clips, self.accuracy, *self.baselines.values()]
        if len({len(each) for each in lists}) > 1:
            raise ValueError(f"lists of {', '.join(str(len(each)) for each in lists)} items, expected one length")


class ItemScoresFile(ItemScores, frozen=True, kw_only=True):
    """Content of `item_scores.json`."""

    summary_sha256: str
    """See `Stamp.summary_sha256`."""

    samples_bytes: int | None
    """See `Stamp.samples_bytes`."""


def build_runs_json(runs: Sequence[RunSummary]) -> dict[str, Any]:
    """Return the JSON document that `--json` prints for summaries of runs."""
    return {"schema_version": SCHEMA_VERSION, "runs": [to_json(run) for run in runs]}
