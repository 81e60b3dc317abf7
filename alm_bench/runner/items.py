"""Items of a run: the questions, their files, and the revision of the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError, DataRoot, Sample, Task
from alm_bench.data.manifest import compute_cached_sha256
from alm_bench.records.models import StoredData
from alm_bench.runner.spec import RunSpec

UNKNOWN = "unknown"
"""First word of the name of a revision that the task's card does not list."""


@dataclass(frozen=True, slots=True)
class Items:
    """Questions of a run with their source."""

    samples: Sequence[Sample]
    """The questions."""

    files: Mapping[str, Path]
    """Files of the questions, by role."""

    kind: str
    """Kind of data, "real" or "demo"."""

    revision: str | None = None
    """Name of the revision if the files do not determine it; None if they do (`get_revision_name`)."""

    version: str | None = None
    """Hash that enters the run's fingerprint in addition to the files' hashes, if these do not determine the questions;
    else None."""


def load_task_items(spec: RunSpec, task: Task, data: DataRoot) -> Items:
    """Return the questions of the task's own data. Raises DataError if there are none."""
    samples = list(task.samples(data, spec.split))
    if not samples:
        raise DataError(f"task {spec.task}: split {spec.split} of {data.path} has no items")
    return Items(samples, task.files(data, spec.split), spec.data, data.version(), data.version())


def list_known_revisions(task: Task) -> Mapping[str, str]:
    """Return the names of the revisions in the task's card, by sha256 of a file or of its questions."""
    return {sha: name for file in task.card.files for sha, name in file.revisions.items()}


def get_revision_name(task: Task, files: Mapping[str, Path]) -> str:
    """Return the name of the revision of the annotation files, else `unknown` with digits of the first file's sha256.

    The first file determines the revision. Further required files of its split, if the card lists their revisions, must
    have the same one; otherwise the revision is unknown.
    """
    known, digests = list_known_revisions(task), {role: compute_cached_sha256(path) for role, path in files.items()}
    first = next(iter(digests))
    split = next((file.split for file in task.card.files if file.role == first), None)
    required = {f.role for f in task.card.files if f.split == split and f.revisions and not f.optional}
    names = {known.get(digest) for role, digest in digests.items() if role == first or role in required}
    name = names.pop() if len(names) == 1 else None
    return f"{UNKNOWN} ({digests[first][:8]})" if name is None else name


def describe_revision(task: Task, items: Items, split: str) -> str:
    """Return the name of the revision of a run's data, for its header.

    If the data has fewer items than the split has according to the task's card, the text describes it as a part of the
    split.
    """
    if items.revision is not None:
        return items.revision
    if (part := task.card.describe_part(split, len(items.samples))) is None:
        return get_revision_name(task, items.files)
    return f"{part} ({compute_cached_sha256(next(iter(items.files.values())))[:8]})"


def describe_unknown_revision(task: Task, data: StoredData) -> str | None:
    """Return one line if a run's questions have none of the revisions that the task's card lists; None otherwise."""
    known = list_known_revisions(task)
    if data.kind != "real" or not known or not str(data.revision).startswith(f"{UNKNOWN} ("):
        return None
    return (
        f"{data.annotations} is none of the {len(known)} known revisions of {task.card.name}, perhaps "
        f"another benchmark: its tables say revision {data.revision}, and it is ranked by itself"
    )
