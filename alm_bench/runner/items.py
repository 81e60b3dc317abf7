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
    """Name of the revision, if it cannot be determined from the files."""

    version: str | None = None
    """Additional part of the fingerprint beside the hashes of the files, if these do not determine the questions."""


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
    """Return the name of the annotation file's revision; for an unknown one, `unknown` and the first digits of its
    sha256."""
    digest = compute_cached_sha256(next(iter(files.values())))
    return list_known_revisions(task).get(digest, f"{UNKNOWN} ({digest[:8]})")


def describe_unknown_revision(task: Task, data: StoredData) -> str | None:
    """Return one line if a run's questions have none of the revisions that the task's card lists; None otherwise."""
    known = list_known_revisions(task)
    if data.kind != "real" or not known or not str(data.revision).startswith(f"{UNKNOWN} ("):
        return None
    return (
        f"{data.annotations} is none of the {len(known)} known revisions of {task.card.name}, perhaps "
        f"another benchmark: its tables say revision {data.revision}, and it is ranked by itself"
    )
