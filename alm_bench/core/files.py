"""Files: atomic replacement, folder locks, the cache folder, hashes, and error messages for failed writes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alm_bench.core.errors import StoreError

TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Suffixes of files of rows, which can be a task."""

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EROFS: "the file system is read-only: name another folder with {option}",
    errno.EACCES: "no permission to write there: name another folder with {option}",
    errno.EPERM: "no permission to write there: name another folder with {option}",
    errno.ENOTDIR: "a file is in the way: name another folder with {option}",
    errno.EEXIST: "a file is in the way: name another folder with {option}",
    errno.EISDIR: "a folder is in the way: name another folder with {option}",
}


@contextmanager
def translate_write_errors(path: Path, option: str = "--out") -> Iterator[None]:
    """Context manager that turns an operating system error of its block into a StoreError of one line that says what to
    do.

    `path` is the file that is written; `option` is the command-line option that names its folder.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "what is already stored is kept; run the same command again")
        advice = advice.format(option=option)
        raise StoreError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


@contextmanager
def replace_atomically(path: Path, option: str = "--out") -> Iterator[Path]:
    """Yield an empty temporary file to write to. At the end of the block it replaces `path`, with its content on disk.

    Until then, and after an error, `path` is unchanged. Raises StoreError; `option` is the command-line option that
    names the folder, for its message.
    """
    with translate_write_errors(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Replace the content of `path` in one step: other processes see the old content or the new one, never a part.

    Raises StoreError; `option` is the command-line option that names the folder, for its message.
    """
    # Text from outside may contain unpaired surrogates, which UTF-8 cannot encode: only this character is lost.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    with replace_atomically(path, option) as temporary:
        temporary.write_bytes(data)


def is_file(path: Path) -> bool:
    """Return True if the file exists; False also for an invalid name (too long, a zero byte) or a folder without
    permission."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


LOCK, PID = ".lock", ".pid"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Create `folder` if necessary and prevent other processes from writing to it until the end of the block.

    Does not wait for a lock: raises StoreError with the id of the process that holds it. The operating system releases
    the lock of a killed process.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            try:
                holder = (folder / PID).read_text(encoding="utf-8")
            except OSError:
                holder = "unknown"
            raise StoreError(f"{folder} is being written by process {holder}: wait for it, or end it") from None
    try:
        write_atomically(folder / PID, str(os.getpid()))
        yield
    finally:
        lock.release()


CACHE_VARIABLE = "ALM_BENCH_CACHE"
"""Environment variable that names another cache folder."""


def get_cache_folder(name: str) -> Path:
    """Return the path of the folder `name` in the user's cache folder or in the one that `CACHE_VARIABLE` names.

    The folder may not exist yet.
    """
    import platformdirs

    named = os.environ.get(CACHE_VARIABLE)
    return (Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("alm-bench"))) / name


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """Return the sha256 of a value's JSON with sorted keys, in hexadecimal digits. Equal values have equal hashes in
    every process. A value that JSON does not support is replaced by its `str`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
