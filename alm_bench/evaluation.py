"""Evaluation from names to stored runs: resolve the names, plan the runs, execute them, summarise them.

The command line, the Python API and suites all call this module. The caller determines how progress is shown.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core.escape import print_detail, print_notice
from alm_bench.jobs import Job, report_demo_tasks, report_question_files, resolve_jobs
from alm_bench.progress import Watch
from alm_bench.runner.options import FailureTolerance, RunOptions
from alm_bench.tracking import find_tracker

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.judges.jury import Jury
    from alm_bench.records.models import RunSummary
    from alm_bench.records.run import Run
    from alm_bench.records.schema import Record
    from alm_bench.runner import Plan
    from alm_bench.runner.budget import Budget
    from alm_bench.runner.dryrun import Forecast
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.executors.worker import Recipe
    from alm_bench.runner.fitting import FittedAdapter


@dataclass(slots=True)
class Outcome:
    """Result of several runs, including unfinished ones."""

    runs: "list[Run]" = field(default_factory=list)
    """Runs, in the order of execution."""

    interrupted: bool = False
    """True if Ctrl-C ended a run."""

    failure: str | None = None
    """Reason in one line if the runs failed (too many failed items, or the cost limit is reached); else None."""

    judge_failures: list[str] = field(default_factory=list)
    """One line per run with failed calls of a judge."""

    @property
    def summaries(self) -> "list[RunSummary]":
        """Summaries of the runs."""
        return [run.summary for run in self.runs]


def plan_job(job: Job, adapter: "Adapter", solver: Path | None = None, fit: "FittedAdapter | None" = None) -> "Plan":
    """Plan one run. `solver` is the folder of the text-only run that `--solvable-by` names.

    `fit` is the fitted adapter of another run of the same task, if there is one.
    """
    from alm_bench.records.text_baseline import add_text_baseline
    from alm_bench.runner import prepare_run
    from alm_bench.runner.replayed import find_stored_outputs, select_replay_items

    card = job.task.card
    if adapter.abilities.fit and fit is None and card.fit_split is not None:
        source = f"split {card.fit_split} of {card.fit_task or card.name}"
        print_notice(f"{card.name}: fitting {adapter.identity.label} on {source}")
    items = None
    if (stored := find_stored_outputs(adapter)) is not None:
        items = select_replay_items(job.spec, job.task, job.data, stored, job.data_named, print_notice)
    plan = prepare_run(job.spec, job.task, job.prompt, job.data, adapter, fit, items)
    if solver is not None:
        add_text_baseline(solver, plan.items, plan.header)
    return plan


def plan_jobs(jobs: Sequence[Job], adapter: "Adapter", solver: Path | None) -> "list[Plan]":
    """Plan the runs of one model. If the model needs a fit, it is fitted once per task, for all conditions."""
    plans: list[Plan] = []
    fits: dict[str, FittedAdapter | None] = {}
    for job in jobs:
        plans.append(plan_job(job, adapter, solver, fits.get(job.spec.task)))
        fits[job.spec.task] = plans[-1].fit
    return plans


def report_unknown_revisions(plans: "Sequence[Plan]") -> None:
    """Print one line for each task whose questions have a revision that its card does not list.

    Call it after the runs, so that nothing is printed if an error prevents them.
    """
    from alm_bench.runner.items import describe_unknown_revision

    lines = {plan.spec.task: describe_unknown_revision(plan.task, plan.header.data) for plan in plans}
    for name, line in lines.items():
        if line is not None:
            print_notice(f"{name}: {line}")


class ModelLoader:
    """Loader of the models of several evaluations. Consecutive evaluations with the same recipe share one model.

    The model is closed before the next one is loaded, and at the end. A model that the caller passed as an object is
    not closed, since it belongs to the caller.
    """

    def __init__(self) -> None:
        self._recipe: Recipe | None = None
        self._adapter: Adapter | None = None

    def load(self, run_options: RunOptions) -> "Adapter":
        """Return the model of an evaluation. It is loaded unless the last call asked for the same model and options."""
        if run_options.adapter is not None:
            return run_options.load_model()
        recipe = run_options.build_recipe()
        if self._adapter is None or recipe != self._recipe:
            self.close()  # two large models do not fit beside one another
            started = time.perf_counter()
            self._recipe, self._adapter = recipe, recipe.build_adapter()
            print_detail(f"{self._adapter.identity.label}: loaded in {time.perf_counter() - started:.1f} s")
        return self._adapter

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()
            self._adapter = None


def run_evaluations(evaluations: Sequence[RunOptions], watch: Watch, report: "Callable[[Run], None]") -> Outcome:
    """Execute the runs of several evaluations, one model after the other. `report` is called with each run after its
    end.

    `evaluations` are the options of the evaluations, one entry per evaluation. All names, options and data are checked
    before any model is loaded, and all runs of a model are planned before it answers. Raises UsageError, DataError and
    AdapterError. An interruption, a reached cost limit and failed items raise nothing; they are stored in the outcome.
    """
    from alm_bench.judges.jury import JuryProvider

    settled = [(asked, resolve_jobs(asked)) for asked in evaluations]
    report_demo_tasks(settled)
    report_question_files(settled)
    outcome, budget = Outcome(), evaluations[0].build_budget()
    with closing(JuryProvider()) as juries, closing(ModelLoader()) as models:
        for asked, jobs in settled:
            jury = juries.get_jury(asked)
            if not _run_evaluation(asked, jobs, models.load(asked), jury, budget, watch, report, outcome):
                return outcome
    outcome.failure = _describe_failures(evaluations, outcome)
    return outcome


def _run_evaluation(
    options: RunOptions,
    jobs: Sequence[Job],
    adapter: "Adapter",
    jury: "Jury | None",
    budget: "Budget",
    watch: Watch,
    report: "Callable[[Run], None]",
    outcome: Outcome,
) -> bool:
    """Execute the runs of one evaluation and add them to `outcome`. Return False if they were interrupted or failed, so
    that no other evaluation is to follow."""
    from alm_bench.records.run import Run, StoredRecords

    plans = plan_jobs(jobs, adapter, options.solver_folder)  # errors are found before the model answers
    budget.check_prices(plans)
    judged = set() if jury is None else jury.select_plans(plans)
    with options.open_executor(adapter) as executor:
        for plan in plans:
            graders = jury if plan.run_id in judged else None
            summary, outcome.interrupted, failures = run_plan(plan, options, budget, executor, watch, graders)
            outcome.judge_failures += [failures] if failures is not None else []
            folder = options.out / plan.run_id
            outcome.runs.append(Run(folder, summary, StoredRecords(folder)))
            report(outcome.runs[-1])
            if options.track is not None:
                find_tracker(options.track).track_run(summary)
            if summary.partial and not outcome.interrupted:
                outcome.failure = budget.describe_exhaustion(plan, summary.processed_items)
            if outcome.interrupted or outcome.failure is not None:
                return False
    report_unknown_revisions(plans)
    return True


def _describe_failures(evaluations: Sequence[RunOptions], outcome: Outcome) -> str | None:
    """Return one line about the runs with more failed items than `--max-failures` allows, or if there are none, about
    the failed calls of judges; None if nothing failed."""
    tolerance = FailureTolerance.parse(evaluations[0].max_failures)
    failed = [s for s in outcome.summaries if tolerance.is_exceeded(s.status["error"], s.items)]
    if not failed:
        return "; ".join(outcome.judge_failures) or None
    several = len({asked.model for asked in evaluations}) > 1
    counts = ", ".join(
        f"{s.status['error']} of {s.items} on {s.task}" + (f" by {s.model}" if several else "") for s in failed
    )
    return f"items failed: {counts} (see `alm-bench show RUN --status error`)"


def forecast_evaluations(evaluations: Sequence[RunOptions]) -> "list[Forecast]":
    """Return the forecasts of the runs of several evaluations, and of their judges.

    `evaluations` are the options of the evaluations, one entry per evaluation. No request is sent to a model.
    """
    from alm_bench.judges.jury import JuryProvider
    from alm_bench.runner import dryrun

    settled = [(asked, resolve_jobs(asked)) for asked in evaluations]
    report_demo_tasks(settled)
    report_question_files(settled)
    budget = evaluations[0].build_budget()

    def forecast(options: RunOptions, jobs: Sequence[Job]) -> "list[Forecast]":
        # its own function, since local names would keep one model in memory while the next is loaded
        plans = plan_jobs(jobs, models.load(options), options.solver_folder)
        budget.check_prices(plans)
        forecasts = [dryrun.build_forecast(plan, read_stored_records(plan, options)) for plan in plans]
        report_unknown_revisions(plans)
        if (jury := juries.get_jury(options)) is not None:
            judged = jury.select_plans(plans)
            forecasts += [jury.forecast_plan(plan) for plan in plans if plan.run_id in judged]
        return forecasts

    with closing(JuryProvider()) as juries, closing(ModelLoader()) as models:
        return [one for asked, jobs in settled for one in forecast(asked, jobs)]


def read_stored_records(plan: "Plan", options: RunOptions) -> "list[Record]":
    """Return the stored records that the planned run reuses: all that are not retried, or none with `options.fresh`."""
    from alm_bench.records.store import read_records

    records, _ = read_records(options.out / plan.run_id)
    return [] if options.fresh else [record for record in records if not record.needs_retry]


def run_plan(
    plan: "Plan",
    options: RunOptions,
    budget: "Budget",
    executor: "Executor",
    watch: Watch,
    jury: "Jury | None" = None,
) -> "tuple[RunSummary, bool, str | None]":
    """Execute one run. Return its summary, True if Ctrl-C ended it, and a line about failed calls of judges, if any.

    The stored records are summarised in any case. The run is marked as finished unless an interruption or the budget
    left items without an answer.
    """
    from alm_bench.records.reparse import reparse_outdated
    from alm_bench.records.run import finish_run
    from alm_bench.records.store import RunStore, read_records
    from alm_bench.records.summary import summarise_run
    from alm_bench.records.text_baseline import add_text_baseline, describe_missing_baseline
    from alm_bench.runner import execute
    from alm_bench.scoring.spice import report_progress_to

    folder, solver = options.out / plan.run_id, options.solver_folder
    with RunStore(folder, plan.header, options.fresh) as store:
        interrupted = False
        if (reparsed := reparse_outdated(store, plan.task)) is not None:
            print_notice(f"{plan.spec.task}: {reparsed.describe()}")
        title = plan.spec.task if plan.spec.condition == "clean" else f"{plan.spec.task} {plan.spec.condition}"
        kept = len(store.kept)
        print_detail(f"{title}: run folder {folder}, {kept} of {len(plan.items)} items stored before")
        started = time.perf_counter()
        with watch.track_items(title, len(plan.items)) as progress:  # a model's label leaves no room for figures
            try:
                records = execute(plan, store, progress.update, budget, executor)
            except KeyboardInterrupt:
                interrupted = True
                records, _ = read_records(folder)
        print_detail(f"{title}: {len(records) - kept} items in {time.perf_counter() - started:.1f} s")
        if solver is not None:
            records = add_text_baseline(solver, records, plan.header)
            store.rewrite(records)
        elif (line := describe_missing_baseline(records)) is not None:
            print_notice(f"{plan.spec.task}: {line}")
        failures = None
        if jury is not None and not interrupted and len(records) == len(plan.items):
            try:
                with watch.track_verdicts() as counting:
                    judged = jury.judge(records, plan.spec.task, budget, counting.update)
                records, failures = judged.records, judged.failure_note
                store.rewrite(records)
                store.update_header(judges={**store.header.judges, **judged.notes})
            except KeyboardInterrupt:  # replies are cached: the same command makes only the missing calls
                interrupted = True
        with watch.track_captions() as counting, report_progress_to(counting.update):
            summary = summarise_run(store.header, plan.task, records, folder.name)
        if not summary.partial:
            store.update_header(spec=plan.header.spec)  # options that no answer depends on may have changed
            finish_run(store, plan.task, summary, records)
    if (check := summary.audio_check) is not None and check.verdict != "delivered":
        print_notice(f"{plan.spec.task}: audio: {check.verdict}: {check.reason}")
    return summary, interrupted, failures
