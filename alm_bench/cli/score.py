"""`alm-bench score`: read and score the stored text again, without a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.core.escape import print_notice


def score(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders or names, or the ends of names.")],
    solvable_by: common.SolvableBy = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="M[,M]|all", help="Metrics for sentences. [default: those of the run]"),
    ] = None,
    answer_tag: common.AnswerTag = None,
    out: common.Out = common.RUNS,
    json_: common.Json = False,
) -> None:
    """Parse and score the stored text of runs again; no model is loaded.

    If the parser has changed, one line reports how many items changed and the accuracy before and after.
    """
    from alm_bench.records.summary import document
    from alm_bench.reports.tables import report

    folders = [common.find_run(run, out) for run in runs]  # a name that fits none is met before anything is written
    solver = None if solvable_by is None else common.find_run(solvable_by, out)
    tags = common.answer_tags(answer_tag)
    summaries = []
    for folder in folders:
        summaries.append(_score(folder, solver, metrics, tags))
        if not json_:
            print(report(summaries[-1]) + ("\n" if folder != folders[-1] else ""))
    if json_:
        common.print_json(document(summaries))


def _score(folder: Path, solver: Path | None, metrics: str | None, tags: tuple[str, ...]) -> dict[str, Any]:
    """Score one run again and store that; return its summary. Without `tags`, the run's own answer tags hold."""
    from alm_bench.cli.progress import Counting
    from alm_bench.plugins import catalogue
    from alm_bench.records.reparse import parser_of, reparse
    from alm_bench.records.run import finish_run
    from alm_bench.records.store import RunStore, read_header
    from alm_bench.records.summary import summarise
    from alm_bench.records.text_baseline import solved_by
    from alm_bench.scoring.spice import report_progress_to

    header = read_header(folder)
    name = header["task"]["name"]
    if metrics is not None:
        header["spec"]["task_options"]["metrics"] = common.metrics_of([name], metrics)[name]
    tags = tags or tuple(header["spec"].get("answer_tags", ()))
    header["spec"]["answer_tags"] = list(tags)
    task = catalogue().task(name).create(header["spec"]["task_options"], tags)
    parser = parser_of(header, folder)
    with RunStore(folder, header, keep_failures=True) as store:
        records, reparsed = reparse(store.kept, task, parser)
        if solver is not None:
            records = solved_by(solver, records, header)
        with Counting("SPICE") as counting, report_progress_to(counting.update):
            summary = summarise(header, task, records, folder.name)
        store.rewrite(records)
        store.note("parser", task.parser)
        if not summary["partial"]:
            store.note("spec", header["spec"])  # with the metrics and tags of this call
            finish_run(store, task, summary, records)
    if reparsed.is_news:
        print_notice(f"{folder.name}: {reparsed.line()}")
    return summary
