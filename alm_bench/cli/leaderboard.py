"""`alm-bench leaderboard`: rank finished runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.output import print_blocks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice

if TYPE_CHECKING:
    from alm_bench.records.run import LeftOut, Run


def leaderboard(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs. [default: all finished ones]")
    ] = None,
    out: common.Out = common.RUNS,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where leaderboard.md and leaderboard.csv go.")] = Path(
        "results"
    ),
    with_published: Annotated[
        bool,
        typer.Option(
            "--with-published", help="Also print the Mellow paper's tables, with measured rows beside published ones."
        ),
    ] = False,
    json_: common.Json = False,
) -> None:
    """Write leaderboard.md and leaderboard.csv from finished runs.

    Runs that are not finished, damaged, or of a newer version are left out and named on standard error.
    """
    from alm_bench.core.files import atomic_write
    from alm_bench.plugins import catalogue
    from alm_bench.records.summary import document
    from alm_bench.reports import render
    from alm_bench.reports.leaderboard import as_csv, build_leaderboard
    from alm_bench.reports.ranking import split_ranked

    found, left_out = _read(runs, out)
    common.report_left_out(left_out)
    if not found and not with_published:
        raise UsageError(f"no finished run in {out}: make one with `alm-bench run`")
    tasks = catalogue().tasks  # runs of a task that is no longer installed have their summaries
    board = build_leaderboard(found, lambda name: tasks[name].create() if name in tasks else None)
    if with_published:
        from alm_bench.reports.published import build_published

        board += build_published(found)
    atomic_write(to / "leaderboard.md", render(board, "markdown") + "\n", "--to")
    atomic_write(to / "leaderboard.csv", as_csv(found), "--to")
    if json_:
        _, unranked = split_ranked(found)
        listed = {"left_out": [one.as_json() for one in left_out], "not_ranked": [run.folder.name for run in unranked]}
        common.print_json({**document([run.summary for run in found]), **listed})
    else:
        print_blocks(board, end="\n\n")
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
