"""`alm-bench leaderboard`: tables from run folders alone."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import UsageError


def leaderboard(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; all finished ones where none.")
    ] = None,
    out: common.Out = common.RUNS,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where leaderboard.md and leaderboard.csv go.")] = Path(
        "results"
    ),
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Also the paper's tables, measured rows beside published ones.")
    ] = False,
    json_: common.Json = False,
) -> None:
    """Write leaderboard.md and leaderboard.csv from finished runs."""
    from alm_bench.core.files import atomic_write
    from alm_bench.plugins import catalogue
    from alm_bench.records.finished import finished, read_run
    from alm_bench.records.leaderboard import as_csv, as_markdown
    from alm_bench.records.summary import document

    folders = [common.find_run(run, out) for run in runs] if runs else common.run_folders(out)
    if not runs:
        unfinished = [folder.name for folder in folders if not finished(folder)]
        for name in unfinished:
            print(f"{name}: not finished, left out", file=sys.stderr)
        folders = [folder for folder in folders if finished(folder)]
    if not folders and not with_published:
        raise UsageError(f"no finished run in {out}: make one with `alm-bench run`")
    found = [read_run(folder) for folder in folders]
    tasks = catalogue().tasks  # runs of a task that is no longer installed have their summaries
    board = as_markdown(found, lambda name: tasks[name].create() if name in tasks else None)
    if with_published:
        from alm_bench.records import published

        board += "\n" + published.as_markdown(found)
    atomic_write(to / "leaderboard.md", board, "--to")
    atomic_write(to / "leaderboard.csv", as_csv(found), "--to")
    if json_:
        common.print_json(document([run.summary for run in found]))
    else:
        print(board)
        print(f"written to {to / 'leaderboard.md'} and {to / 'leaderboard.csv'}", file=sys.stderr)
