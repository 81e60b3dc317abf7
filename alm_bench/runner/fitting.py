"""Fitting of adapters before they answer, on a task's development split, whose clips and rows are in no test split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alm_bench.core import Adapter, DataRoot, LabelledRequest, Request, Sample, Task, UsageError
from alm_bench.core.adapter import wrap_as_adapter
from alm_bench.core.files import hash_json
from alm_bench.core.prompt import PromptTemplate, pick_prompt, render
from alm_bench.data.manifest import compute_cached_sha256, get_clip_size
from alm_bench.plugins import catalogue
from alm_bench.runner.batch_size import get_first_size
from alm_bench.runner.loader import AudioPipeline, load_batches
from alm_bench.runner.spec import RunSpec


@dataclass(frozen=True, slots=True)
class FittedAdapter:
    """A fitted adapter with a description of the rows on which it was fitted."""

    adapter: Adapter
    """The fitted adapter."""

    rows: Mapping[str, Any] | None
    """Description of the rows for the run header and the fingerprint: task, split, sha256 of the annotations, number of
    rows, number of rows that were omitted because of their clips, and a hash of the ids and clip sizes of the used
    rows. None for a task without a development split."""


def fit_adapter(
    spec: RunSpec,
    task: Task,
    prompt: PromptTemplate,
    data: DataRoot,
    adapter: Adapter,
    test_samples: Sequence[Sample],
) -> FittedAdapter | None:
    """Fit the adapter on the development split that the task's card names. Returns None for an adapter that needs no
    fit.

    `test_samples` are the samples of the run. Raises UsageError if the run uses the development split itself, if this
    split shares clips with them, if a clip cannot be used (unless such clips are skipped), or if the adapter cannot be
    fitted on the rows. Raises DataError for missing files.
    """
    if not adapter.abilities.fit:
        return None
    split = task.card.fit_split
    if split is None:
        try:
            return FittedAdapter(wrap_as_adapter(adapter.fit(iter(()))), None)
        except UsageError as error:
            raise UsageError(f"{spec.task}: {error}") from error
    source, template = _find_fit_task(task, prompt)
    owner = source.card.name
    if (owner, split) == (task.card.name, spec.split):
        raise UsageError(
            f"{owner}: {adapter.identity.label} is fitted on split {split}, expected another split to test it on"
        )
    samples = [one for one in source.samples(data, split) if one.skip is None and isinstance(one.target, int)]
    _check_no_shared_clips(samples, test_samples, owner, split)
    taken = _FitRows([render(sample, template) for sample in samples], [sample.target for sample in samples])
    fitted = wrap_as_adapter(
        adapter.fit(taken.iterate_rows(replace(AudioPipeline.from_adapter(adapter), prepare=None), spec))
    )
    digest = hash_json(taken.used_rows)
    annotations = source.files(data, split)["annotations"]
    description = {"task": owner, "split": split, "annotations": compute_cached_sha256(annotations), "ids": digest[:16]}
    return FittedAdapter(fitted, {**description, "rows": len(taken.used_rows), "left_out": taken.skipped_row_count})


def _find_fit_task(task: Task, prompt: PromptTemplate) -> tuple[Task, PromptTemplate]:
    """Return the task whose development split an adapter is fitted on (`fit_task` of the card, by default `task`
    itself), and the prompt of that task from the prompt set of `prompt`."""
    other = task.card.fit_task
    if other is None or other == task.card.name:
        return task, prompt
    entry = catalogue().get_task(other)
    return entry.create(), pick_prompt(entry.load_prompts(), prompt.name, other)


def _check_no_shared_clips(
    development: Sequence[Sample], test_samples: Sequence[Sample], task: str, split: str
) -> None:
    """Raise UsageError if a clip of the development split and a clip of the run (`test_samples`) are the same file.

    This can happen if clips are searched for by file name alone, and both splits have a clip with the same file name.
    """
    clips = {ref.path: ref.id for sample in test_samples for ref in sample.audio}
    for sample in development:
        for ref in sample.audio:
            if ref.path in clips:
                raise UsageError(
                    f"{task}: clip {ref.id} of the development split {split} is {ref.path}, which is clip "
                    f"{clips[ref.path]} of the items asked: put each split's clips where `alm-bench data info` says"
                )


@dataclass(slots=True)
class _FitRows:
    """Rows of the development split. `iterate_rows` gives them to the adapter and records which rows it gave."""

    requests: Sequence[Request]
    """Requests without decoded clips."""

    targets: Sequence[int]
    """Index of the correct option of each request."""

    used_rows: list[tuple[str, list[int | None]]] = field(default_factory=list)
    """Pair (request id, file sizes of its clips in bytes) of each row that the adapter got."""

    skipped_row_count: int = 0
    """Number of rows that were omitted because a clip cannot be used."""

    def iterate_rows(self, pipeline: AudioPipeline, spec: RunSpec) -> Iterator[LabelledRequest]:
        """Yield the rows with decoded clips and record them in `used_rows`. Raises UsageError for an unusable clip,
        unless the run skips such items (`--missing-audio skip`)."""
        order, size = range(len(self.requests)), get_first_size(spec.batch_size)
        for batch in load_batches(self.requests, order, pipeline, lambda: size, spec.workers):
            for ready in batch:
                if ready.audio_error is None:
                    sizes = [] if pipeline.policy is None else [get_clip_size(ref) for ref in ready.request.audio]
                    self.used_rows.append((ready.request.id, sizes))
                    yield LabelledRequest(ready.request, self.targets[ready.index])
                elif spec.missing_audio == "skip":
                    self.skipped_row_count += 1
                else:
                    raise UsageError(
                        f"development row {ready.request.id}: {ready.audio_error}; --missing-audio skip fits without it"
                    )
