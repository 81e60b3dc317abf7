"""`alm-bench data get`: download the public files of tasks, and print where to get the others."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_data_get, complete_metrics
from alm_bench.cli.output import print_blocks, print_text
from alm_bench.core import DataError, FetchError, UsageError
from alm_bench.core.options import check_choice, split_pair
from alm_bench.resolve import find_clips, pick_split, select_tasks

if TYPE_CHECKING:
    from alm_bench.data import Fetcher, FetchResult
    from alm_bench.plugins import TaskEntry

SPICE = "spice"
METRIC = "metric"


def get(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK[,TASK]...|all|spice|metric",
            help="Tasks or collections (such as cld); spice: the models of the parser that SPICE uses; metric NAME: "
            "the weights of a metric.",
            autocompletion=complete_data_get,
        ),
    ],
    metric: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Metric, after `metric`.", autocompletion=complete_metrics)
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder. [default: $ALM_BENCH_DATA, else ./data; spice and metric: user cache]"
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Split. [default: each task's first]")] = None,
    alternatives: Annotated[
        bool, typer.Option("--alternatives", help="Also download the same data from alternative sources.")
    ] = False,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep archives after unpacking.")] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX=URL", help="Replace the beginning of addresses (also $ALM_BENCH_MIRROR)."),
    ] = None,
    json_: common.Json = False,
) -> None:
    """Download a task's files and clips. The same command resumes.

    They go into the folder layout that `data info` shows.

    Exits 1 if something could not be downloaded.
    """
    from alm_bench.cli.progress import DownloadProgress
    from alm_bench.data import Fetcher, read_mirror_variable

    pairs = [*read_mirror_variable(), *(mirror or ())]
    with DownloadProgress() as progress:
        fetcher = Fetcher(dict(split_pair(pair, "--mirror") for pair in pairs), progress.show_file)
        if task == METRIC:
            folder, rows = _download_weights(metric, fetcher, to)
        elif metric is not None:
            raise UsageError(f"data get found a second name, {metric!r}: separate tasks by commas")
        elif task == SPICE:
            folder, rows = _find_spice(fetcher, to, keep_archives)
        else:
            folder = to or Path(os.environ.get("ALM_BENCH_DATA") or "data")
            settings = {"alternatives": alternatives, "keep_archives": keep_archives}
            rows = [_build_row(got) for got in _download_tasks(task, folder, split, fetcher, settings)]
    _print(folder, rows, json_)
    if any(row["state"] == "failed" for row in rows):
        raise typer.Exit(1)


def _download_tasks(
    task_names: str, folder: Path, split: str | None, fetcher: "Fetcher", settings: dict[str, bool]
) -> "Iterator[FetchResult]":
    """Download the files of tasks and yield one result per file.

    `task_names` is the command's argument: comma-separated tasks and collections, or `all`. `settings` are options of
    `Downloader`. Raises UsageError for other names.
    """
    from alm_bench.data import Downloader, lock_folder
    from alm_bench.plugins import catalogue

    names = [name.strip() for name in task_names.split(",") if name.strip()]
    if not names:
        raise UsageError("data get names no task: give tasks, a collection, all, or spice")
    if SPICE in names:
        raise UsageError("spice cannot be combined with tasks: its files do not go into a data folder")
    if names == ["all"]:
        every = [entry for _, entry in sorted(catalogue().tasks.items())]
        entries = [entry for entry in every if split is None or split in entry.card.splits]
        if not entries:
            check_choice(split or "", {name for entry in every for name in entry.card.splits}, "--split")
    else:
        entries = select_tasks(task_names, "data get")
    splits = [pick_split(entry, split) for entry in entries]
    with lock_folder(folder):
        for entry, chosen in zip(entries, splits, strict=True):
            missing = _MissingClipCounter(entry, folder, chosen)
            yield from Downloader(folder, fetcher, missing, **settings).download_task(entry.card, chosen)


class _MissingClipCounter:
    """Function object that returns the number of a task's missing clips; None as long as its questions are missing."""

    def __init__(self, entry: "TaskEntry", folder: Path, split: str) -> None:
        self._entry, self._folder, self._split = entry, folder, split

    def __call__(self) -> int | None:
        from alm_bench.data import LocalRoot, inspect_clips

        try:
            clips = find_clips(self._entry, LocalRoot(self._folder), self._split)
        except DataError:
            return None
        return len(inspect_clips(clips).missing)


