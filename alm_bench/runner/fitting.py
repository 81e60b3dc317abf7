"""Adapters that are fitted before they answer: on a task's development split, whose clips and rows no test has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alm_bench.core import Adapter, DataRoot, Labelled, Request, Sample, Task, UsageError
from alm_bench.core.adapter import adopt
from alm_bench.core.files import hash_json
from alm_bench.core.prompt import PromptTemplate, pick_prompt, render
from alm_bench.data.manifest import clip_size, file_sha256
from alm_bench.plugins import catalogue
from alm_bench.runner.batch_size import first_size
from alm_bench.runner.loader import AudioPipeline, load_batches
from alm_bench.runner.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted adapter, and the rows that it was fitted on as a run's header and fingerprint have them: task, split,
    sha256 of the annotations, how many rows, how many of them were left out for their clips, and a hash over the ids
    and clip sizes of those that were taken. None for a task without a development split."""

    adapter: Adapter
    rows: Mapping[str, Any] | None


def fit_adapter(
    spec: RunSpec,
    task: Task,
    prompt: PromptTemplate,
    data: DataRoot,
    adapter: Adapter,
    tested: Sequence[Sample],
) -> Fit | None:
    """Fit the adapter on the split that the task's card names; None for an adapter that is not fitted.

    Raises UsageError for the split itself, for one that shares clips with the `tested` samples, for a clip that cannot
    be used (unless such are skipped), and where the adapter can do nothing with the rows; DataError for missing files.
    """
    if not adapter.abilities.fit:
        return None
    split = task.card.fit_split
    if split is None:
        try:
            return Fit(adopt(adapter.fit(iter(()))), None)
        except UsageError as error:
            raise UsageError(f"{spec.task}: {error}") from error
    source, template = _source(task, prompt)
    owner = source.card.name
    if (owner, split) == (task.card.name, spec.split):
        raise UsageError(
            f"{owner}: {adapter.identity.label} is fitted on split {split}, expected another split to test it on"
        )
    samples = [one for one in source.samples(data, split) if one.skip is None and isinstance(one.target, int)]
    _keep_apart(samples, tested, owner, split)
    taken = _Taken([render(sample, template) for sample in samples], [sample.target for sample in samples])
    done = adopt(adapter.fit(taken.rows(replace(AudioPipeline.of(adapter), prepare=None), spec)))
    digest = hash_json(taken.known_by)
    annotations = source.files(data, split)["annotations"]
    told = {"task": owner, "split": split, "annotations": file_sha256(annotations), "ids": digest[:16]}
    return Fit(done, {**told, "rows": len(taken.known_by), "left_out": taken.left_out})


def _source(task: Task, prompt: PromptTemplate) -> tuple[Task, PromptTemplate]:
    """The task whose rows are taken, and its prompts of the same set."""
    other = task.card.fit_task
    if other is None or other == task.card.name:
        return task, prompt
    entry = catalogue().task(other)
    return entry.create(), pick_prompt(entry.prompts(), prompt.id.rpartition("/")[2], other)


def _keep_apart(development: Sequence[Sample], tested: Sequence[Sample], task: str, split: str) -> None:
    """A clip found by its bare name may be that of the other split."""
    clips = {ref.path: ref.id for sample in tested for ref in sample.audio}
    for sample in development:
        for ref in sample.audio:
            if ref.path in clips:
                raise UsageError(
                    f"{task}: clip {ref.id} of the development split {split} is {ref.path}, which is clip "
                    f"{clips[ref.path]} of the items asked: put each split's clips where `alm-bench data info` says"
                )


@dataclass(slots=True)
class _Taken:
    """The development rows as an adapter takes them. `known_by`: id and sizes of the clips of each that was taken."""

    requests: Sequence[Request]
    targets: Sequence[int]
    known_by: list[tuple[str, list[int | None]]] = field(default_factory=list)
    left_out: int = 0

    def rows(self, hearing: AudioPipeline, spec: RunSpec) -> Iterator[Labelled]:
        order, size = range(len(self.requests)), first_size(spec.batch_size)
        for batch in load_batches(self.requests, order, hearing, lambda: size, spec.workers):
            for ready in batch:
                if ready.audio_error is None:
                    sizes = [] if hearing.policy is None else [clip_size(ref) for ref in ready.request.audio]
                    self.known_by.append((ready.request.id, sizes))
                    yield Labelled(ready.request, self.targets[ready.index])
                elif spec.missing_audio == "skip":
                    self.left_out += 1
                else:
                    raise UsageError(
                        f"development row {ready.request.id}: {ready.audio_error}; --missing-audio skip fits without it"
                    )
