"""Building the jobs of an evaluation from the names of a model and of tasks.

The options are checked, the data located and the prompts selected. No model is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alm_bench.core import ReadsOwnFile, UsageError
from alm_bench.core.adapter import DEFAULT_PROMPTS
from alm_bench.core.escape import print_detail, print_notice
from alm_bench.core.options import parse_answer_tags, parse_pairs
from alm_bench.core.prompt import PromptTemplate, pick_prompt, render
from alm_bench.plugins import catalogue, is_question_file_name
from alm_bench.resolve import build_metrics_options, expand_task_names, pick_split, resolve_data
from alm_bench.runner.conditions import CLEAN, create_condition
from alm_bench.runner.options import RunOptions
from alm_bench.runner.spec import RunSpec
from alm_bench.tracking import find_tracker

if TYPE_CHECKING:
    from alm_bench.core import DataRoot, Task
    from alm_bench.plugins import AdapterEntry, TaskEntry


@dataclass(frozen=True, slots=True)
class Job:
    """One task of an evaluation, with its data located and its prompt template selected."""

    spec: RunSpec
    """Specification of the run."""

    task: "Task"
    """The task."""

    data: "DataRoot"
    """Source of the task's data."""

    prompt: PromptTemplate
    """Prompt template."""

    data_named: bool = False
    """True if the user named the data (`--data` or an annotations file). No notice about demo data is then printed."""


def resolve_jobs(run_options: RunOptions) -> list[Job]:
    """Check all options, names, data and prompt sets before the model is loaded, and return the tasks to run.

    There is one job per task and condition. Raises UsageError and DataError.
    """
    from alm_bench.judges.jury import check_run_options

    run_options.check()
    if run_options.track is not None:
        find_tracker(run_options.track)
    check_run_options(run_options)
    names = expand_task_names(run_options.tasks, "--tasks")
    entry = run_options.entry
    if run_options.label is not None and not entry.abilities.is_replay:
        raise UsageError(f"--label {run_options.label} names the model of a replay, found --model {run_options.model}")
    _check_prompt_sets(entry, names, run_options)
    options = _select_task_options(names, run_options)
    conditions = run_options.conditions or [CLEAN]
    for condition in conditions:
        if create_condition(condition).changes_reasoning:
            raise UsageError(f"{condition} changes the answers of a clean run: name it in noise-ablation")
    jobs = [_resolve_job(name, options[name], run_options) for name in names]
    return [replace(job, spec=replace(job.spec, condition=one)) for job in jobs for one in conditions]


def _check_prompt_sets(model: "AdapterEntry", names: Sequence[str], options: RunOptions) -> None:
    """Raise UsageError if the model only selects options, and a task has no prompt set for such models."""
    if not model.abilities.choices_only or options.prompt is not None:
        return
    for name in names:
        if model.prompts not in catalogue().get_task(name).load_prompts():
            raise UsageError(
                f"{model.name} picks among options, which the items of {name} do not have (no prompt set "
                f"{model.prompts!r})"
            )


def _select_task_options(names: Sequence[str], run_options: RunOptions) -> dict[str, dict[str, str]]:
    """Return the options of each task, from `--task-arg` and `--metrics`."""
    options: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in parse_pairs(run_options.task_arg, "--task-arg").items():
        owner = max((name for name in names if key.startswith(f"{name}.")), key=len, default="")
        option = key.removeprefix(f"{owner}.")
        if not owner or not option:
            raise UsageError(
                f"--task-arg takes TASK.key=value with a task of --tasks ({', '.join(names)}), found {key!r}"
            )
        options[owner][option] = value
    files = [name for name in names if is_question_file_name(name)]
    declared = run_options.collect_file_options()
    if declared and not files:
        raise UsageError(
            f"--{next(iter(declared)).replace('_', '-')} goes with a file as task (--tasks ./birds.csv), found --tasks "
            f"{', '.join(names)}"
        )
    for name in files:
        options[name] |= declared
    if run_options.metrics is not None:
        for name, chosen in build_metrics_options(names, run_options.metrics).items():
            options[name].setdefault("metrics", chosen)
    return options


def _resolve_job(name: str, options: dict[str, str], run_options: RunOptions) -> Job:
    """Locate the data of one task and select its prompt template."""
    entry = catalogue().get_task(name)
    task = entry.create(options, parse_answer_tags(run_options.answer_tag))
    split = pick_split(entry, run_options.split)
    own_file = isinstance(task, ReadsOwnFile)
    root = (
        task.open_root(split)
        if isinstance(task, ReadsOwnFile)
        else resolve_data(entry, split, run_options.data, options)
    )
    task.files(root, split)
    if isinstance(task, ReadsOwnFile):
        options, name = dict(task.build_stored_options(split)), entry.card.name
    prompt = pick_prompt(entry.load_prompts(), _choose_prompt_set(run_options, entry), name)
    tokens = max(entry.card.max_new_tokens, prompt.max_new_tokens or 0)
    spec = run_options.build_spec(name, split, root.kind, tokens, options)
    if entry.card.is_retrieval:
        spec = replace(spec, answer_by="embedding")
    named = own_file or run_options.data != "auto" or "annotations" in options
    print_detail(f"{name}: split {split}, {root.kind} data in {root.path}, prompt set {prompt.id}")
    return Job(spec, task, root, prompt, named)


def _choose_prompt_set(options: RunOptions, entry: "TaskEntry") -> str:
    """Return the name of the prompt set: the user's, or the model's own.

    If a task does not have the set of a model that writes text, such as `r1-aqa`, the model gets the set `letters`.
    """
    known, own = entry.load_prompts(), options.prompt_set_name
    if options.prompt is None and own not in known and not options.entry.abilities.choices_only:
        return DEFAULT_PROMPTS if DEFAULT_PROMPTS in known else own
    return own


def report_demo_tasks(members: Sequence[tuple[RunOptions, Sequence[Job]]]) -> None:
    """Print one line for each task that runs on the demo data because no real data was found.

    `members`: the options and the jobs of each model. Models that replay stored answers are omitted, since their file
    may contain the questions.
    """
    jobs = [job for asked, jobs in members if not asked.entry.abilities.is_replay for job in jobs]
    for name in dict.fromkeys(job.spec.task for job in jobs if job.data.kind == "demo" and not job.data_named):
        print_notice(f"{name}: no real data found, using the built-in demo data (see `alm-bench data info`)")


def report_question_files(members: Sequence[tuple[RunOptions, Sequence[Job]]]) -> None:
    """Print a description of each question file that is used as a task, once per file.

    It consists of the roles of the columns and the first item as the model will get it. `members`: the options and the
    jobs of each model.
    """
    jobs = {(job.spec.task, job.data.version(), job.prompt.id): job for _, jobs in members for job in jobs}
    for job in jobs.values():
        if not isinstance(job.task, ReadsOwnFile):
            continue
        for line in job.task.describe(job.spec.split):
            print_notice(f"{job.spec.task}: {line}")
        sample = next(iter(job.task.samples(job.data, job.spec.split)))
        request = render(sample, job.prompt)
        clips = ", ".join(ref.id for ref in request.audio) or "no clip"
        reference = "withheld" if sample.gold is None else repr(sample.gold)
        print_notice(f"{job.spec.task}: first item {sample.id}: {clips}; reference {reference}; prompt:")
        for line in request.prompt.splitlines():
            print_notice(f"    {line}")
