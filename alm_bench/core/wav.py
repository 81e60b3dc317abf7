"""The encoder of WAV files."""

import io
import struct
from typing import Literal

from alm_bench.core.types import Wave

Encoding = Literal["int16", "float32"]


def encode_wav(wave: Wave, rate: int, samples: Encoding = "int16") -> bytes:
    """Encode mono samples in -1..1, of shape (samples,), as a WAV file of `rate` Hz.

    16-bit samples are those of libsndfile, clipped beyond -1..1. The samples (little-endian) begin at
    byte 44: no other chunk stands before them.
    """
    import numpy as np  # here, since light commands import `core`

    kind, width = (3, 4) if samples == "float32" else (1, 2)
    if samples == "float32":
        data = np.asarray(wave, "<f4").tobytes()
    else:
        # libsndfile's own steps: rounded to 32 bits, of which the upper 16 are kept. float32 suffices: it represents
        # the product exactly, and 2^31 - 128 is its largest value below 2^31.
        full = np.rint(np.asarray(wave, np.float32) * np.float32(2**31)).clip(-(2.0**31), 2.0**31 - 128)
        data = (full.astype(np.int32) >> 16).astype("<i2").tobytes()
    file = io.BytesIO()
    file.write(struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE"))
    file.write(struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, rate, rate * width, width, 8 * width))
    file.write(struct.pack("<4sI", b"data", len(data)))
    file.write(data)
    return file.getvalue()
