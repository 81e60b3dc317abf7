"""Hashes of files, texts and JSON values: sha256 as hexadecimal digits."""

import hashlib
import json
from pathlib import Path
from typing import Any

SHORT = 12
"""Digits of a hash that people read: prompts, versions of plug-ins."""


def hash_file(path: Path) -> str:
    """Return the hash of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(data: bytes) -> str:
    """Return the hash of bytes."""
    return hashlib.sha256(data).hexdigest()


def hash_json(value: Any) -> str:
    """Return the hash of a JSON value; the order of keys does not matter, and objects that JSON does not know count as
    their text."""
    return hash_bytes(json.dumps(value, sort_keys=True, default=str).encode())
