"""Selection of the questions by which stored outputs are scored.

Outputs are scored only by the questions that they answer, never by other questions with the same ids.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.core import Adapter, DataError, DataRoot, GroupsRows, Sample, Task
from alm_bench.data import LocalRoot, OutputsMatch, StoredOutputs, compute_questions_digest, match_outputs
from alm_bench.plugins import catalogue
from alm_bench.runner.items import Items, get_revision_name, list_known_revisions, load_task_items
from alm_bench.runner.spec import RunSpec

NOT_KNOWN = "not known"
"""Value that is recorded for the prompt, the decoding and the audio of a model that was run elsewhere."""

SELF_CONTAINED_KIND = "multiple_choice"
"""Kind of the tasks whose questions a file of outputs can contain."""


def find_stored_outputs(adapter: Adapter) -> StoredOutputs | None:
    """Return the outputs that an adapter replays; None if the adapter answers itself."""
    outputs = adapter.outputs
    return outputs if adapter.abilities.is_replay and isinstance(outputs, StoredOutputs) else None


def select_replay_items(
    spec: RunSpec, task: Task, data: DataRoot, stored: StoredOutputs, is_data_named: bool, tell: Callable[[str], None]
) -> Items:
    """Return the questions that the outputs `stored` answer.

    These are the questions of the task's data if they match the outputs exactly, if `is_data_named` is True (the user
    named the data), or if the file of outputs does not contain its own questions. Otherwise they are the questions in
    the file. Notices for the user are passed to `tell`. Raises DataError if the questions of the task's data are
    needed, but do not match, or match less well than another annotation file.
    """
    items = _select_items(spec, task, data, stored, is_data_named, tell)
    return replace(items, samples=[_mark_skipped(sample, stored) for sample in items.samples])


def _mark_skipped(sample: Sample, stored: StoredOutputs) -> Sample:
    """Return the sample, with the stored reason in `skip` if the file of outputs states that the item was skipped, for
    example because its clip could not be used."""
    item = stored.items.get(sample.id)
    if item is None or item.skip is None or sample.skip is not None:
        return sample
    return replace(sample, skip=item.skip)


def _select_items(
    spec: RunSpec, task: Task, data: DataRoot, stored: StoredOutputs, is_data_named: bool, tell: Callable[[str], None]
) -> Items:
    """Select the questions for `select_replay_items`, with the same arguments, and return them before skipped items are
    marked. A question with several outputs is repeated once per output."""
    task_items = load_task_items(spec, task, data)
    found = match_outputs(stored, task_items.samples)
    own = stored.has_questions and task.card.kind == SELF_CONTAINED_KIND
    if own and not is_data_named and not found.exact:
        tell(f"{spec.task}: {stored.label} is scored by the questions that it holds itself")
        return _build_items_from_outputs(task, stored)
    better = _find_better_match(spec, task, data, stored, found)
    if better is not None or not found.fits:
        raise DataError(_describe_mismatch(spec, task, data, stored, found, own, better))
    if found.unknown:
        first = found.unknown[0]
        tell(f"{spec.task}: {len(found.unknown)} ids of {stored.label} are not among the questions, as {first!r}")
    if spec.data == "demo" and not is_data_named:
        tell(f"{spec.task}: no real data found, using the built-in demo data (see `alm-bench data info`)")
    return replace(task_items, samples=_repeat_samples(task_items.samples, stored))


def _build_items_from_outputs(task: Task, stored: StoredOutputs) -> Items:
    """Return the questions that the file of outputs contains."""
    groups_of: Callable[[Mapping[str, Any]], Mapping[str, str]] = (
        task.row_groups if isinstance(task, GroupsRows) else lambda row: {}
    )
    samples = [
        item.convert_to_sample(groups_of(item.fields) if item.groups is None else item.groups)
        for item in stored.items.values()
    ]
    asked = {item.id_in_file: item.question for item in stored.items.values()}
    digest = compute_questions_digest([(name, question.choices, question.gold) for name, question in asked.items()])
    revision = list_known_revisions(task).get(digest, f"of its own ({digest[:8]})")
    return Items(samples, {"annotations": stored.path}, "real", revision, digest)


def _repeat_samples(samples: Sequence[Sample], stored: StoredOutputs) -> list[Sample]:
    """Return the samples, with a copy of a sample for each further output about it.

    Copies have the id of their output and the group `clip` of the original, so that the statistics treat them as
    dependent.
    """
    again: dict[str, list[str]] = {}
    for item in stored.items.values():
        if item.original_id is not None:
            again.setdefault(item.original_id, []).append(item.id)
    found: list[Sample] = []
    for sample in samples:
        copies = again.get(sample.id, [])
        groups = {**sample.groups, "clip": sample.groups.get("clip", sample.id)} if copies else sample.groups
        found += [replace(sample, id=name, groups=groups) for name in (sample.id, *copies)]
    return found


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """Annotation file of the task in the data folder, and how well the stored outputs match its questions."""

    path: Path
    """Path of the file."""

    revision: str
    """Name of its revision."""

    match: OutputsMatch
    """Match of the outputs with its questions."""


def _find_better_match(
    spec: RunSpec, task: Task, data: DataRoot, stored: StoredOutputs, match: OutputsMatch
) -> CandidateFile | None:
    """Return the file in the data folder that has more ids and options in common with the outputs than `match`, if
    any."""
    if match.exact:
        return None
    ranked = sorted(
        _find_candidates(spec, task, data, stored), key=lambda one: (one.match.matching_count, one.revision)
    )
    return ranked[-1] if ranked and ranked[-1].match.matching_count > match.matching_count else None


def _find_candidates(spec: RunSpec, task: Task, data: DataRoot, stored: StoredOutputs) -> Iterator[CandidateFile]:
    """Yield the other annotation files of the task in the data folder."""
    entry = catalogue().get_task(spec.task)
    if "annotations" not in entry.list_option_names() or not isinstance(data, LocalRoot):
        return
    used = {path.resolve() for path in task.files(data, spec.split).values()}
    declared = [file for file in task.card.files if file.split == spec.split and file.role == "annotations"]
    folders = {data.path, *(path.parent for path in task.files(data, spec.split).values())}
    roots = [LocalRoot(folder) for folder in sorted(folders)]
    paths = {path.resolve(): path for file in declared for root in roots for path in root.find_all_matches(file)}
    for resolved, path in sorted(paths.items()):
        if resolved in used:
            continue
        other = entry.create({**spec.task_options, "annotations": str(path)})
        try:
            samples = list(other.samples(data, spec.split))
        except DataError:  # not a file of this task's questions after all
            continue
        yield CandidateFile(path, get_revision_name(task, {"annotations": path}), match_outputs(stored, samples))


def _describe_mismatch(
    spec: RunSpec,
    task: Task,
    data: DataRoot,
    stored: StoredOutputs,
    match: OutputsMatch,
    has_own_questions: bool,
    better: CandidateFile | None,
) -> str:
    """Return one line for the user: the mismatch, the best matching revision (`better`), and advice.

    `has_own_questions` is True if the file of outputs contains its own questions.
    """
    files = task.files(data, spec.split)
    where = "the built-in demo data" if spec.data == "demo" else f"revision {get_revision_name(task, files)}"
    told = [f"{stored.label} does not answer the questions of {spec.task} ({where}): "]
    told.append(match.describe_problem(next(iter(stored.items))))
    option = f"--task-arg {spec.task}.annotations="
    if better is not None:
        told.append(
            f"; {better.revision} has the most in common ({better.match.matching_count:,} items): name it with "
            f"{option}{better.path}"
        )
    elif has_own_questions:
        told.append("; without --data and annotations= it is scored by the questions that it holds itself")
    elif "annotations" in catalogue().get_task(spec.task).list_option_names():
        told.append(f"; name its questions with --data FOLDER or {option}FILE, or other ids with --model-arg id=NAME")
    else:
        told.append("; name its questions with --data FOLDER, or other ids with --model-arg id=NAME")
    return "".join(told)
