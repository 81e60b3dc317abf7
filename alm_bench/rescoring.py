"""Scoring of stored runs again, from their texts: with another parser version, other metrics, tags or judges."""

from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.plugins import catalogue
from alm_bench.progress import Watch
from alm_bench.resolve import build_metrics_options

if TYPE_CHECKING:
    from alm_bench.core import Task
    from alm_bench.judges.jury import Jury
    from alm_bench.records.models import RunHeader
    from alm_bench.records.reparse import ReparseResult
    from alm_bench.records.run import Run
    from alm_bench.runner.budget import Budget


def configure_task(
    header: "RunHeader", metrics: str | None = None, tags: tuple[str, ...] = ()
) -> "tuple[RunHeader, Task]":
    """Create the task of a run for scoring it with other metrics or answer tags. By default, the run's own are used.

    Returns the run's header with these settings, and the task. Raises UsageError for an unknown task or metric.
    """
    from msgspec.structs import replace as replace_fields

    name, spec = header.task.name, header.spec
    options = dict(spec.task_options)
    if metrics is not None:
        options["metrics"] = build_metrics_options([name], metrics)[name]
    spec = replace_fields(spec, task_options=options, answer_tags=tags or spec.answer_tags)
    return replace_fields(header, spec=spec), catalogue().get_task(name).create(options, spec.answer_tags)


def rescore_run(
    folder: Path,
    solver: Path | None,
    metrics: str | None,
    tags: tuple[str, ...],
    watch: Watch,
    jury: "Jury | None" = None,
    budget: "Budget | None" = None,
) -> "tuple[Run, ReparseResult, str | None]":
    """Parse and score the stored texts of a run again, and store the result. With `jury`, also judge them.

    Returns the run, the differences to the earlier parsing, and a line about failed calls of judges, if any. By
    default, the answer tags and the metrics are those of the run. `solver` is the folder of the text-only run that
    `--solvable-by` names. `watch` displays the progress. Raises StoreError and UsageError.
    """
    from msgspec.structs import replace as replace_fields

    from alm_bench.records.reparse import find_parser_version, reparse
    from alm_bench.records.run import Run, StoredRecords, finish_run
    from alm_bench.records.store import RunStore, read_header
    from alm_bench.records.summary import summarise_run
    from alm_bench.records.text_baseline import add_text_baseline
    from alm_bench.runner.budget import Budget
    from alm_bench.scoring.spice import report_progress_to

    header, task = configure_task(read_header(folder), metrics, tags)
    parser = find_parser_version(header, folder)
    with RunStore(folder, header, keep_failures=True) as store:
        records, reparsed = reparse(store.kept, task, parser)
        if solver is not None:
            records = add_text_baseline(solver, records, header)
        failures = None
        if jury is not None:  # before anything is written, since it may be refused
            jury.refuse_model(header.identity)
            with watch.track_verdicts() as counting:
                judged = jury.judge(records, header.task.name, budget or Budget(), counting.update)
            records, failures = judged.records, judged.failure_note
            header = replace_fields(header, judges={**header.judges, **judged.notes})
        with watch.track_captions() as counting, report_progress_to(counting.update):
            summary = summarise_run(header, task, records, folder.name)
        store.rewrite(records)
        store.update_header(parser=task.parser, judges=header.judges)
        if not summary.partial:
            store.update_header(spec=header.spec)  # with the metrics and tags of this call
            finish_run(store, task, summary, records)
    return Run(folder, summary, StoredRecords(folder)), reparsed, failures