def _find_spice(fetcher: "Fetcher", to: Path | None, keep_archive: bool) -> tuple[Path, list[dict[str, Any]]]:
    """Find or download the CoreNLP jars that SPICE needs; return their folder and one table row per jar.

    `to` replaces the default folder, in which SPICE searches for them.
    """
    from alm_bench.core import MetricError
    from alm_bench.core.files import get_cache_folder
    from alm_bench.data import fetch_corenlp, lock_folder
    from alm_bench.scoring.spice import CORENLP, find_spice_folder

    folder = to or get_cache_folder("spice")
    try:
        there = folder if to is not None and all((to / jar).is_file() for jar in CORENLP) else None
        there = find_spice_folder() if to is None else there
    except MetricError:
        there = None
    if there is not None:
        return there, [_build_jar_row(there / jar, "there", "") for jar in CORENLP]
    with lock_folder(folder):
        rows = []
        for jar in fetch_corenlp(fetcher, folder, CORENLP, keep_archive):
            known = jar.build or "a build that is not known here, whole and with all that SPICE loads"
            note = f"came with sha256 {jar.sha256}: {known}{'; cut to what SPICE loads' if jar.reduced else ''}"
            rows.append(_build_jar_row(jar.path, "fetched", note))
    return folder, rows


def _download_weights(name: str | None, fetcher: "Fetcher", to: Path | None) -> tuple[Path, list[dict[str, Any]]]:
    """Download the weights of a metric; return their folder and one table row per file.

    Size and licence are printed before the download. `to` replaces the default folder, in which metrics search.
    """
    from alm_bench.core.escape import print_notice
    from alm_bench.data import lock_folder
    from alm_bench.scoring.metrics import get_sentence_metric_spec, list_metric_specs
    from alm_bench.scoring.weights import SOURCES, get_default_folder

    known = [metric for metric, spec in list_metric_specs().items() if spec.weights and spec.compute is not None]
    if name is None or not (parts := get_sentence_metric_spec(name).weights):
        raise UsageError(f"data get metric takes a metric with weights, found {name!r}; known: {', '.join(known)}")
    rows = []
    for part in parts:
        source, folder = SOURCES[part], get_default_folder(part) if to is None else to / part
        print_notice(f"{part}: {source.title}, about {source.megabytes:,} MB, licence {source.licence}; to {folder}")
        with lock_folder(folder):
            for file in source.files:
                state, note = "there", ""
                try:
                    if not (folder / file.name).is_file():
                        fetcher.fetch(file.url, folder / file.name, file.checksum)
                        state = "fetched"
                except FetchError as error:
                    state, note = "failed", str(error)
                rows.append(_build_file_row(f"{METRIC} {name}", part, folder / file.name, state, note))
    return to or get_default_folder(parts[0]).parent, rows


def _build_jar_row(path: Path, state: str, note: str) -> dict[str, Any]:
    return _build_file_row(SPICE, "jar", path, state, note)


def _build_file_row(task: str, role: str, path: Path, state: str, note: str) -> dict[str, Any]:
    """Return the table row of one file. The file need not exist, since its download may have failed."""
    from alm_bench.data import compute_cached_sha256

    exists = path.is_file()
    return {
        "task": task,
        "role": role,
        "place": path.name,
        "state": state,
        "path": str(path) if exists else None,
        "bytes": path.stat().st_size if exists else None,
        "sha256": compute_cached_sha256(path) if exists else None,
        "note": note,
    }


def _build_row(result: "FetchResult") -> dict[str, Any]:
    """Return the table row of a downloaded file."""
    from alm_bench.data import compute_cached_sha256

    is_file = result.path is not None and result.path.is_file()
    return {
        "task": result.task,
        "role": result.role,
        "place": result.declared_path,
        "state": result.state,
        "path": None if result.path is None else str(result.path),
        "bytes": result.path.stat().st_size if is_file and result.path else None,
        "sha256": compute_cached_sha256(result.path) if is_file and result.path else None,
        "note": result.note,
    }


def _print(folder: Path, rows: list[dict[str, Any]], json_: bool) -> None:
    from alm_bench.reports.data import build_fetch_notes, build_fetch_table

    if json_:
        common.print_json({"folder": str(folder), "files": rows})
        return
    print_blocks(build_fetch_table(folder, rows))
    if notes := build_fetch_notes(rows):
        print()
        print_text(notes)
