"""`alm-bench leaderboard`: rank finished runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_runs
from alm_bench.cli.output import print_blocks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.find import RUNS

if TYPE_CHECKING:
    from alm_bench.core import Task


def leaderboard(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs by folder, name, a part of it, or `latest`. [default: all finished ones in --out]",
            autocompletion=complete_runs,
        ),
    ] = None,
    out: common.Out = RUNS,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder for leaderboard.md and leaderboard.csv.")] = Path(
        "results"
    ),
    with_published: Annotated[
        bool,
        typer.Option(
            "--with-published",
            help="Also print published tables (the Mellow paper's, leaderboards of benchmarks), with the rows of your "
            "runs added.",
        ),
    ] = False,
    json_: common.Json = False,
) -> None:
    """Rank finished runs in leaderboard.md and leaderboard.csv.

    Runs that are unfinished, damaged or of a newer version are left out and named on standard error.
    """
    from alm_bench.core.files import write_atomically
    from alm_bench.plugins import catalogue
    from alm_bench.records.find import read_finished_runs
    from alm_bench.records.models import build_runs_json
    from alm_bench.reports import render
    from alm_bench.reports.collections import build_collection_json, find_collections
    from alm_bench.reports.leaderboard import build_section_tables, render_leaderboard_csv
    from alm_bench.reports.ranking import build_sections, split_ranked

    found, left_out = read_finished_runs(runs, out)
    common.print_skipped_folders(left_out)
    if not found and not with_published:
        raise UsageError(f"no finished run in {out}: make one with `alm-bench run`")
    find = catalogue().find_task

    def create_installed_task(
        name: str,
    ) -> "Task | None":  # runs of a task that is no longer installed have their summaries
        return None if (entry := find(name)) is None else entry.create()

    sections = build_sections(found, create_installed_task)
    collections = find_collections(sections, catalogue().collections, create_installed_task)
    board = build_section_tables(sections, collections)
    if with_published:
        from alm_bench.reports.published import build_published_tables

        board += build_published_tables(found)
    write_atomically(to / "leaderboard.md", render(board, "markdown") + "\n", "--to")
    write_atomically(to / "leaderboard.csv", render_leaderboard_csv(found), "--to")
    if json_:
        _, unranked = split_ranked(found)
        listed: dict[str, Any] = {"left_out": [one.as_json() for one in left_out]}
        listed["not_ranked"] = [run.folder.name for run in unranked]
        listed["collections"] = [build_collection_json(collection) for collection in collections]
        common.print_json({**build_runs_json([run.summary for run in found]), **listed})
    else:
        print_blocks(board, end="\n\n")
        print_notice(f"written to {to / 'leaderboard.md'} and {to / 'leaderboard.csv'}")
