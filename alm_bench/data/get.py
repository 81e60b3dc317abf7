"""Download of a task's public data into the folder layout that the task's card declares."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from alm_bench.core import DataFile, DownloadSource, FetchError, StoreError, TaskCard
from alm_bench.core.files import translate_write_errors, write_atomically
from alm_bench.data.fetch import OPTION, Fetcher, drop_archive, fetch_archive
from alm_bench.data.hub import HubCopy, fetch_hub_copy
from alm_bench.data.manifest import compute_cached_sha256
from alm_bench.data.root import LocalRoot
from alm_bench.data.unpack import check_can_unpack, unpack

HUB = "https://huggingface.co"
LOCK = ".alm-bench-get.lock"


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Result of a download: of one file, or of all clips of a task (role `clips`)."""

    task: str
    """Name of the task."""

    role: str
    """Role of the file on the task's card, or `clips`."""

    declared_path: str
    """File name or glob pattern that the card declares."""

    state: Literal["fetched", "there", "elsewhere", "failed"]
    """`fetched`: downloaded now. `there`: it existed before. `elsewhere`: it cannot be downloaded automatically.
    `failed`: the download failed."""

    note: str = ""
    """Reason of a failure, instructions for a file that cannot be downloaded, or a remark on the file."""

    path: Path | None = None
    """Path of the file or folder; None if it is missing or unknown."""


