"""Run folders by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core import UsageError
from alm_bench.core.errors import known_first
from alm_bench.core.files import is_file

if TYPE_CHECKING:  # reading runs needs numpy, which takes longer to load than `--help` takes to run
    from alm_bench.records.run import LeftOut, Run

RUNS = Path("results/runs")
"""Where run folders lie unless another folder is named."""

LATEST = "latest"
"""The name of the run that was begun last."""


def find_run(name: str, out: Path = RUNS) -> Path:
    """A run's folder by path, by name, by any part of its name that no other run has, or `latest`: the run that was
    begun last. Raises UsageError."""
    path = Path(name)
    if is_file(path / "run.json"):
        return path if path.name else path.resolve()  # `.` is a folder with a name too: reports print it
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
    known = known_first(name, [folder.name for folder in folders], limit=4) if folders else "none"
    raise UsageError(f"no run {name!r} (no run.json there); runs in {out}: {known}")


def read_finished_runs(named: Sequence[str] | None, out: Path = RUNS) -> "tuple[list[Run], list[LeftOut]]":
    """The runs that are named, each of which must be readable; else all finished ones, and what was left out. Raises
    UsageError, StoreError."""
    from alm_bench.records.run import LeftOut, find_run_folders, finished, read_each, read_run

    if named:
        return [read_run(find_run(run, out)) for run in named], []
    folders, closed = find_run_folders(out)
    unfinished = [LeftOut(folder, "not finished") for folder in folders if not finished(folder)]
    runs, damaged = read_each([folder for folder in folders if finished(folder)], read_run)
    return runs, [*closed, *unfinished, *damaged]
