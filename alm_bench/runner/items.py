"""What a run asks: the questions, the files that they are from, and which revision these are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError, DataRoot, Sample, Task
from alm_bench.data.manifest import file_sha256
from alm_bench.runner.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Items:
    """`kind` is that of the data ("real" or "demo"). `revision` names the questions where their files do not tell;
    `version` stands for them in the fingerprint, beside the files' hashes."""

    samples: Sequence[Sample]
    files: Mapping[str, Path]
    kind: str
    revision: str | None = None
    version: str | None = None


def load_task_items(spec: RunSpec, task: Task, data: DataRoot) -> Items:
    """The questions of the task's own data. Raises DataError."""
    samples = list(task.samples(data, spec.split))
    if not samples:
        raise DataError(f"task {spec.task}: split {spec.split} of {data.path} has no items")
    return Items(samples, task.files(data, spec.split), spec.data, data.version(), data.version())


def known_revisions(task: Task) -> Mapping[str, str]:
    """The names of the revisions that the task's card knows, by sha256: of a file, or of its questions."""
    return {sha: name for file in task.card.files for sha, name in file.revisions.items()}


def revision_name(task: Task, files: Mapping[str, Path]) -> str:
    """The name of the revision that the annotation file is, or the start of its hash."""
    digest = file_sha256(next(iter(files.values())))
    return known_revisions(task).get(digest, f"unknown ({digest[:8]})")
