"""Planning of a run before the model is called: items, prompts, data revision, fingerprint and run folder."""

import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replace_fields

from alm_bench import __version__
from alm_bench.audio.speech import Synthesiser
from alm_bench.core import (
    Adapter,
    AdapterError,
    AudioRef,
    DataError,
    DataRoot,
    FitsTextBaselines,
    Request,
    Sample,
    Task,
    TaskCard,
    UsageError,
)
from alm_bench.core.cards import FILE_PREFIX
from alm_bench.core.files import is_file
from alm_bench.core.prompt import PromptTemplate, render
from alm_bench.core.rng import create_item_generator
from alm_bench.core.secrets import hide_secrets
from alm_bench.data.manifest import compute_cached_sha256, get_clip_size, hash_manifest
from alm_bench.records.models import (
    FitRows,
    RunHeader,
    Selection,
    StoredData,
    StoredDecoding,
    StoredIdentity,
    StoredPrompt,
    StoredSpec,
    StoredTask,
    from_json,
    to_json,
)
from alm_bench.records.schema import Baseline, Baselines, PlannedItem
from alm_bench.runner.conditions import CLEAN, Condition, create_condition, get_condition_version
from alm_bench.runner.fitting import FittedAdapter, fit_adapter
from alm_bench.runner.items import Items, describe_revision, load_task_items
from alm_bench.runner.loader import list_clips
from alm_bench.runner.option_order import order_options, reorder_predictions
from alm_bench.runner.replayed import NOT_KNOWN
from alm_bench.runner.sampling import draw_items, list_stratified_groupings
from alm_bench.runner.spec import RunSpec, compute_fingerprint
from alm_bench.runner.speech import check_speech_support, speak_questions

PACKAGES = ("torch", "transformers", "numpy", "scipy", "scikit-learn", "soundfile", "soxr")
"""Packages whose versions are stored in the run header."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is ready to be executed."""

    spec: RunSpec
    """The run as the user asked for it."""

    task: Task
    """Task of the run."""

    adapter: Adapter
    """Model of the run, after fitting if it needs a fit."""

    requests: Sequence[Request]
    """Requests to the model, in the order of `items`."""

    items: Sequence[PlannedItem]
    """All items of the run."""

    header: RunHeader
    """Content of `run.json`."""

    fit: FittedAdapter | None = None
    """The fitted adapter and its rows; None if the adapter needs no fit."""

    @property
    def condition(self) -> Condition:
        """Condition of the run, which changes clips, options, prompts or the model's reasoning."""
        return create_condition(self.spec.condition, self.spec.seed, self.spec.repeat)

    @property
    def run_id(self) -> str:
        """Name of the run's folder, which contains task, model, condition and fingerprint."""
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{self.spec.task}-{self.header.identity.label}").strip("-")
        changed = "" if self.spec.condition == CLEAN else f"-{self.spec.condition.replace(':', '')}"
        demo = "-demo" if self.spec.data == "demo" else ""
        return f"{name}{changed}{demo}-{self.header.fingerprint}"


