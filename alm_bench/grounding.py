"""Ablation of audio: runs the same questions on clean and on changed clips, and computes the effects of the changes.
The command `alm-bench noise-ablation` passes the names of the model, tasks and conditions."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from alm_bench.core import AlmBenchError, UsageError
from alm_bench.evaluation import ModelLoader, plan_job, read_stored_records, report_unknown_revisions, run_plan
from alm_bench.jobs import Job, report_demo_tasks, report_question_files, resolve_jobs
from alm_bench.plugins import catalogue
from alm_bench.progress import Watch
from alm_bench.runner.ablation import Ablation, AblationResult, plan_ablation, run_ablation
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.continuation import check_continuation
from alm_bench.runner.options import FailureTolerance, RunOptions

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.records.schema import Record
    from alm_bench.runner import Plan, RunSpec
    from alm_bench.runner.budget import Budget
    from alm_bench.runner.dryrun import Forecast
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.fitting import FittedAdapter


@dataclass(frozen=True, slots=True)
class PlannedAblations:
    """Planned runs of an ablation, with everything that is needed to execute them."""

    options: RunOptions
    """Options as the user gave them."""

    jobs: Sequence[Job]
    """Tasks with their data and prompts."""

    adapter: "Adapter"
    """The loaded model."""

    tasks: Sequence[Ablation]
    """Planned runs, one entry per task."""

    budget: "Budget"
    """Cost limit of all runs."""

    def build_forecasts(self) -> "list[Forecast]":
        """Return the forecasts of all runs."""
        from alm_bench.runner import dryrun

        plans = [plan for one in self.tasks for plan in one.plans]
        forecasts = [dryrun.build_forecast(plan, read_stored_records(plan, self.options)) for plan in plans]
        report_unknown_revisions(plans)
        return forecasts


@contextmanager
def plan_ablations(options: RunOptions, conditions: str | None, repeats: int) -> Iterator[PlannedAblations]:
    """Context manager that checks the options, loads the model and plans all runs of an ablation.

    At the end of the block the model is closed, unless it was given as an object. `conditions` are names separated by
    commas. The defaults of tasks and conditions are those of the card `noise_grounding`. A random condition gets
    `repeats` runs. Raises UsageError and DataError.
    """
    card = catalogue().ablations["noise_grounding"]
    options = replace(options, tasks=options.tasks or ",".join(card.bases))
    named = card.conditions if conditions is None else conditions.split(",")
    names = list(dict.fromkeys(name.strip() for name in named if name.strip()))
    if not names:
        raise UsageError("--conditions names no condition")
    for name in names:
        create_condition(name)
    if options.solvable_by is not None:
        raise UsageError("--solvable-by belongs to run and score, expected none here")
    jobs = resolve_jobs(options)
    report_demo_tasks([(options, jobs)])
    report_question_files([(options, jobs)])
    with closing(ModelLoader()) as models:
        adapter = models.load(options)
        if adapter.abilities.is_replay:
            raise UsageError(f"{adapter.identity.label} answered the clean clips, and hears no others: name a model")
        for name in names:
            check_continuation(name, adapter, options.answer_by)
        tasks = [_plan_task(job, adapter, names, repeats) for job in jobs]  # errors are found before any run
        budget = options.build_budget()
        budget.check_prices([one.clean for one in tasks])
        yield PlannedAblations(options, jobs, adapter, tasks, budget)


def _plan_task(job: Job, adapter: "Adapter", conditions: Sequence[str], repeats: int) -> Ablation:
    """Plan the clean run of one task and its runs under each condition."""

    def plan_run(spec: "RunSpec", fit: "FittedAdapter | None") -> "Plan":
        return plan_job(replace(job, spec=spec), adapter, None, fit)

    return plan_ablation(job.spec, conditions, repeats, plan_run)


def run_ablations(planned: PlannedAblations, watch: Watch) -> list[AblationResult]:
    """Execute all runs and return the effects, one entry per task.

    Raises AlmBenchError if the budget ends a run, KeyboardInterrupt on Ctrl-C. Finished items are stored all the same.
    """
    with planned.options.open_executor(planned.adapter) as executor:
        answer = partial(_execute_plan, ablations=planned, executor=executor, watch=watch)
        failure = partial(_find_failure, max_failures=planned.options.max_failures)
        results = [run_ablation(one, answer, failure) for one in planned.tasks]
    report_unknown_revisions([one.clean for one in planned.tasks])
    return results


def _find_failure(records: "Sequence[Record]", max_failures: str) -> str | None:
    """Return the reason why a run cannot be used if it has more failed items than `--max-failures` allows, else
    None."""
    failed = [record.reason or "" for record in records if record.status == "error"]
    if not FailureTolerance.parse(max_failures).is_exceeded(len(failed), len(records)):
        return None
    return f"{len(failed)} of {len(records)} items failed, as: {failed[0][:120]}"


def _execute_plan(plan: "Plan", ablations: PlannedAblations, executor: "Executor", watch: Watch) -> "list[Record]":
    """Execute one run of an ablation and return its records.

    Raises AlmBenchError if the budget ends the run, KeyboardInterrupt on Ctrl-C.
    """
    from alm_bench.records.store import read_records

    options, budget = ablations.options, ablations.budget
    summary, interrupted, _ = run_plan(plan, options, budget, executor, watch)
    if interrupted:
        raise KeyboardInterrupt
    if summary.partial:
        raise AlmBenchError(budget.describe_exhaustion(plan, summary.processed_items))
    return read_records(options.out / plan.run_id)[0]
