"""Random generators that depend only on a key (an item, a clip, a seed), never on the time, batches or order."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

DRAWS = 2
"""Version of all random draws. It is part of the fingerprint of runs with random draws, so that no run is resumed with
other draws.
"""


def derive_integer(*key: str | int) -> int:
    """Return a 64-bit hash of `key`: the same in every process and on every machine, unlike hash()."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def create_item_generator(*key: str | int) -> "np.random.Generator":
    """Create a random generator that depends on `key` alone: a purpose, the run's seed, an item's or a clip's id."""
    import numpy as np

    return np.random.default_rng(derive_integer(*key))