def prepare_run(
    spec: RunSpec,
    task: Task,
    prompt: PromptTemplate,
    data: DataRoot,
    adapter: Adapter,
    fit: FittedAdapter | None = None,
    items: Items | None = None,
) -> Plan:
    """Plan the run of a task.

    `items` replaces the items of the task's data, for a replay of stored outputs. An adapter that needs a fit is fitted
    here, unless `fit` holds the adapter as fitted before for the same task. Raises DataError if the data is missing,
    malformed or empty, UsageError if the adapter or the task does not support the settings.
    """
    is_replay = adapter.abilities.is_replay
    items = load_task_items(spec, task, data) if items is None else items
    spec, everything = replace(spec, data=items.kind), list(items.samples)
    questions = everything[: spec.limit]
    if spec.sample is not None:
        questions = draw_items(everything, spec.sample, spec.seed, task.card.groups)
    _check_support(spec, task.card, adapter, questions)
    synthesiser = None if spec.speak is None else Synthesiser.parse(spec.speak)
    check_speech_support(adapter, questions, synthesiser, spec.also_written)
    fit = fit or fit_adapter(spec, task, prompt, data, adapter, everything)
    adapter = adapter if fit is None else fit.adapter
    condition = create_condition(spec.condition, spec.seed, spec.repeat)
    samples = condition.samples(order_options(questions, spec.options, spec.shuffles, spec.seed))
    if not samples:
        raise UsageError(f"condition {spec.condition}: {spec.task} has no items that it can be put to")
    requests = [
        Request(sample.id, NOT_KNOWN, sample.audio, sample.choices) if is_replay else render(sample, prompt)
        for sample in samples
    ]
    if adapter.audio is not None and adapter.audio.spare:
        second_clips = SecondClips(everything)
        requests = [
            replace(r, spare=second_clips.get_other_clip(r.audio[0].id)) if len(r.audio) == 1 else r for r in requests
        ]
    requests = condition.requests(requests)
    if adapter.audio is not None:
        check_clips_exist(spec.task, requests)
    spoken = None
    if synthesiser is not None:
        spoken = speak_questions(synthesiser, samples, requests, spec.also_written)
        prompts, requests = [request.prompt for request in requests], list(spoken.requests)
    requests = add_instruction(requests, condition.instruction)
    blind, missing_baselines = _predict_baselines(task, data, questions) if condition.answerable else ({}, {})
    model_baselines = _predict_by_text_only_variants(adapter, requests) if condition.answerable else {}
    # The task's own are preferred as the text-only solver: they are the same for every model of the task.
    predictions = [
        {name: options[index] for name, options in model_baselines.items()} | reorder_predictions(sample, blind)
        for index, sample in enumerate(samples)
    ]
    planned = _plan_items(samples, requests, predictions, adapter.audio is not None)
    if output_format := condition.output_format or prompt.output_format:
        planned = [replace(item, output_format=output_format) for item in planned]
    if spoken is not None:
        planned = [replace(item, spoken=text) for item, text in zip(planned, prompts, strict=True)]
    binding = _drop_runtime_options(spec, task, adapter)
    on = None if fit is None else fit.rows
    speech = None if spoken is None else spoken.identity
    manifest = hash_manifest(items.files, items.version)
    header = RunHeader(
        fingerprint=compute_fingerprint(
            binding, task.card, manifest, prompt, adapter.audio, adapter.identity, on, speech
        ),
        spec=_build_stored_spec(spec, is_replay),
        parser=task.parser,
        task=StoredTask(name=task.card.name, version=task.card.version, kind=task.card.kind),
        data=_build_stored_data(spec, task, items, manifest),
        prompt=_build_stored_prompt(prompt, is_replay),
        audio=NOT_KNOWN if is_replay else None if adapter.audio is None else asdict(adapter.audio),
        identity=from_json(to_json(hide_secrets(asdict(adapter.identity))), StoredIdentity),
        fit=None if on is None else from_json(dict(on), FitRows),
        items=len(samples),
        selection=_describe_selection(spec, task, len(questions), len(everything)),
        condition_version=get_condition_version(spec.condition),
        speech=None if spoken is None else spoken.description,
        baselines_missing=missing_baselines,
        environment=dict(_describe_environment()),
    )
    return Plan(spec, task, adapter, requests, planned, header, fit)


def add_instruction(requests: Sequence[Request], instruction: str) -> list[Request]:
    """Return the requests with `instruction`, the text of a condition, in a new line after each prompt."""
    if not instruction:
        return list(requests)
    return [replace(request, prompt=f"{request.prompt}\n{instruction}".strip()) for request in requests]


def _describe_selection(spec: RunSpec, task: Task, selected_count: int, total_count: int) -> Selection | None:
    """Return how the run's items, `selected_count` in number, were selected from `total_count` items; None if all are
    used."""
    if spec.sample is not None:
        groups = tuple(list_stratified_groupings(task.card.groups))
        return Selection(method="random", count=selected_count, of=total_count, groups=groups, seed=spec.seed)
    return Selection(method="first", count=selected_count, of=total_count) if selected_count < total_count else None


