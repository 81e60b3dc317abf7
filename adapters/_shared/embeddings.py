"""Disk cache of embeddings, so that a network embeds each clip and each text only once across runs."""

import contextlib
import hashlib
import re
from collections.abc import Callable

from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.errors import StoreError
from alm_bench.core.files import get_cache_folder
from alm_bench.core.vectors import Vector

__all__ = ["EmbeddingCache", "Vector"]

FORMAT = 2
"""Version of the cached embeddings. Raise it if a network's embeddings change, for example with another pooling."""


class EmbeddingCache:
    """Cache of the embeddings that one network computes.

    `network` is a text that identifies everything besides the input that determines an embedding, such as weights and
    precision. The embeddings are stored in the user's cache folder. If the disk cannot be read or written, they are
    computed again; no error is raised.
    """

    def __init__(self, network: str) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", network).strip("-")[:60]
        digest = hashlib.sha256(f"{FORMAT} {network}".encode()).hexdigest()[:12]
        self.cache = DiskCache(get_cache_folder("embeddings") / f"{name}-{digest}.sqlite")
        self._known: dict[str, Vector] = {}

    def get_or_compute(self, kind: str, content: bytes, compute: Callable[[], Vector]) -> Vector:
        """Return the embedding of `content`: from the cache, or else computed with `compute` and added to the cache.

        `kind` distinguishes a clip from a text with the same bytes.
        """
        key = f"{kind}:{hashlib.sha256(content).hexdigest()}"
        if key not in self._known:
            vector = self._read_vector(key)
            if vector is None:
                vector = compute()
                with contextlib.suppress(StoreError):
                    self.cache.put(key, vector.tobytes())
            self._known[key] = vector
        return self._known[key]

    def _read_vector(self, key: str) -> Vector | None:
        import numpy as np

        try:
            found = self.cache.get(key)
        except StoreError:
            return None
        return np.frombuffer(found, np.float32) if isinstance(found, bytes) else None
