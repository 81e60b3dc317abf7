"""Signals that replace a clip or are added to it, as pure functions. Random numbers depend on a key alone, never on the
time."""

import hashlib
from collections.abc import Iterable

import numpy as np

from alm_bench.core import Wave
from alm_bench.core.rng import create_item_generator


def hash_waves(waves: Iterable[Wave]) -> str:
    """Return the SHA-256 of the samples of `waves`, as hexadecimal digits. Another crop of the same clip, or added
    noise, gives another hash."""
    digest = hashlib.sha256()
    for wave in waves:
        digest.update(wave.size.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(wave, dtype=np.float32).data)
    return digest.hexdigest()


def compute_rms(wave: Wave) -> float:
    """Return the root mean square of a wave, 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if wave.size else 0.0


def make_noise_like(wave: Wave, *key: str | int) -> Wave:
    """Return white Gaussian noise with the length and exactly the RMS of `wave`. `key` seeds the noise."""
    noise = create_item_generator(*key).standard_normal(wave.size)
    level = float(np.sqrt(np.mean(np.square(noise)))) if noise.size else 0.0
    return (noise * (compute_rms(wave) / level if level else 0.0)).astype(np.float32)


def mix_at_snr(wave: Wave, snr_db: float, *key: str | int) -> Wave:
    """Return `wave` plus white Gaussian noise at a signal-to-noise ratio of `snr_db` decibels. If it is negative, the
    noise is louder than the wave. `key` seeds the noise.

    The sum is not clipped to -1..1, because clipping would change the ratio. A wave of zeros is returned unchanged: no
    noise level has a ratio to silence.
    """
    return (wave + make_noise_like(wave, *key) * 10 ** (-snr_db / 20)).astype(np.float32)


def make_silence_like(wave: Wave) -> Wave:
    """Return a wave of zeros with the length of `wave`."""
    return np.zeros(wave.size, dtype=np.float32)
