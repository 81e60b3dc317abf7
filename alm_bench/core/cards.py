"""Cards of tasks and ablations: the types of the declarations in a `task.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

FILE_PREFIX = "file:"
"""Beginning of the names of tasks whose questions come from a file of the user."""


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """Source of a download. Either `url` or `hub` is set."""

    to: str
    """Target path below the data root. For members of an archive and for a hub data set it is a folder, otherwise a
    file.
    """

    url: str | None = None
    """URL of a file."""

    hub: str | None = None
    """Hugging Face data set, whose parquet files are downloaded below `to`."""

    members: str | None = None
    """Pattern of base names. If it is set, the file is an archive, and the matching members are unpacked into `to`."""

    checksum: str | None = None
    """Published checksum, `md5:...` or `sha256:...`. Checksums of Zenodo files are requested from Zenodo."""

    alternative: bool = False
    """True for an equivalent of another file; it is downloaded only on request."""

    split: str | None = None
    """Split whose clips an archive contains; None if it contains the clips of all splits."""

    size: int | None = None
    """Published size in bytes."""

    def __post_init__(self) -> None:
        """Raise ValueError unless one of `url` and `hub` is set and `to` is a path below the data root."""
        if (self.url is None) == (self.hub is None):
            raise ValueError("fetch takes either a url or a hub data set")
        parts = PurePosixPath(self.to).parts
        if not parts or parts[0] == "/" or ".." in parts or any(sign in self.to for sign in "*?[\\"):
            raise ValueError(f"fetch takes a place below the data folder, found {self.to!r}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """Declaration of a file that a task reads, from the task's card."""

    role: str
    """Name by which the task refers to the file (`annotations`)."""

    names: tuple[str, ...]
    """Glob patterns below the data root, the preferred one first."""

    source: str
    """Instructions to get the file, in words."""

    split: str | None = None
    """Split that the file belongs to; None if it belongs to all."""

    revisions: Mapping[str, str] = field(default_factory=dict)
    """Known revisions: the name of each, by sha256 of the file or by the digest of its questions
    (`data.compute_questions_digest`).
    """

    optional: bool = False
    """True if the task works without the file, which then adds a text-only baseline."""

    fetch: DownloadSource | None = None
    """Source for `alm-bench data get`."""


@dataclass(frozen=True, slots=True)
class PairSpec:
    """Declaration of paired items: items about the same clip, or of the same question, under different conditions."""

    name: str
    """Name of the metric: accuracy under the condition `second`, over the pairs that are right under `first`."""

    title: str
    """Title of the pairs in tables."""

    by: str
    """Grouping in which paired items have the same key, such as `clip`; `question` for option orders of a question."""

    grouping: str
    """Grouping whose keys are the conditions; `option order` for the option orders of a question."""

    first: str | None = None
    """Key of the condition under which an item must be right for its pair to count. None for both `first` and `second`
    if any two conditions are a pair."""

    second: str | None = None
    """Key of the other condition."""

    def __post_init__(self) -> None:
        """Raise ValueError if only one of the two conditions is named."""
        if (self.first is None) != (self.second is None):
            raise ValueError(f"pairs {self.name} take both `first` and `second`, or neither")


@dataclass(frozen=True, slots=True)
class TaskCard:
    """Description of a task, read from its `task.toml` without an import of its code."""

    name: str
    """Name in `--tasks`."""

    family: str
    """Folder of the task, which several tasks may share."""

    version: int
    """Version of the task's prompts, parsing and scoring; part of the fingerprint."""

    kind: str
    """Kind of answers (such as `multiple_choice`), as `ls tasks` prints it."""

    title: str
    """Title in one line."""

    summary: str
    """Description in one sentence."""

    paper: str
    """Reference to the paper."""

    source: str
    """Instructions to get the data, in words."""

    licence: str
    """Licence of the data."""

    splits: tuple[str, ...]
    """Names of the splits; the first one is the default."""

    metrics: tuple[str, ...]
    """Names of the metrics, in the order of the columns of tables."""

    groups: tuple[str, ...]
    """Names of the groupings for breakdowns of the metrics."""

    files: tuple[DataFile, ...]
    """Files that the task reads."""

    audio: tuple[str, ...]
    """Paths of the clips below the data root, as patterns."""

    folder: Path
    """Folder of the card."""

    max_new_tokens: int = 64
    """Default token limit of an answer."""

    clips: int = 1
    """Number of clips per item."""

    hub: Mapping[str, str] = field(default_factory=dict)
    """Hugging Face data set of each split."""

    audio_source: str | None = None
    """Instructions to get the clips, in words, if not from `source`; None otherwise."""

    audio_fetch: DownloadSource | None = None
    """Source of the clips for `alm-bench data get`."""

    collection: str | None = None
    """Name that stands for several tasks in `--tasks`."""

    prompts: str = "prompts.toml"
    """File of the prompt sets, in the card's folder."""

    fit_split: str | None = None
    """Development split on which adapters may be fitted."""

    fit_task: str | None = None
    """Task that `fit_split` belongs to, if it is not this one."""

    answer_tags: tuple[str, ...] = ()
    """Names of tags that contain the answer, in addition to those of the parser."""

    items: Mapping[str, int] = field(default_factory=dict)
    """Number of items of each whole split, as far as it is known."""

    pairs: tuple[PairSpec, ...] = ()
    """Declarations of paired items, for which conditional accuracies and paired differences are computed."""

    @property
    def default_split(self) -> str:
        """First split."""
        return self.splits[0]

    @property
    def is_retrieval(self) -> bool:
        """True if the task compares embeddings of clips and texts instead of answers."""
        return self.kind == "retrieval"

    def describe_part(self, split: str, count: int) -> str | None:
        """Return a text such as `part: 100 of 1,000 items` for data that contain only `count` items of a split.

        Returns None if the split has no more items, or if its size is not known.
        """
        whole = self.items.get(split, count)
        return f"part: {count:,} of {whole:,} items" if count < whole else None


@dataclass(frozen=True, slots=True)
class AblationCard:
    """Description of an ablation, which asks the questions of other tasks under changed conditions and has no code.

    It is read from a `task.toml` of kind `ablation`.
    """

    name: str
    """Name of the ablation."""

    family: str
    """Folder of the card."""

    version: int
    """Version of the card."""

    title: str
    """Title in one line."""

    summary: str
    """Description in one sentence."""

    paper: str
    """Reference to the paper."""

    bases: tuple[str, ...]
    """Names of the tasks whose questions are asked."""

    conditions: tuple[str, ...]
    """Names of the conditions."""

    folder: Path
    """Path of the card's folder."""
