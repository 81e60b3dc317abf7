"""Unpacking of .zip, .7z and .tar.gz archives: selected members are written into one folder, by their base names."""

import fnmatch
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from alm_bench.core import FetchError
from alm_bench.core.errors import get_first_line
from alm_bench.core.files import translate_write_errors
from alm_bench.data.fetch import OPTION, ProgressCallback, check_free_space

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A member (file) of an archive."""

    name: str
    """Path within the archive."""

    base_name: str
    """Base name, which is its file name in the target folder."""

    size: int
    """Unpacked size in bytes."""


def check_can_unpack(name: str) -> None:
    """Check that this installation can unpack the archive, before it is downloaded. Raises FetchError for an unknown
    suffix and if py7zr is missing."""
    suffix = _find_suffix(name)
    if suffix is None:
        raise FetchError(f"{name}: archives are {', '.join(_UNPACKERS)}")
    if suffix == ".7z":
        try:
            import py7zr  # noqa: F401
        except ImportError as error:
            raise FetchError(f"{name} needs py7zr: pip install 'alm-bench[data]', then run the same command") from error


def unpack(archive: Path, folder: Path, members: str, report_progress: ProgressCallback) -> dict[str, int]:
    """Unpack the members whose base names match the glob pattern `members` into `folder`. Returns their sizes in bytes
    by base name.

    Folders within the archive are ignored. A file that already exists with its full size is skipped, so that an
    interrupted call can be resumed. Raises FetchError if the archive is damaged or holds no such member, StoreError if
    a file cannot be written.
    """
    check_can_unpack(archive.name)
    with translate_write_errors(folder, OPTION):
        folder.mkdir(parents=True, exist_ok=True)
    with _convert_archive_errors(archive), translate_write_errors(folder, OPTION):
        return _UNPACKERS[_find_suffix(archive.name) or ".zip"](archive, folder, members, report_progress)


def _find_suffix(name: str) -> str | None:
    """Return the suffix of an archive that can be unpacked; None for other names."""
    return next((suffix for suffix in _UNPACKERS if name.lower().endswith(suffix)), None)


def copy_stream(
    source: IO[bytes], path: Path, size: int, report_progress: Callable[[int], None] = lambda count: None
) -> None:
    """Copy `source` to the file `path`, which is created only if exactly `size` bytes arrive. Calls
    `report_progress` with the length of each piece. Raises EOFError for another number of bytes."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        while piece := source.read(PIECE):
            report_progress(file.write(piece))
    if part.stat().st_size != size:
        raise EOFError(f"{path.name} ends too early")
    part.replace(path)


@contextmanager
def _convert_archive_errors(archive: Path) -> Iterator[None]:
    """Convert every error of a damaged archive into a FetchError with a one-line message."""
    damaged: tuple[type[Exception], ...] = (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    )  # fmt: skip
    if archive.suffix.lower() == ".7z":
        import py7zr.exceptions

        damaged = (*damaged, py7zr.exceptions.ArchiveError, py7zr.exceptions.PasswordRequired)
    try:
        yield
    except damaged as error:
        raise FetchError(
            f"{archive}: cannot be unpacked ({get_first_line(error)}): remove it and run the same command again"
        ) from error


def _select_members(archive: Path, members: Sequence[Member], pattern: str) -> list[Member]:
    """Return the members whose base names match the glob pattern, ignoring case. Raises FetchError if there are none
    or if two have the same base name."""
    selected: dict[str, Member] = {}
    for member in members:
        if not fnmatch.fnmatchcase(member.base_name.lower(), pattern.lower()) or member.base_name.startswith("."):
            continue  # `._x.wav` is a metadata file that macOS adds to x.wav
        if member.base_name in selected:
            raise FetchError(
                f"{archive}: holds {selected[member.base_name].name} and {member.name}, expected each name once"
            )
        selected[member.base_name] = member
    if not selected:
        raise FetchError(f"{archive}: holds no {pattern} among its {len(members)} files")
    return list(selected.values())


def _get_base_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


class _Progress:
    """Counter of unpacked bytes. It reports every change to a callback."""

    def __init__(self, name: str, total: int, report_progress: ProgressCallback) -> None:
        self.done = 0
        self.name, self.total, self.tell = name, total, report_progress

    def add(self, count: int) -> None:
        self.done += count
        self.tell(f"unpacking {self.name}", self.done, self.total)


def _find_missing_members(selected: Sequence[Member], folder: Path, progress: _Progress) -> list[Member]:
    """Return the selected members that `folder` does not hold in full size. The sizes of the others are added to
    `progress`, because they are unpacked already."""
    todo = []
    for member in selected:
        place = folder / member.base_name
        if place.is_file() and place.stat().st_size == member.size:
            progress.add(member.size)
        else:
            todo.append(member)
    check_free_space(folder, sum(member.size for member in todo))
    return todo


