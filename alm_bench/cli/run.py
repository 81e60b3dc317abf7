"""`alm-bench run`: a model on tasks, resumed by itself, with tables at the end."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.asked import Asked, Tolerance
from alm_bench.core import CACHE_MB, Fits, UsageError
from alm_bench.core.escape import print_notice

if TYPE_CHECKING:
    from alm_bench.core import Adapter, DataRoot, Task
    from alm_bench.core.prompt import PromptTemplate
    from alm_bench.plugins import AdapterEntry
    from alm_bench.records.schema import Record
    from alm_bench.runner import Plan, RunSpec
    from alm_bench.runner.budget import Budget
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.fitting import Fit


@dataclass(frozen=True, slots=True)
class Job:
    """One task of the command, its data found and its prompts chosen. `data_named`: the user said where the questions
    are."""

    spec: "RunSpec"
    task: "Task"
    data: "DataRoot"
    prompt: "PromptTemplate"
    data_named: bool = False


def run(
    model: Annotated[str, typer.Option(help="Model name, ./file.py:Class, or package.module:Class.")],
    tasks: Annotated[str, typer.Option(metavar="T[,T]", help="Tasks, comma-separated.")],
    data: common.DataChoice = "auto",
    split: Annotated[str | None, typer.Option(help="Split. [default: the task's first]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N items of each task.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling, option shuffles and random strategies.")] = 0,
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Batch size; halved automatically on out-of-memory. auto: begin with 8 and grow while "
            "memory and time allow (with --executor ray: never grow).",
        ),
    ] = "8",
    workers: Annotated[int, typer.Option(min=1, help="Number of threads that decode clips.")] = 2,
    cache_mb: Annotated[
        int,
        typer.Option(min=0, help="Cache (MB) for questions about the same clips; 0: no cache."),
    ] = CACHE_MB,
    executor: Annotated[
        str, typer.Option(metavar="local|ray", help="Run the model in this process or in workers on a Ray cluster.")
    ] = "local",
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Workers of --executor ray, each with the model. [default: 1]")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT", help="Address of a Ray cluster. [default: start one locally]"),
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, help="GPUs (or a fraction) per worker of --executor ray. [default: 0]")
    ] = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    model_arg: common.ModelArg = None,
    task_arg: Annotated[
        list[str] | None, typer.Option(metavar="TASK.K=V", help="Option of one of the tasks (repeatable).")
    ] = None,
    label: common.Label = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt set. [default: the model's native one]")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Token limit. [default: the task's]")] = None,
    decoding: Annotated[str, typer.Option(metavar="greedy|nucleus", help="Decoding method.")] = "greedy",
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Top-p of nucleus sampling.")] = 0.8,
    temperature: Annotated[float, typer.Option(min=0.01, max=100, help="Temperature of nucleus sampling.")] = 1.0,
    answer_by: Annotated[
        str,
        typer.Option(
            metavar="generate|likelihood|both",
            help="Score the generated text, the option with the highest log-likelihood, or both.",
        ),
    ] = "generate",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="plain|caption-first",
            help="Ask directly, or describe-then-answer: ask for a description of the clips first.",
        ),
    ] = "plain",
    options: Annotated[
        str,
        typer.Option(metavar="given|shuffled|circular", help="Option order; circular: every rotation (CircularEval)."),
    ] = "given",
    shuffles: Annotated[
        int | None, typer.Option(min=1, help="Orders per question with --options shuffled. [default: 1]")
    ] = None,
    solvable_by: common.SolvableBy = None,
    answer_tag: common.AnswerTag = None,
    missing_audio: Annotated[
        str, typer.Option(metavar="error|skip", help="How to treat items whose clip is missing or unreadable.")
    ] = "error",
    metrics: Annotated[
        str | None, typer.Option(metavar="M[,M]|all", help="Metrics for captions and open answers. [default: all]")
    ] = None,
    max_failures: Annotated[str, typer.Option(metavar="N|P%", help="Exit 0 if at most this many items fail.")] = "0",
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Stop sending requests once the runs have cost this much (USD)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate calls, minutes of audio, tokens and cost; send no request.")
    ] = False,
    out: common.Out = common.RUNS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
    json_: common.Json = False,
) -> None:
    """Run a model on tasks, store its answers, and print the results.

    A run with the same fingerprint (data, prompt, option order, model, answer mode, decoding, seed, limit) is resumed.
    """
    asked = Asked(**locals())
    jobs, adapter = settle(asked)
    _run_all(jobs, adapter, asked)


def settle(asked: Asked) -> "tuple[list[Job], Adapter]":
    """Check everything that is asked for, then load the model."""
    from alm_bench.plugins import catalogue

    asked.check()
    names = common.split_names(asked.tasks, "--tasks")
    entry = catalogue().adapter(asked.model)
    if asked.label is not None and not entry.is_replay:
        raise UsageError(f"--label {asked.label} names the model of a replay, found --model {asked.model}")
    _check_picks(entry, names, asked)
    prompts = asked.prompt or entry.prompts
    jobs = _jobs(names, asked, prompts)
    with common.chatter_aside():
        adapter = asked.recipe(prompts).make()
    return jobs, adapter


def _check_picks(model: "AdapterEntry", names: Sequence[str], asked: Asked) -> None:
    """Raises UsageError for a model that only picks among options and a task that has no prompts for such a one."""
    from alm_bench.plugins import catalogue

    if not model.picks or asked.prompt is not None:
        return
    for name in names:
        if model.prompts not in catalogue().task(name).prompts():
            raise UsageError(
                f"{model.name} picks among options, which the items of {name} do not have (no prompt set "
                f"{model.prompts!r})"
            )


def _jobs(names: Sequence[str], asked: Asked, prompt: str) -> list[Job]:
    """Check every task before the model is loaded: its name, options, data and prompt set."""
    from alm_bench.core.prompt import pick_prompt
    from alm_bench.plugins import catalogue

    is_replay = catalogue().adapter(asked.model).is_replay
    options: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in common.pairs(asked.task_arg, "--task-arg").items():
        owner, dot, option = key.partition(".")
        if not dot or owner not in options:
            raise UsageError(
                f"--task-arg takes TASK.key=value with a task of --tasks ({', '.join(names)}), found {key!r}"
            )
        options[owner][option] = value
    if asked.metrics is not None:
        for name, chosen in common.metrics_of(names, asked.metrics).items():
            options[name].setdefault("metrics", chosen)
    jobs = []
    for name in names:
        entry = catalogue().task(name)
        task = entry.create(options[name], common.answer_tags(asked.answer_tag))
        chosen = common.pick_split(entry, asked.split)
        root = common.resolve_data(entry, chosen, asked.data, options[name])
        task.files(root, chosen)
        spec = asked.spec(name, chosen, root.kind, entry.card.max_new_tokens, options[name])
        named = asked.data != "auto" or "annotations" in options[name]
        jobs.append(Job(spec, task, root, pick_prompt(entry.prompts(), prompt, name), named))
        if root.kind == "demo" and not named and not is_replay:  # a replay's file may hold its own questions
            print_notice(f"{name}: no real data found, running on the built-in demo world (see `alm-bench data info`)")
    return jobs


def _run_all(jobs: Sequence[Job], adapter: "Adapter", asked: Asked) -> None:
    from alm_bench.records.summary import document
    from alm_bench.reports.tables import overview, report

    with common.chatter_aside():
        plans = [plan_of(job, adapter, asked.solver) for job in jobs]  # what does not fit is met before the model works
        budget = asked.budget()
        budget.check(plans)
    if asked.dry_run:
        foretell(plans, asked)
        return
    summaries: list[dict[str, Any]] = []
    interrupted = False
    out = sys.stdout
    with common.chatter_aside(), asked.executing(adapter) as executor:  # Ray tells of the dead when it likes
        for plan in plans:
            summary, interrupted = run_one(plan, asked, budget, executor)
            summaries.append(summary)
            if not asked.json_:
                print(report(summary) + "\n", file=out, flush=True)
            if summary["partial"]:
                break
    if asked.json_:
        common.print_json(document(summaries))
    else:
        print(overview(summaries))
    if interrupted:
        print_notice(kept(asked))
        raise typer.Exit(130)
    if summary["partial"]:
        print_notice(f"alm-bench: {budget.told(plan, sum(summary['status'].values()))}")
        raise typer.Exit(1)
    tolerance = Tolerance.read(asked.max_failures)
    failed = [s for s in summaries if tolerance.exceeded(s["status"]["error"], s["items"])]
    if failed:
        counts = ", ".join(f"{s['status']['error']} of {s['items']} on {s['task']}" for s in failed)
        print_notice(f"alm-bench: items failed: {counts} (see `alm-bench show RUN --status error`)")
        raise typer.Exit(1)


def kept(asked: Asked) -> str:
    """What to tell of an interruption."""
    return f"all finished items are kept: the same command{' without --fresh' if asked.fresh else ''} goes on from here"


def plan_of(job: Job, adapter: "Adapter", solver: Path | None, fit: "Fit | None" = None) -> "Plan":
    from alm_bench.records.text_baseline import solved_by
    from alm_bench.runner import prepare
    from alm_bench.runner.replayed import replayed_items, stored_outputs

    card = job.task.card
    if isinstance(adapter, Fits) and fit is None and card.fit_split is not None:
        source = f"split {card.fit_split} of {card.fit_task or card.name}"
        print_notice(f"{card.name}: fitting {adapter.identity.label} on {source}")
    items = None
    if (stored := stored_outputs(adapter)) is not None:
        items = replayed_items(job.spec, job.task, job.data, stored, job.data_named, print_notice)
    plan = prepare(job.spec, job.task, job.prompt, job.data, adapter, fit, items)
    if solver is not None:
        solved_by(solver, plan.pending, plan.header)
    return plan


def foretell(plans: "Sequence[Plan]", asked: Asked) -> None:
    """Print what the runs would take."""
    from alm_bench.records.summary import document
    from alm_bench.runner import dryrun

    found = [dryrun.forecast(plan, _stored(plan, asked)) for plan in plans]
    if asked.json_:
        runs = [one.entry() for one in found]
        common.print_json({**document(runs), "dry_run": True, "total": dryrun.total(found)})
    else:
        print(dryrun.table(found))


def _stored(plan: "Plan", asked: Asked) -> "list[Record]":
    """The records of the run's folder that are not tried again, where there is one."""
    from alm_bench.records.store import read_records

    records, _ = read_records(asked.out / plan.run_id)
    return [] if asked.fresh else [record for record in records if not record.retried]


