"""Encoder of WAV files, and a check that recognises files with the layout that the encoder writes."""

import io
import struct
from typing import Literal

from alm_bench.core.types import Wave

Encoding = Literal["int16", "float32"]


HEADER_BYTES = 44
"""Length in bytes of the header of a WAV file without optional chunks."""


def encode_wav(wave: Wave, rate: int, encoding: Encoding = "int16") -> bytes:
    """Encode the mono samples `wave` in -1..1, of shape (samples,), as a WAV file of `rate` Hz.

    `encoding`: number format of the samples in the file. In 16-bit files, samples beyond -1..1 are clipped, and all
    samples equal those that libsndfile writes. There are no optional chunks: the samples (little-endian) begin at byte
    `HEADER_BYTES`.
    """
    import numpy as np  # here, since light commands import `core`

    kind, width = (3, 4) if encoding == "float32" else (1, 2)
    if encoding == "float32":
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


def is_plain_wav(header: bytes, rate: int, size: int) -> bool:
    """Return True if a file has the layout that `encode_wav` writes for int16 samples at `rate` Hz.

    Such a file is mono, complete, and without optional chunks. `header` holds the first `HEADER_BYTES` bytes of the
    file, `size` is its size in bytes.
    """
    if len(header) < HEADER_BYTES:
        return False
    riff, whole, wave, fmt, length, kind, channels, own_rate, _, _, bits, data, declared = struct.unpack(
        "<4sI4s4sIHHIIHH4sI", header
    )
    names = (riff, wave, fmt, data) == (b"RIFF", b"WAVE", b"fmt ", b"data")
    return (
        names
        and (length, kind, channels, own_rate, bits) == (16, 1, 1, rate, 16)
        and (whole, declared) == (size - 8, size - HEADER_BYTES)
    )
