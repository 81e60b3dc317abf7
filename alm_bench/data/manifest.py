"""Which data a run saw, as one hash that does not depend on where the data lies."""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from alm_bench.core import AudioRef, DataError
from alm_bench.core.files import sha256

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


def manifest_hash(files: Mapping[str, Path], clips: Iterable[AudioRef], version: str | None) -> str:
    """A sha256 over the annotation files (role and content), the clips (id, and size where the file exists) and
    `version` (`DataRoot.version`), for a run's fingerprint.

    Independent of the absolute path and of the order of `clips`, which may name a clip more than once. Clips that
    come from `AudioRef.read` count by id: the file that holds them is one of `files`, or `version` stands for it.
    """
    content = {
        "files": {role: file_sha256(path) for role, path in sorted(files.items())},
        "clips": sorted({ref.id: _size(ref) for ref in clips}.items()),
        "version": version,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _size(ref: AudioRef) -> int | None:
    if ref.read is not None:
        return None
    try:
        return ref.path.stat().st_size
    except OSError:
        return None