def run_one(plan: "Plan", asked: Asked, budget: "Budget", executor: "Executor") -> tuple[dict[str, Any], bool]:
    """Execute one task; whether Ctrl-C ended it. What is stored is summarised in any case, and finished unless items
    were left open by an interruption or by the budget."""
    from alm_bench.cli.progress import Counting, Progress
    from alm_bench.records.reparse import reparse_older
    from alm_bench.records.run import finish_run
    from alm_bench.records.store import RunStore, read_records
    from alm_bench.records.summary import summarise
    from alm_bench.records.text_baseline import left_out, solved_by
    from alm_bench.runner import execute
    from alm_bench.scoring.spice import report_progress_to

    folder, solver = asked.out / plan.run_id, asked.solver
    with RunStore(folder, dict(plan.header), asked.fresh) as store:
        interrupted = False
        if (reparsed := reparse_older(store, plan.task)) is not None:
            print(f"{plan.spec.task}: {reparsed.line()}", file=sys.stderr)
        title = plan.spec.task if plan.spec.condition == "clean" else f"{plan.spec.task} {plan.spec.condition}"
        with Progress(title, len(plan.pending)) as progress:  # a model's label leaves no room for figures
            try:
                records = execute(plan, store, progress.update, budget, executor)
            except KeyboardInterrupt:
                interrupted = True
                records, _ = read_records(folder)
        if solver is not None:
            records = solved_by(solver, records, plan.header)
            store.rewrite(records)
        elif (told := left_out(records)) is not None:
            print_notice(f"{plan.spec.task}: {told}")
        with Counting("SPICE") as counting, report_progress_to(counting.update):
            summary = summarise(store.header, plan.task, records, folder.name)
        if not summary["partial"]:
            store.note("spec", plan.header["spec"])  # what no answer depends on may be another than before
            finish_run(store, plan.task, summary, records)
    if (delivery := summary["delivery"]) is not None and delivery["verdict"] != "delivered":
        print_notice(f"{plan.spec.task}: audio: {delivery['verdict']}: {delivery['reason']}")
    return summary, interrupted
