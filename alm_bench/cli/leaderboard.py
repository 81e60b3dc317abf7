"""`alm-bench leaderboard`: tables from run folders alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice

if TYPE_CHECKING:
    from alm_bench.records.run import LeftOut, Run


def leaderboard(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs. [default: all finished ones]")
    ] = None,
    out: common.Out = common.RUNS,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder for leaderboard.md and leaderboard.csv.")] = Path(
        "results"
    ),
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Add the Mellow paper's tables: measured and published rows.")
    ] = False,
    json_: common.Json = False,
) -> None:
    """Write leaderboard.md and leaderboard.csv from finished runs.

    Runs that are unfinished, damaged or of a newer version are left out and named on standard error.
    """
    from alm_bench.core.files import atomic_write
    from alm_bench.plugins import catalogue
    from alm_bench.records.summary import document
    from alm_bench.reports.leaderboard import as_csv, as_markdown, split_ranked

    found, left_out = _read(runs, out)
    common.report_left_out(left_out)
    if not found and not with_published:
        raise UsageError(f"no finished run in {out}: make one with `alm-bench run`")
    tasks = catalogue().tasks  # runs of a task that is no longer installed have their summaries
    board = as_markdown(found, lambda name: tasks[name].create() if name in tasks else None)
    if with_published:
        from alm_bench.reports import published

        board += "\n" + published.as_markdown(found)
    atomic_write(to / "leaderboard.md", board, "--to")
    atomic_write(to / "leaderboard.csv", as_csv(found), "--to")
    if json_:
        _, unranked = split_ranked(found)
        listed = {"left_out": [one.as_json() for one in left_out], "not_ranked": [run.folder.name for run in unranked]}
        common.print_json({**document([run.summary for run in found]), **listed})
    else:
        print(board)
        print_notice(f"written to {to / 'leaderboard.md'} and {to / 'leaderboard.csv'}")


def _read(named: list[str] | None, out: Path) -> "tuple[list[Run], list[LeftOut]]":
    """The runs that were named, each of which must be readable; else all finished ones, and what was left out."""
    from alm_bench.records.run import LeftOut, find_run_folders, finished, read_each, read_run

    if named:
        return [read_run(common.find_run(run, out)) for run in named], []
    folders, closed = find_run_folders(out)
    unfinished = [LeftOut(folder, "not finished") for folder in folders if not finished(folder)]
    runs, damaged = read_each([folder for folder in folders if finished(folder)], read_run)
    return runs, [*closed, *unfinished, *damaged]
