"""`alm-bench compare`: compare runs with paired tests."""

from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_runs
from alm_bench.cli.output import print_blocks, print_text
from alm_bench.core import UsageError
from alm_bench.records.find import RUNS, find_run


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_A RUN_B [RUN_C]...",
            help="Runs of one task by folder, name, a part of it, or `latest`; the others are compared with the first.",
            autocompletion=complete_runs,
        ),
    ],
    examples: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Show this many items that each run wins and loses against the first."),
    ] = 0,
    different: Annotated[
        bool,
        typer.Option(
            "--different",
            help="Allow runs that differ in data revision, prompt, parser, option order or answer mode.",
        ),
    ] = False,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Compare runs with the first one, item by item.

    Prints a conclusion, and paired intervals and p-values for all items and for each group.
    """
    from alm_bench.plugins import catalogue
    from alm_bench.records.run import read_run
    from alm_bench.reports import comparison

    if len(runs) < 2:
        raise UsageError(f"compare takes two runs or more, {len(runs)} was named")
    finished_runs = [read_run(find_run(run, out)) for run in runs]
    comparison.check_comparability(finished_runs, different)
    task = catalogue().get_task(finished_runs[0].summary.task).create()
    cells = comparison.compare_runs(finished_runs, task)
    if json_:
        common.print_json(comparison.build_comparison_json(finished_runs, cells))
        return
    print_blocks(comparison.build_comparison_report(finished_runs, cells), end="\n\n" if examples else "\n")
    for run in finished_runs[1:] if examples else ():
        names = comparison.name_models(finished_runs[0], run)
        for side, pairs in comparison.select_examples(finished_runs[0], run, task, examples).items():
            for ours, theirs in pairs:
                print_text(comparison.build_example(side, ours, theirs, names), end="\n\n")
