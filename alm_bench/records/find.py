"""Lookup of run folders by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core import UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.core.files import is_file

if TYPE_CHECKING:  # reading runs needs numpy, which takes longer to load than `--help` to run
    from alm_bench.records.run import Run, SkippedFolder

RUNS = Path("results/runs")
"""Default folder that contains the run folders."""

LATEST = "latest"
"""Name for the most recently started run."""


def find_run(name: str, out: Path = RUNS) -> Path:
    """Return the folder of a run.

    `name` is a path, a name, a part of a name that no other run contains, or `latest` for the most recently started
    run. Runs are searched in `out`. Raises UsageError if no run or several runs match.
    """
    path = Path(name)
    if is_file(path / "run.json"):
        return path if path.name else path.resolve()  # reports print the folder's name, which `.` does not have
    from alm_bench.records.run import find_run_folders

    folders, _ = find_run_folders(out)
    if name == LATEST and folders:
        return folders[-1]
    fits = (str.__eq__, str.endswith, str.__contains__)
    matches = next((found for fit in fits if (found := [one for one in folders if fit(one.name, name)])), [])
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{name!r} fits {len(matches)} runs: {', '.join(folder.name for folder in matches[:6])}")
    known = format_similar_names(name, [folder.name for folder in folders], limit=4) if folders else "none"
    raise UsageError(f"no run {name!r} (no run.json there); runs in {out}: {known}")


def read_finished_runs(names: Sequence[str] | None, out: Path = RUNS) -> "tuple[list[Run], list[SkippedFolder]]":
    """Read the runs in `names`, or all finished runs in `out` if `names` is empty.

    Returns the runs, and the folders that were skipped with their reasons. Named runs are never skipped. Raises
    UsageError for a name that does not match one run, StoreError for a named run that cannot be read.
    """
    from alm_bench.records.run import SkippedFolder, find_run_folders, is_finished, read_folders, read_run

    if names:
        return [read_run(find_run(run, out)) for run in names], []
    folders, closed = find_run_folders(out)
    unfinished = [SkippedFolder(folder, "not finished") for folder in folders if not is_finished(folder)]
    runs, damaged = read_folders([folder for folder in folders if is_finished(folder)], read_run)
    return runs, [*closed, *unfinished, *damaged]
