"""Encoder of MP3 files, the format in which every browser can play and seek."""

import io

import numpy as np
import soundfile

from alm_bench.core import Wave

RATE = 16_000
"""Sample rate of encoded clips in Hz."""

BITS_PER_SECOND = 32_000
"""Constant bit rate of encoded clips: 4 kB per second."""

_COMPRESSION = 0.842
"""Compression level at which libsndfile selects `BITS_PER_SECOND` at `RATE`. It maps 0..1 to 160..8 kb/s there."""


def encode_mp3(wave: Wave) -> bytes:
    """Encode mono samples at `RATE`, of shape (samples,), as an MP3 file of `BITS_PER_SECOND`.

    Samples beyond -1..1 are clipped. Very short waves are padded with silence to one frame of the format, since players
    reject files without a whole frame.
    """
    padded = np.pad(wave, (0, max(0, 1152 - wave.size)))
    file = io.BytesIO()
    soundfile.write(
        file,
        np.clip(padded, -1.0, 1.0),
        RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=_COMPRESSION,
    )
    return file.getvalue()