@dataclass(frozen=True)
class Downloader:
    """Downloader of a task's files and clips into one folder."""

    folder: Path
    """Folder that the files are written to."""

    fetcher: Fetcher
    """Downloader of single files."""

    count_missing: Callable[[], int | None] = lambda: None
    """Function that returns the number of the task's missing clips; None if the number cannot be determined yet."""

    alternatives: bool = False
    """True to download also the sources that the card marks as alternatives."""

    keep_archives: bool = False
    """True to keep archives after they are unpacked."""

    def download_task(self, card: TaskCard, split: str) -> Iterator[FetchResult]:
        """Download the files and clips of a task's `split`, one after the other, and yield one result each.

        A file that is unavailable yields a result with a failed state and does not stop the others. Raises StoreError
        if nothing more can be written.
        """
        files = [
            file
            for file in card.files
            if file.split in (None, split) and (file.fetch is None or not file.fetch.alternative or self.alternatives)
        ]
        for file in files:
            yield replace(self._fetch_file(file), task=card.name)
        if card.audio and not any(file.fetch is not None and file.fetch.hub is not None for file in files):
            yield replace(self._fetch_clips(card, split), task=card.name)

    def _fetch_file(self, file: DataFile) -> FetchResult:
        source, root = file.fetch, LocalRoot(self.folder)
        place = file.names[0] if source is None else source.to
        try:
            if source is not None and source.hub is not None:
                return self._fetch_hub_data_set(file, source, source.hub)
            if root.has(file):
                path = root.locate(file)
                return FetchResult("", file.role, place, "there", _describe_revision(file, path), path)
            if source is None or source.url is None:
                return FetchResult("", file.role, place, "elsewhere", f"get it from {file.source}")
            checksum = self.fetcher.find_checksum(source)
            path = self.folder / source.to
            self.fetcher.fetch(source.url, path, checksum, source.size)
            return FetchResult("", file.role, place, "fetched", _describe_check(file, path, checksum), path)
        except FetchError as error:
            return FetchResult("", file.role, place, "failed", f"{error}; its source: {file.source}")

    def _fetch_hub_data_set(self, file: DataFile, source: DownloadSource, dataset: str) -> FetchResult:
        folder = self.folder / source.to
        copy = HubCopy.read(folder, dataset)
        there = copy is not None and copy.whole
        if copy is None and LocalRoot(self.folder).has(file):
            return FetchResult("", file.role, source.to, "there", "a copy that was not fetched by this command", folder)
        if copy is None or not copy.whole:
            endpoint = self.fetcher.apply_mirrors(HUB)
            copy = fetch_hub_copy(dataset, folder, None if endpoint == HUB else endpoint, OPTION)
        note = f"{len(copy.files)} files of {dataset} at {copy.revision[:12]}"
        return FetchResult("", file.role, source.to, "there" if there else "fetched", note, folder)

    def _fetch_clips(self, card: TaskCard, split: str) -> FetchResult:
        source = card.audio_fetch
        missing = self.count_missing()
        if source is None or source.url is None or source.split not in (None, split):
            place = card.audio[0].replace("<split>", split)
            if missing == 0:
                return FetchResult("", "clips", place, "there")
            said = "the clips" if missing is None else f"{missing:,} clips"
            note = f"get {said} from {card.audio_source or card.source}; put them below {self.folder} as {place}"
            return FetchResult("", "clips", place, "elsewhere", note)
        folder = self.folder / source.to
        if missing == 0:
            return FetchResult("", "clips", source.to, "there", path=folder)
        if (count := _count_unpacked(folder, source)) is not None:
            lack = f"; {missing:,} of the task's clips are not among them" if missing else ""
            return FetchResult("", "clips", source.to, "there", f"all {count:,} files of the archive{lack}", folder)
        try:
            put = self._fetch_and_unpack(source, source.url)
        except FetchError as error:
            return FetchResult("", "clips", source.to, "failed", str(error))
        missing = self.count_missing()
        lack = f"; {missing:,} of the task's clips are not among them" if missing else ""
        return FetchResult("", "clips", source.to, "fetched", f"{put:,} files{lack}", folder)

    def _fetch_and_unpack(self, source: DownloadSource, url: str) -> int:
        """Download an archive next to the folder of its members, and unpack it. Returns the number of unpacked
        files."""
        folder = self.folder / source.to
        archive = folder.parent / _get_file_name(url)
        check_can_unpack(archive.name)
        fetch_archive(self.fetcher, url, archive, self.fetcher.find_checksum(source), source.size)
        sizes = unpack(archive, folder, source.members or "*", self.fetcher.tell)
        write_atomically(
            _get_unpacked_list_path(folder, url), json.dumps({"url": url, "files": sizes}, ensure_ascii=False), OPTION
        )
        drop_archive(archive, self.keep_archives)
        return len(sizes)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock `folder`, so that no other process downloads into it at the same time. Raises StoreError if another process
    holds the lock."""
    from filelock import FileLock, Timeout

    with translate_write_errors(folder, OPTION):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreError(f"another process fetches into {folder}: wait for it, or name another folder") from error
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)  # before the release: after it, another process may own the file
        lock.release()


def _get_file_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _get_unpacked_list_path(folder: Path, url: str) -> Path:
    """Return the path of the file that lists the unpacked members. The list is needed because the archive itself is
    removed."""
    return folder / f".{_get_file_name(url)}.json"


def _count_unpacked(folder: Path, source: DownloadSource) -> int | None:
    """Return the number of files that were unpacked from the source's archive; None unless all of them still exist with
    their sizes."""
    try:
        marker = json.loads(_get_unpacked_list_path(folder, source.url or "").read_text(encoding="utf-8"))
        sizes = {folder / name: size for name, size in marker["files"].items()}
        whole = all(path.stat().st_size == size for path, size in sizes.items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return len(sizes) if whole else None


def _describe_revision(file: DataFile, path: Path) -> str:
    if not file.revisions:
        return ""
    known = file.revisions.get(compute_cached_sha256(path))
    return f"revision {known}" if known else "a revision that is not known here"


def _describe_check(file: DataFile, path: Path, checksum: str | None) -> str:
    """Return a remark on a downloaded file: its revision, and the algorithm of the checksum that it matches."""
    by = f"{checksum.partition(':')[0]} as published" if checksum else "no published checksum"
    return "; ".join(filter(None, (_describe_revision(file, path), by)))
