"""`alm-bench score`: read and score the stored text again, without a model."""

from typing import Annotated

import typer

from alm_bench.cli import common


def score(
    run: common.RunArgument,
    solvable_by: common.SolvableBy = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="M[,M]|all", help="Score sentences by these instead; by those of the run where none."),
    ] = None,
    out: common.Out = common.RUNS,
    json_: common.Json = False,
) -> None:
    """Parse and score the stored text of a run again; no model is loaded."""
    from alm_bench.cli.progress import Counting
    from alm_bench.plugins import catalogue
    from alm_bench.records.finished import finish_run
    from alm_bench.records.schema import judged
    from alm_bench.records.solver import solved_by
    from alm_bench.records.store import RunStore, read_header
    from alm_bench.records.summary import document, summarise
    from alm_bench.records.tables import report
    from alm_bench.scoring.spice import telling

    folder = common.find_run(run, out)
    header = read_header(folder)
    name = header["task"]["name"]
    if metrics is not None:
        header["spec"]["task_options"]["metrics"] = common.metrics_of([name], metrics)[name]
    task = catalogue().task(name).create(header["spec"]["task_options"])
    with RunStore(folder, header, keep_failures=True) as store:
        records = sorted((judged(record, task) for record in store.kept), key=lambda record: record.index)
        if solvable_by is not None:
            records = solved_by(common.find_run(solvable_by, out), records, header)
        with Counting("SPICE") as counting, telling(counting.update):
            summary = summarise(header, task, records, folder.name)
        store.rewrite(records)
        if not summary["partial"]:
            store.note("spec", header["spec"])  # with the metrics that were asked for now
            finish_run(store, task, summary, records)
    if json_:
        common.print_json(document([summary]))
    else:
        print(report(summary))
