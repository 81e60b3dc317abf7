"""Hash of the data that a run uses, independent of their path."""

import threading
from collections.abc import Mapping
from pathlib import Path

from alm_bench.core import AudioRef, DataError
from alm_bench.core.files import hash_json, sha256

_hashes: dict[tuple[str, int, int], str] = {}
_hashing = threading.Lock()


def file_sha256(path: Path) -> str:
    """The file's sha256, computed once while path, size and modification time stay the same. Raises DataError."""
    try:
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        with _hashing:
            if key not in _hashes:
                _hashes[key] = sha256(path)
            return _hashes[key]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def manifest_hash(files: Mapping[str, Path], version: str | None) -> str:
    """A sha256 over the annotation files (role and content) and `version` (`DataRoot.version`), for a fingerprint.

    Independent of the absolute path. Clips are not in it: their sizes are stored with each item (`clip_size`), so that
    a clip added later costs one item, not the run.
    """
    content = {"files": {role: file_sha256(path) for role, path in sorted(files.items())}, "version": version}
    return hash_json(content)


def clip_size(ref: AudioRef) -> int | None:
    """Return the size in bytes of the clip's file; None where it is missing, or comes from `AudioRef.read` (its file
    is an annotation file then, or `DataRoot.version` stands for it)."""
    if ref.read is not None:
        return None
    try:
        return ref.path.stat().st_size
    except OSError:
        return None