def _plan_items(
    samples: Sequence[Sample],
    requests: Sequence[Request],
    predictions: Sequence[Mapping[str, int | None]],
    has_audio: bool,
) -> list[PlannedItem]:
    """Return the items of a run.

    `predictions` holds, for each sample, the index of the option that each text-only baseline predicts, by the name of
    the baseline. The last baseline is the one that is preferred as the text-only solver. To save memory, items with
    equal predictions or equal clip sizes share one object for them.
    """
    known_baselines: dict[Baselines, Baselines] = {}
    known_sizes: dict[tuple[tuple[str, int | None], ...], Mapping[str, int | None]] = {}
    planned = []
    for index, (sample, request, options) in enumerate(zip(samples, requests, predictions, strict=True)):
        baselines = tuple(Baseline(name=name, option=option) for name, option in options.items())[::-1]
        sizes = {ref.id: get_clip_size(ref) for ref in list_clips(request)} if has_audio else {}
        planned.append(
            PlannedItem(
                index,
                sample,
                request.prompt,
                known_baselines.setdefault(baselines, baselines),
                known_sizes.setdefault(tuple(sizes.items()), sizes),
            )
        )
    return planned


def _build_stored_spec(spec: RunSpec, is_replay: bool) -> StoredSpec:
    """Return the spec for the run header. For a replay, the decoding is stored as not known."""
    stored = from_json(to_json(hide_secrets(asdict(spec)) | {"decoding": spec.decoding.as_dict()}), StoredSpec)
    return replace_fields(stored, decoding=StoredDecoding(method=NOT_KNOWN)) if is_replay else stored


def _build_stored_prompt(prompt: PromptTemplate, is_replay: bool) -> StoredPrompt:
    """Return the prompt for the run header. For a replay, it is stored as not known."""
    if is_replay:
        return StoredPrompt(id=NOT_KNOWN, version=None, hash=None)
    return StoredPrompt(id=prompt.id, version=prompt.version, hash=prompt.hash, name=prompt.name, format=prompt.format)


def _build_stored_data(spec: RunSpec, task: Task, items: Items, manifest: str) -> StoredData:
    """Return the description of the data for the run header."""
    return StoredData(
        kind=spec.data,
        manifest=manifest,
        revision=describe_revision(task, items, spec.split),
        files={role: compute_cached_sha256(path) for role, path in items.files.items()},
        annotations=str(next(iter(items.files.values())).absolute()),
    )


def _drop_runtime_options(spec: RunSpec, task: Task, adapter: Adapter) -> RunSpec:
    """Return the spec without the options that no answer depends on, so that a run can be resumed with other values of
    them.

    These are the `runtime_options` of the model and the `scoring` options of the task.
    """
    runtime_only, scoring = adapter.abilities.runtime_options, getattr(task, "scoring", ())
    return replace(
        spec,
        task_options={key: value for key, value in spec.task_options.items() if key not in scoring},
        model_options={key: value for key, value in spec.model_options.items() if key not in runtime_only},
    )


def _check_support(spec: RunSpec, card: TaskCard, adapter: Adapter, samples: Sequence[Sample]) -> None:
    """Raise UsageError if the adapter or the items do not support the settings.

    That is the case if the adapter lacks the decoding method, if options cannot be scored or reordered as requested, if
    every item has more clips than the adapter takes, or if a condition is to change the clips of a replay.
    """
    most = adapter.abilities.max_clips
    spoken = int(spec.speak is not None)
    if most is not None and all(len(sample.audio) + spoken > most for sample in samples):
        clips_found = min(len(sample.audio) for sample in samples) + spoken
        raise UsageError(
            f"{adapter.identity.label} takes at most {most} clip{'s' if most > 1 else ''} of an item, those of "
            f"{spec.task} have {clips_found}: expected another model"
        )
    _check_retrieval_support(spec, card, adapter)
    if spec.decoding.method not in adapter.abilities.decodings:
        raise UsageError(
            f"--decoding {spec.decoding.method}: {adapter.identity.label} supports only "
            f"{' and '.join(adapter.abilities.decodings)}"
        )
    moved, scored = spec.options != "given", spec.answer_by in ("likelihood", "both")
    if spec.condition != CLEAN and adapter.abilities.is_replay:
        raise UsageError(f"{adapter.identity.label} answered the clean clips, and hears no others")
    asked = f"--options {spec.options}" if moved else f"--answer-by {spec.answer_by}"
    if (moved or scored) and not any(sample.choices for sample in samples):
        raise UsageError(f"{asked}: the items of {spec.task} have no options")
    if scored and any(sample.targets is not None for sample in samples):
        raise UsageError(
            f"{asked}: questions of {spec.task} may have several right options, and the likeliest is one; expected "
            "--answer-by generate"
        )
    if scored and not adapter.abilities.loglikelihood:
        raise UsageError(
            f"--answer-by {spec.answer_by}: {adapter.identity.label} does not score options (it has no "
            "loglikelihood()), expected --answer-by generate"
        )
    if moved and adapter.abilities.is_replay:
        raise UsageError(f"{asked}: {adapter.identity.label} answered the given order, expected --options given")


