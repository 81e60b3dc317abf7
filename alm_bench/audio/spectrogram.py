"""Log-mel spectrogram of a clip as a small picture."""

import io
from functools import cache

import numpy as np
import numpy.typing as npt

from alm_bench.core import Wave

MELS = 64
"""Height of the picture: number of mel bands."""

MAX_FRAMES = 320
"""Largest width of the picture, in columns; longer clips get a larger hop."""

RANGE_DB = 70.0
"""Difference between the loudest value, drawn as the brightest colour, and the darkest one, in decibels."""

LEVELS = 32
"""Number of colours. A picture of 10 s has about 8 kB."""

_WINDOW = 512  # samples: 32 ms at 16 kHz
_LEAST_DB = -100.0
_LEAST_HOP = 160

Mels = npt.NDArray[np.float32]


def compute_log_mel(wave: Wave, rate: int) -> Mels:
    """Return the log-mel spectrogram of a mono wave in dB, shape (`MELS`, frames), with at most `MAX_FRAMES` frames."""
    hop = max(_LEAST_HOP, -(-wave.size // MAX_FRAMES))
    window = max(_WINDOW, 1 << (hop - 1).bit_length())  # no sample lies between two windows
    padded = np.pad(wave, (window // 2, window // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: max(1, wave.size) : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)) ** 2
    mel = _build_mel_filters(window, rate).T @ power.T
    decibels: Mels = (10 * np.log10(np.maximum(mel, 10 ** (_LEAST_DB / 10)))).astype(np.float32)
    return decibels


@cache
def _build_mel_filters(window: int, rate: int) -> Mels:
    """Return the filter bank, shape (window // 2 + 1, `MELS`)."""
    from transformers.audio_utils import mel_filter_bank  # takes a second to import

    bank = mel_filter_bank(window // 2 + 1, MELS, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    return np.asarray(bank, dtype=np.float32)


def draw_log_mel(wave: Wave, rate: int) -> bytes:
    """Return the log-mel spectrogram of a mono wave as a PNG file: time from left to right, low frequencies below."""
    from PIL import Image

    mel = compute_log_mel(wave, rate)
    peak = max(float(mel.max()), _LEAST_DB + RANGE_DB)  # silence stays dark
    scaled = np.clip((mel - peak) / RANGE_DB + 1.0, 0.0, 1.0)
    picture = Image.fromarray(np.flipud(np.rint(scaled * (LEVELS - 1))).astype(np.uint8), mode="P")
    picture.putpalette(_build_palette())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, bits=5)
    return file.getvalue()


@cache
def _build_palette() -> bytes:
    """Return `LEVELS` colours from dark blue to light yellow as RGB bytes.

    Their lightness increases evenly, so that colour-blind people can distinguish them, too.
    """
    stops = np.array([[8, 8, 29], [52, 16, 104], [129, 37, 129], [204, 64, 113], [252, 137, 97], [252, 253, 191]])
    at = np.linspace(0, len(stops) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return bytes(np.rint(np.stack(channels, axis=1)).astype(np.uint8))
