"""Writing of run folders: one process writes at a time, each line is durable, runs can be resumed after any crash."""

import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from alm_bench.core import StoreError, StoreLostError
from alm_bench.core.files import lock_folder, translate_write_errors, write_atomically
from alm_bench.core.foreign import dump_json
from alm_bench.records import version_1
from alm_bench.records.files import find_version, read_bytes, read_object, read_run_file, read_summary_file
from alm_bench.records.models import SCHEMA_VERSION, ItemScores, RunHeader, RunSummary, Stamp, build_runs_json, to_json
from alm_bench.records.schema import Record

HEADER, SAMPLES, SUMMARY = "run.json", "samples.jsonl", "summary.json"
ITEM_SCORES = "item_scores.json"


def read_header(folder: Path) -> RunHeader:
    """Read the `run.json` of a run folder. Raises StoreError."""
    return read_run_file(folder / HEADER)


def read_summary(folder: Path) -> tuple[RunSummary, bytes]:
    """Read the `summary.json` of a run folder; return the run's summary and the file's bytes. Raises StoreError."""
    found, data = read_summary_file(folder / SUMMARY)
    return found.runs[0], data


def read_records(folder: Path) -> tuple[list[Record], bool]:
    """Read the complete lines of `samples.jsonl`.

    Returns the records in file order, and True if an incomplete last line was ignored. A line is incomplete if it has
    no newline, because the process was killed while it wrote. If several lines have the same id, the last one is used.
    Raises StoreError.
    """
    path = folder / SAMPLES
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    lines = data.split(b"\n")
    torn = lines.pop() != b""
    records = {}
    for number, line in enumerate(lines, 1):
        record = Record.read(line, f"{path}, line {number}")
        records[record.sample.id] = record
    return list(records.values()), torn


