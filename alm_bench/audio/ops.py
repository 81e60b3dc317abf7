"""Sounds that replace or disturb a clip. Pure functions; whatever is random is drawn from a key, never from a clock."""

import hashlib
from collections.abc import Iterable

import numpy as np

from alm_bench.core import Wave
from alm_bench.core.rng import item_generator


def content(waves: Iterable[Wave]) -> str:
    """Return the sha256 of the samples: the same clip under another crop, or with noise, has another one."""
    digest = hashlib.sha256()
    for wave in waves:
        digest.update(wave.size.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(wave, dtype=np.float32).data)
    return digest.hexdigest()


def rms(wave: Wave) -> float:
    """Return the root mean square; 0 for an empty wave."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if wave.size else 0.0


def noise_like(wave: Wave, *key: str | int) -> Wave:
    """Return white Gaussian noise of `wave`'s length and, exactly, its RMS."""
    noise = item_generator(*key).standard_normal(wave.size)
    level = float(np.sqrt(np.mean(np.square(noise)))) if noise.size else 0.0
    return (noise * (rms(wave) / level if level else 0.0)).astype(np.float32)


def mix_at_snr(wave: Wave, snr_db: float, *key: str | int) -> Wave:
    """Return `wave` plus white Gaussian noise that is `snr_db` decibels below it (above it when negative).

    The sum is not clipped to -1..1, for clipping would change the ratio. A silent wave stays silent: no noise has a
    ratio to it.
    """
    return (wave + noise_like(wave, *key) * 10 ** (-snr_db / 20)).astype(np.float32)


def silence_like(wave: Wave) -> Wave:
    """Return zeros of `wave`'s length."""
    return np.zeros(wave.size, dtype=np.float32)