def _unpack_zip(archive: Path, folder: Path, pattern: str, report_progress: ProgressCallback) -> dict[str, int]:
    """Unpack the matching members of a zip archive. Returns their sizes in bytes by base name, as `unpack` does."""
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)]
        found = [Member(info.filename, _get_base_name(info.filename), info.file_size) for info in infos]
        selected = _select_members(archive, found, pattern)
        progress = _Progress(archive.name, sum(member.size for member in selected), report_progress)
        for member in _find_missing_members(selected, folder, progress):
            with file.open(member.name) as source:
                copy_stream(source, folder / member.base_name, member.size, progress.add)
    return {member.base_name: member.size for member in selected}


def _unpack_tar(archive: Path, folder: Path, pattern: str, report_progress: ProgressCallback) -> dict[str, int]:
    """Unpack the matching members of a tar archive. Returns their sizes in bytes by base name, as `unpack` does."""
    with gzip.open(archive) as stream, _convert_gzip_errors(), tarfile.open(fileobj=stream) as file:
        found = [Member(info.name, _get_base_name(info.name), info.size) for info in file.getmembers() if info.isfile()]
        while stream.read(PIECE):  # the checksum of all members is at the end of the file
            pass
        selected = _select_members(archive, found, pattern)
        progress = _Progress(archive.name, sum(member.size for member in selected), report_progress)
        for member in _find_missing_members(selected, folder, progress):  # in the archive's order, read forwards
            source = file.extractfile(member.name)
            assert source is not None  # it is a regular file
            copy_stream(source, folder / member.base_name, member.size, progress.add)
    return {member.base_name: member.size for member in selected}


@contextmanager
def _convert_gzip_errors() -> Iterator[None]:
    """Convert BadGzipFile into a ReadError of tarfile. BadGzipFile is an OSError, which would be reported like an error
    of writing, such as a full disk."""
    try:
        yield
    except gzip.BadGzipFile as error:
        raise tarfile.ReadError(str(error)) from error


def _create_writer_factory(folder: Path, progress: _Progress) -> Any:
    """Build the writer factory by which py7zr writes members to `folder`. A member is first written to a partial file,
    which gets the member's name when the writer of the next one is created, since py7zr has then verified its checksum.
    """
    from py7zr.io import Py7zIO, WriterFactory

    class MemberWriter(Py7zIO):  # type: ignore[misc,unused-ignore]  # base class of an optional library
        def __init__(self, path: Path) -> None:
            self.place, self.part = path, path.with_name(f"{path.name}.part")
            self.file = self.part.open("wb")

        def write(self, s: bytes | bytearray) -> int:
            progress.add(len(s))
            return self.file.write(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            self.file.flush()

        def size(self) -> int:
            return self.file.tell()

        def close(self) -> None:
            self.file.close()

    class MemberWriterFactory(WriterFactory):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.last: MemberWriter | None = None

        def create(self, filename: str) -> MemberWriter:
            self.finish()
            self.last = MemberWriter(folder / _get_base_name(filename))
            return self.last

        def finish(self) -> None:
            """Close the last partial file and give it the name of its member."""
            if self.last is not None:
                self.last.close()
                self.last.part.replace(self.last.place)
            self.last = None

        def undo(self) -> None:
            """Close and remove the last partial file."""
            if self.last is not None:
                self.last.close()
                self.last.part.unlink(missing_ok=True)
            self.last = None

    return MemberWriterFactory()


def _unpack_7z(archive: Path, folder: Path, pattern: str, report_progress: ProgressCallback) -> dict[str, int]:
    """Unpack the matching members of a 7z archive. Returns their sizes in bytes by base name, as `unpack` does."""
    import py7zr

    with archive.open("rb") as opened, py7zr.SevenZipFile(opened) as file:
        infos = [info for info in file.list() if info.is_file and not info.is_symlink]
        found = [Member(info.filename, _get_base_name(info.filename), info.uncompressed) for info in infos]
        selected = _select_members(archive, found, pattern)
        progress = _Progress(archive.name, sum(member.size for member in selected), report_progress)
        todo = _find_missing_members(selected, folder, progress)
        writers = _create_writer_factory(folder, progress)
        try:
            if todo:
                file.extract(folder, targets=[member.name for member in todo], factory=writers)
        except BaseException:
            writers.undo()
            raise
        writers.finish()
    return {member.base_name: member.size for member in selected}


_UNPACKERS: dict[str, Callable[[Path, Path, str, ProgressCallback], dict[str, int]]] = {
    ".zip": _unpack_zip,
    ".7z": _unpack_7z,
    ".tar.gz": _unpack_tar,
    ".tgz": _unpack_tar,
}
"""Function that unpacks an archive, by suffix."""
