"""Hashes of the data that a run uses. They do not depend on the data's path."""

import threading
from collections.abc import Mapping
from pathlib import Path

from alm_bench.core import AudioRef, DataError
from alm_bench.core.files import compute_sha256, hash_json

_hashes: dict[tuple[str, int, int], str] = {}
_hash_lock = threading.Lock()


def compute_cached_sha256(path: Path) -> str:
    """Return the sha256 of a file. It is computed again only if the path, size or modification time changes. Raises
    DataError if the file cannot be read."""
    try:
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        with _hash_lock:
            if key not in _hashes:
                _hashes[key] = compute_sha256(path)
            return _hashes[key]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def hash_manifest(files: Mapping[str, Path], version: str | None) -> str:
    """Return a sha256 over the annotation files (role and content) and `version` (`DataRoot.version`), for a run's
    fingerprint.

    It does not depend on absolute paths. Clips are not part of it: their sizes are stored with each item
    (`get_clip_size`), so that a clip that is added later affects one item and not the whole run.
    """
    content = {"files": {role: compute_cached_sha256(path) for role, path in sorted(files.items())}, "version": version}
    return hash_json(content)


def get_clip_size(ref: AudioRef) -> int | None:
    """Return the size in bytes of the clip's file; None if there is no such file or `AudioRef.read` reads the bytes.

    A clip with `AudioRef.read` needs no size: `hash_manifest` covers its bytes through an annotation file or
    `DataRoot.version`.
    """
    if ref.read is not None:
        return None
    try:
        return ref.path.stat().st_size
    except OSError:
        return None
