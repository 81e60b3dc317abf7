"""Embeddings as text, as they are stored with items."""

import base64
import binascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]
else:
    Vector = Any
"""Embedding of one clip or text: float32, shape (width,)."""


def encode_vector(vector: Any) -> str:
    """Return an embedding as base64 of its little-endian float32 values.

    Raises ValueError unless it is one row of finite numbers.
    """
    import numpy as np

    values = np.asarray(vector, dtype="<f4")
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"expected an embedding of one row of finite numbers, found shape {values.shape}")
    return base64.b64encode(values.tobytes()).decode("ascii")


def decode_vector(text: str) -> Vector:
    """Return the embedding that `encode_vector` wrote. Raises ValueError for any other text."""
    import numpy as np

    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"expected an embedding as base64 of float32 values, found {text!r:.40}") from error
