"""Disk cache of embeddings, so that a network embeds each clip and each text only once across runs."""

import hashlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.core.files import cache_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]
else:
    Vector = Any
"""An embedding, float32, shape (width,)."""

FORMAT = 1
"""Raised where the same network gives other vectors than before (another pooling)."""


class Vectors:
    """Cache of the embeddings that one network computes.

    `network` is a text that identifies everything besides the input that determines an embedding, such as weights and
    precision. The embeddings are stored in the user's cache folder. If the disk cannot be read or written, they are
    computed again; no error is raised.
    """

    def __init__(self, network: str) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", network).strip("-")[:60]
        digest = hashlib.sha256(f"{FORMAT} {network}".encode()).hexdigest()[:12]
        self.path: Path = cache_folder("embeddings") / f"{name}-{digest}.sqlite"
        self._known: dict[str, Vector] = {}

    def of(self, kind: str, content: bytes, make: Callable[[], Vector]) -> Vector:
        """The vector of `content`, made where it is not known. `kind` keeps a clip apart from a text."""
        key = f"{kind}:{hashlib.sha256(content).hexdigest()}"
        if key not in self._known:
            vector = self._read_vector(key)
            if vector is None:
                vector = make()
                self._write(key, vector)
            self._known[key] = vector
        return self._known[key]

    def _read_vector(self, key: str) -> Vector | None:
        import numpy as np

        if not self.path.is_file():
            return None
        try:
            with closing(sqlite3.connect(self.path)) as file:
                row = file.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else np.frombuffer(row[0], np.float32)

    def _write(self, key: str, vector: Vector) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path)) as file, file:
                file.execute("PRAGMA synchronous = OFF")  # what a crash costs here is made again
                file.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL)")
                file.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
        except (OSError, sqlite3.Error):
            return
