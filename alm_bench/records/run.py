"""Reading of finished runs: their summaries and, if needed, the records of their items."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alm_bench.core import StoreError, Task
from alm_bench.records.item_scores import collect_item_scores, read_item_scores
from alm_bench.records.models import ItemScores, RunSummary
from alm_bench.records.schema import Record
from alm_bench.records.store import HEADER, SUMMARY, RunStore, read_header, read_records, read_summary

Read = TypeVar("Read")


class StoredRecords(Mapping[str, Record]):
    """Mapping of item ids to the records of a run, without skipped items.

    `samples.jsonl` is read at the first access, which may raise StoreError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records: dict[str, Record] | None = None

    def load(self) -> dict[str, Record]:
        if self._records is None:
            records, _ = read_records(self._folder)
            self._records = {record.sample.id: record for record in records if record.status != "skipped"}
        return self._records

    def __getitem__(self, key: str) -> Record:
        return self.load()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.load())

    def __len__(self) -> int:
        return len(self.load())


@dataclass(frozen=True, slots=True)
class Run:
    """Finished run of one task."""

    folder: Path
    """Folder of the run."""

    summary: RunSummary
    """Metrics of the run, with the settings that produced them."""

    records: Mapping[str, Record]
    """Records by item id, without skipped items."""

    scores: ItemScores | None = None
    """Scores of single items from `item_scores.json`; None if they are not stored."""


def is_finished(folder: Path) -> bool:
    return (folder / SUMMARY).is_file()


def read_run(folder: Path) -> Run:
    """Read a finished run. Raises StoreError if the folder does not contain one.

    If the scores of items are not stored separately, as in earlier versions, `samples.jsonl` is read immediately.
    """
    read_header(folder)
    if not is_finished(folder):
        raise StoreError(f"{folder} holds no finished run: run its command again, it goes on where it stopped")
    summary, data = read_summary(folder)
    records = StoredRecords(folder)
    scores = None
    if "accuracy" in summary.metrics and (scores := read_item_scores(folder, data)) is None:
        records.load()
    return Run(folder, summary, records, scores)


def finish_run(store: RunStore, task: Task, summary: RunSummary, records: Sequence[Record]) -> None:
    """Write the summary of a finished run and, if it has an accuracy, the scores of single items."""
    store.finish(summary, collect_item_scores(task, records) if "accuracy" in summary.metrics else None)


@dataclass(frozen=True, slots=True)
class SkippedFolder:
    """Folder that was skipped, because it could not be read as a run or the run is not finished."""

    folder: Path
    reason: str

    def as_json(self) -> dict[str, str]:
        return {"run": self.folder.name, "reason": self.reason}


def find_run_folders(out: Path) -> tuple[list[Path], list[SkippedFolder]]:
    """Return the run folders in `out`, oldest first, and the folders that the system does not allow to read.

    Raises StoreError if `out` itself cannot be read; a missing `out` contains no runs.
    """
    found: list[tuple[float, str, Path]] = []
    left_out = []
    try:
        folders = sorted(out.iterdir())
    except FileNotFoundError:
        folders = []
    except OSError as error:
        raise StoreError(f"cannot read {out}: {error.strerror}") from error
    for folder in folders:
        try:
            found.append(((folder / HEADER).stat().st_mtime, folder.name, folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            left_out.append(SkippedFolder(folder, f"cannot read {folder}: {error.strerror}"))
    return [folder for _, _, folder in sorted(found)], left_out


def read_folders(folders: Sequence[Path], read: Callable[[Path], Read]) -> tuple[list[Read], list[SkippedFolder]]:
    """Apply `read` to each folder. Return its results, and the folders for which it raised StoreError."""
    values, left_out = [], []
    for folder in folders:
        try:
            values.append(read(folder))
        except StoreError as error:
            left_out.append(SkippedFolder(folder, str(error)))
    return values, left_out