class RunStore:
    """Folder of one run, locked against other writers while it is open.

    `kept` holds the records that earlier sessions have stored. Opening the store removes an incomplete last line. It
    also removes the records of failed items, which are to be retried, unless `keep_failures` is set (scoring retries
    nothing). With `fresh`, it removes all records.

    Methods raise StoreLostError once the files are no longer at their paths. All records are also held in memory: if no
    other file has taken the place of a lost file, the records are written there again before the error is raised.
    """

    def __init__(self, folder: Path, header: RunHeader, fresh: bool = False, keep_failures: bool = False) -> None:
        self.folder = folder
        self._header = {"schema_version": SCHEMA_VERSION, **to_json(header)}  # later with unknown keys of the file too
        self._fresh = fresh
        self._keep_failures = keep_failures
        self._held = ExitStack()
        self._file: int | None = None
        self._records: dict[str, Record] = {}
        self._losing = threading.Lock()  # `append` and `check` may be called from different threads
        self._lost: StoreLostError | None = None
        self._restoring = False
        self._stable_inodes = True
        self._outdated = False  # True if run.json has an earlier schema version
        self.kept: list[Record] = []

    def __enter__(self) -> "RunStore":
        with ExitStack() as undo:
            undo.enter_context(lock_folder(self.folder))
            self._open()
            self._held = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        self._held.close()

    def _open(self) -> None:
        """Create or read `run.json`, read the stored records, and open `samples.jsonl` for appending.

        Raises StoreError if the folder holds a run with another fingerprint.
        """
        samples = self.folder / SAMPLES
        if self._fresh:
            self._remove_summary()
            with translate_write_errors(self.folder):
                samples.unlink(missing_ok=True)
        if self._fresh or not (self.folder / HEADER).exists():
            self._write_header()
        found = self._read_header()
        if (other := found.get("fingerprint")) != self._header["fingerprint"]:
            raise StoreError(f"{self.folder} holds another run (fingerprint {other}): name another --out")
        self._header = found
        records, torn = read_records(self.folder)
        self.kept = [record for record in records if self._keep_failures or not record.needs_retry]
        self._records = {record.sample.id: record for record in self.kept}
        self._open_for_append(samples)
        if torn or len(self.kept) != len(records):
            self.rewrite(self.kept)

    def _read_header(self) -> dict[str, Any]:
        """Return the content of `run.json` as a JSON object, with the keys that `RunHeader` does not define."""
        path = self.folder / HEADER
        data = read_bytes(path)
        self._outdated = find_version(data) != SCHEMA_VERSION
        return read_object(data, path, version_1.upgrade_header)

    def _write_header(self) -> None:
        write_atomically(self.folder / HEADER, dump_json(self._header, indent=1) + "\n")
        self._outdated = False

    def _open_for_append(self, samples: Path) -> None:
        """Open `samples.jsonl` for appending."""
        self._close()
        with translate_write_errors(samples):
            self._file = os.open(samples, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            # Some network file systems return other inode numbers at each call; there, only presence is checked.
            self._stable_inodes = os.path.samestat(os.fstat(self._file), samples.stat())

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _remove_summary(self) -> None:
        """Remove the summary: a run is not finished while its records change."""
        with translate_write_errors(self.folder):
            (self.folder / SUMMARY).unlink(missing_ok=True)
            (self.folder / ITEM_SCORES).unlink(missing_ok=True)

    def check(self) -> None:
        """Raise StoreLostError unless `run.json` and the open `samples.jsonl` are still at their paths."""
        with self._losing:
            if self._lost is None and (loss := self._find_loss()) is not None:
                self._lost = StoreLostError(f"{self.folder}: {loss} while the run was writing it; {self._recover()}")
            if self._lost is not None:
                raise self._lost

    def _find_loss(self) -> str | None:
        """Return which of the run's files is no longer in place, in words; None if all are."""
        header, samples = self.folder / HEADER, self.folder / SAMPLES
        if not self.folder.is_dir():
            return "the folder was removed or moved"
        if not samples.exists():
            return f"{SAMPLES} was removed or moved"
        if not self._is_open_file_at_path():
            return f"{SAMPLES} was replaced"
        return None if header.exists() else f"{HEADER} was removed or moved"

    def _recover(self) -> str:
        """Write the records in memory to the original path, if possible; return advice for the error message.

        Nothing is written if another file is at the path, or if the open file still exists under another path.
        """
        self._restoring = self._is_open_file_at_path() if (self.folder / SAMPLES).exists() else not self._is_linked()
        advice = "nothing more was asked; the same command resumes from what is stored"
        if not self._restoring:
            return advice
        self._restore()
        return f"its {len(self._records)} records were written there again; {advice}"

    def _restore(self) -> None:
        """Write `run.json` and `samples.jsonl` again from memory."""
        self._write_header()
        write_atomically(self.folder / SAMPLES, "".join(record.to_json_line() for record in self._records.values()))

    def _is_open_file_at_path(self) -> bool:
        """Return True if the path of `samples.jsonl` still leads to the open file."""
        assert self._file is not None, "the store is not open"
        return not self._stable_inodes or os.path.samestat(os.fstat(self._file), (self.folder / SAMPLES).stat())

    def _is_linked(self) -> bool:
        """Return True if the open file still has a path, which may be another one than before."""
        assert self._file is not None, "the store is not open"
        return os.fstat(self._file).st_nlink > 0

    def append(self, records: Sequence[Record]) -> None:
        """Append records. They are on disk when this method returns; a failed write leaves no incomplete line."""
        with self._losing:
            self._records.update({record.sample.id: record for record in records})
        try:
            self.check()
        except StoreLostError:
            with self._losing:
                if self._restoring:
                    self._restore()  # with these records
                elif self._is_linked():
                    self._write(records)  # to the new path of the moved file
            raise
        self._remove_summary()
        self._write(records)

    def _write(self, records: Sequence[Record]) -> None:
        """Append records to the open file and wait until they are on disk. A failed write is undone."""
        assert self._file is not None, "the store is not open"
        data = "".join(record.to_json_line() for record in records).encode()
        start = os.fstat(self._file).st_size
        with translate_write_errors(self.folder / SAMPLES):
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._file, data[written:])
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, start)
                raise

    @property
    def header(self) -> RunHeader:
        """Content of `run.json`. Raises StoreError."""
        return read_header(self.folder)

    def update_header(self, **found: Any) -> None:
        """Set the given fields of `run.json` while the run is in progress. The other keys of the file do not change."""
        self.check()
        assert found.keys() <= set(RunHeader.__struct_fields__), f"no fields of run.json: {sorted(found)}"
        before = self._read_header()
        self._header = {**before, **to_json(found)}
        if self._header != before or self._outdated:
            self._write_header()

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace all lines of `samples.jsonl` atomically."""
        records = list(records)
        self.check()
        self._records = {record.sample.id: record for record in records}
        self._remove_summary()
        write_atomically(self.folder / SAMPLES, "".join(record.to_json_line() for record in records))
        self._open_for_append(self.folder / SAMPLES)  # the open file is the replaced one

    def finish(self, summary: RunSummary, scores: ItemScores | None = None) -> None:
        """Write `summary.json`, whose presence marks the run as finished.

        `scores` are written beside it, with a stamp of the files that they belong to.
        """
        self.check()
        text = dump_json(build_runs_json([summary]), indent=1) + "\n"
        if scores is not None:
            stamp = compute_stamp(text.encode(), self.folder)
            entry = {"schema_version": SCHEMA_VERSION, **to_json(stamp), **to_json(scores)}
            write_atomically(self.folder / ITEM_SCORES, dump_json(entry) + "\n")
        write_atomically(self.folder / SUMMARY, text)


def compute_stamp(summary: bytes, folder: Path) -> Stamp:
    """Return the stamp of the bytes of a `summary.json` and of the current size of `samples.jsonl`."""
    samples = folder / SAMPLES
    size = samples.stat().st_size if samples.is_file() else None
    return Stamp(summary_sha256=hashlib.sha256(summary).hexdigest(), samples_bytes=size)
