"""Unpacking of archives: selected members, by base name, into one folder."""

import fnmatch
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from alm_bench.core import FetchError
from alm_bench.core.errors import first_line
from alm_bench.core.files import report_full_disk
from alm_bench.data.fetch import OPTION, Tell, check_free_space

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    name: str
    """Path in the archive."""

    base: str
    """File name in the target folder."""

    size: int
    """Unpacked size in bytes."""


def can_unpack(name: str) -> None:
    """Check that this installation can open an archive, before it is downloaded. Raises FetchError."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (".zip", ".7z"):
        raise FetchError(f"{name}: archives are .zip or .7z")
    if suffix == ".7z":
        try:
            import py7zr  # noqa: F401
        except ImportError as error:
            raise FetchError(f"{name} needs py7zr: pip install 'alm-bench[data]', then run the same command") from error


def unpack(archive: Path, folder: Path, members: str, tell: Tell) -> dict[str, int]:
    """Unpack the members whose base names match the pattern `members` into `folder`; return their sizes by base name.

    Folders within the archive are ignored. A file that already exists in full is skipped, so that an interrupted call
    resumes. Raises FetchError for an archive that is damaged or holds no such member, and StoreError.
    """
    can_unpack(archive.name)
    with report_full_disk(folder, OPTION):
        folder.mkdir(parents=True, exist_ok=True)
    with _reading(archive), report_full_disk(folder, OPTION):
        unpacked = _unzip if archive.suffix.lower() == ".zip" else _unseven
        return unpacked(archive, folder, members, tell)


def copy_stream(source: IO[bytes], place: Path, size: int, told: Callable[[int], None] = lambda count: None) -> None:
    """Write `size` bytes to `place`, all or none."""
    part = place.with_name(f"{place.name}.part")
    with part.open("wb") as file:
        while piece := source.read(PIECE):
            told(file.write(piece))
    if part.stat().st_size != size:
        raise EOFError(f"{place.name} ends too early")
    part.replace(place)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Convert every error that a damaged archive causes in its reader into a FetchError of one line."""
    damaged: tuple[type[Exception], ...] = (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    )  # fmt: skip
    if archive.suffix.lower() == ".7z":
        import py7zr.exceptions

        damaged = (*damaged, py7zr.exceptions.ArchiveError, py7zr.exceptions.PasswordRequired)
    try:
        yield
    except damaged as error:
        raise FetchError(
            f"{archive}: cannot be unpacked ({first_line(error)}): remove it and run the same command again"
        ) from error


def _select_members(archive: Path, found: Sequence[Member], pattern: str) -> list[Member]:
    wanted: dict[str, Member] = {}
    for member in found:
        if not fnmatch.fnmatchcase(member.base.lower(), pattern.lower()) or member.base.startswith("."):
            continue  # `._x.wav` is macOS' shadow of x.wav
        if member.base in wanted:
            raise FetchError(f"{archive}: holds {wanted[member.base].name} and {member.name}, expected each name once")
        wanted[member.base] = member
    if not wanted:
        raise FetchError(f"{archive}: holds no {pattern} among its {len(found)} files")
    return list(wanted.values())


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


class _Progress:
    def __init__(self, name: str, total: int, tell: Tell) -> None:
        self.done = 0
        self.name, self.total, self.tell = name, total, tell

    def add(self, count: int) -> None:
        self.done += count
        self.tell(f"unpacking {self.name}", self.done, self.total)


def _todo(wanted: Sequence[Member], folder: Path, progress: _Progress) -> list[Member]:
    todo = []
    for member in wanted:
        place = folder / member.base
        if place.is_file() and place.stat().st_size == member.size:
            progress.add(member.size)
        else:
            todo.append(member)
    check_free_space(folder, sum(member.size for member in todo))
    return todo


def _unzip(archive: Path, folder: Path, pattern: str, tell: Tell) -> dict[str, int]:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)]
        found = [Member(info.filename, _base(info.filename), info.file_size) for info in infos]
        wanted = _select_members(archive, found, pattern)
        progress = _Progress(archive.name, sum(member.size for member in wanted), tell)
        for member in _todo(wanted, folder, progress):
            with file.open(member.name) as source:
                copy_stream(source, folder / member.base, member.size, progress.add)
    return {member.base: member.size for member in wanted}


def _writers(folder: Path, progress: _Progress) -> Any:
    """Build the factory of py7zr's output files. A member's checksum is verified once the next member begins."""
    from py7zr.io import Py7zIO, WriterFactory

    class Writer(Py7zIO):  # type: ignore[misc,unused-ignore]  # of a library that need not be there
        def __init__(self, place: Path) -> None:
            self.place, self.part = place, place.with_name(f"{place.name}.part")
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

    class Writers(WriterFactory):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.last: Writer | None = None

        def create(self, filename: str) -> Writer:
            self.finish()
            self.last = Writer(folder / _base(filename))
            return self.last

        def finish(self) -> None:
            if self.last is not None:
                self.last.close()
                self.last.part.replace(self.last.place)
            self.last = None

        def undo(self) -> None:
            if self.last is not None:
                self.last.close()
                self.last.part.unlink(missing_ok=True)
            self.last = None

    return Writers()


def _unseven(archive: Path, folder: Path, pattern: str, tell: Tell) -> dict[str, int]:
    import py7zr

    with archive.open("rb") as opened, py7zr.SevenZipFile(opened) as file:
        infos = [info for info in file.list() if info.is_file and not info.is_symlink]
        found = [Member(info.filename, _base(info.filename), info.uncompressed) for info in infos]
        wanted = _select_members(archive, found, pattern)
        progress = _Progress(archive.name, sum(member.size for member in wanted), tell)
        todo = _todo(wanted, folder, progress)
        writers = _writers(folder, progress)
        try:
            if todo:
                file.extract(folder, targets=[member.name for member in todo], factory=writers)
        except BaseException:
            writers.undo()
            raise
        writers.finish()
    return {member.base: member.size for member in wanted}
