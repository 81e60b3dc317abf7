"""Files that survive a crash: atomic replacement, durable appends, hashes."""

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
def report_full_disk(path: Path, option: str = "--out") -> Iterator[None]:
    """Turn an operating system error about `path` into one line that says what to do; `option` names its folder."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "what is already stored is kept; run the same command again")
        advice = advice.format(option=option)
        raise StoreError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


@contextmanager
def replace_atomically(path: Path, option: str = "--out") -> Iterator[Path]:
    """Yield an empty temporary file beside `path` to write to; at the end of the block it is on disk as `path`.

    Until then, and after an error, `path` is what it was. Raises StoreError; `option` names the folder in its text.
    """
    with report_full_disk(path, option):
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


def atomic_write(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Replace `path` in one step: a reader sees the old content or the new, never a part. Raises StoreError, which
    tells of the `option` that names the place."""
    # Halves of surrogate pairs, which UTF-8 does not have, come in foreign text: one character is lost, not the file.
    data = content.encode(errors="replace") if isinstance(content, str) else content
    with replace_atomically(path, option) as temporary:
        temporary.write_bytes(data)


def is_file(path: Path) -> bool:
    """False also for a name that the file system refuses (too long, a zero byte) and in a closed folder."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


LOCK, PID = ".lock", ".pid"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into `folder`, which is created, until the end of the block.

    Raises StoreError, which names the process that holds the lock, instead of waiting. The lock of a killed process is
    released by the operating system.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    with report_full_disk(folder):
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
        atomic_write(folder / PID, str(os.getpid()))
        yield
    finally:
        lock.release()


CACHE_VARIABLE = "ALM_BENCH_CACHE"
"""The environment variable that names another cache folder."""


def cache_folder(name: str) -> Path:
    """`name` in the user's cache folder, or in that of the environment variable; it may not be there yet."""
    import platformdirs

    named = os.environ.get(CACHE_VARIABLE)
    return (Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("alm-bench"))) / name


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """Return the sha256 of a value's JSON, whose keys are sorted: equal for equal values in every process. What JSON
    does not know counts as its text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