def _check_retrieval_support(spec: RunSpec, card: TaskCard, adapter: Adapter) -> None:
    """Raise UsageError if a retrieval task has a model without embeddings, or if the run answers by embedding although
    the task is no retrieval task, or the reverse."""
    if card.is_retrieval and not adapter.abilities.embed:
        raise UsageError(
            f"{spec.task} compares embeddings of clips and captions, which {adapter.identity.label} does not compute "
            "(it has no embed()): name a model such as clap"
        )
    if card.is_retrieval != (spec.answer_by == "embedding"):
        raise UsageError(f"--answer-by {spec.answer_by}: embeddings are compared in retrieval tasks, and only there")


def check_clips_exist(task: str, requests: Sequence[Request]) -> None:
    """Raise DataError if the requests have clips and no file of them exists, since every item would fail for this
    reason."""
    refs = {ref.id: ref for request in requests for ref in request.audio}
    if not refs or any(ref.read is not None or is_file(ref.path) for ref in refs.values()):
        return
    paths = [str(ref.path) for ref in refs.values()]
    shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
    advice = f"`alm-bench data get {task}` fetches them, or name their folder with --data"
    if task.startswith(FILE_PREFIX):
        advice = "put them beside the file, or name their folder with --audio-root"
    raise DataError(f"{task}: none of its {len(paths)} clips is there, expected {shown}: {advice}; nothing was asked")


class SecondClips:
    """Second clips for models that always take two clips: the first clip of another item of the task, chosen at random.

    The choice is seeded by the id of the first clip. All questions about one clip therefore get the same second clip,
    and a limit on the number of items does not change it. If the file of the chosen clip is missing, the next one in
    the random order of this item is used; the choice for other items does not change.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        first = {sample.audio[0].id: sample.audio[0] for sample in samples if sample.audio}
        self._refs = [ref for _, ref in sorted(first.items())]

    def get_other_clip(self, clip: str) -> AudioRef | None:
        """Return the second clip for items whose first clip has the id `clip`; None if the task has no other clip whose
        file exists."""
        for place in create_item_generator("spare", clip).permutation(len(self._refs)):
            ref = self._refs[int(place)]
            if ref.id != clip and (ref.read is not None or is_file(ref.path)):
                return ref
        return None


def _predict_baselines(
    task: Task, data: DataRoot, samples: Sequence[Sample]
) -> tuple[dict[str, Mapping[str, int]], dict[str, str]]:
    """Return the predictions of the task's fitted text-only baselines, and the reasons why others are not available.

    Predictions are option indices by baseline and question id. Reasons are texts by baseline.
    """
    if not isinstance(task, FitsTextBaselines):
        return {}, {}
    found = task.blind_predictions(data, samples)
    predictions = {name: rows for name, rows in found.items() if not isinstance(rows, str)}
    return predictions, {name: reason for name, reason in found.items() if isinstance(reason, str)}


def _predict_by_text_only_variants(adapter: Adapter, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
    """Return the option indices that text-only variants of the model pick, one per request, by the name of the variant.

    The variants are the adapter's `blind_answers`; most adapters have none. Raises AdapterError unless every variant
    answers every request.
    """
    rows = adapter.blind_answers(requests)
    for name, places in rows.items():
        if len(places) != len(requests):
            raise AdapterError(f"the adapter's blind row {name!r} has {len(places)} answers to {len(requests)} items")
    return rows


@cache
def _describe_environment() -> Mapping[str, Any]:
    """Return package versions, commit and machine of this process.

    The result is cached, since loaded packages stay the same as long as the process runs.
    """
    packages = {"alm-bench": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"packages": packages, "commit": _find_commit(), "machine": f"{platform.system()} {platform.machine()}"}


def _find_commit() -> str | None:
    """Return the git commit of the checkout that this code runs from; None for an ordinary installation."""
    home = Path(__file__).resolve().parents[2]
    if not (home / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(home), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except OSError:  # no git on this machine
        return None
    return found.stdout.strip() or None
