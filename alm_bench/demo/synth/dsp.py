"""Building blocks of audio synthesis: wavetable oscillators, filtered noise, envelopes, resonances and
reverberation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

RATE = 32_000

Wave = npt.NDArray[np.float32]

_TABLE = 4096


@dataclass(frozen=True, slots=True)
class Rendering:
    """Parameters of one rendering of a sound event."""

    n: int
    """Number of samples."""

    rng: np.random.Generator
    """Random generator of this rendering."""

    pitch: float
    """Factor by which the event type's own pitch is multiplied."""

    tempo: float
    """Factor by which the event type's own tempo is multiplied."""

    starts: tuple[int, ...]
    """Index of the first sample of each unit; empty for a continuous sound."""

    gap: int
    """Number of samples between the starts of two units."""

    def draw_around(self, value: float, spread: float = 0.06) -> float:
        """Draw a random value between `value * (1 - spread)` and `value * (1 + spread)`."""
        return value * float(self.rng.uniform(1 - spread, 1 + spread))

    def add_units(self, units: Sequence[Wave]) -> Wave:
        """Return the sum of the waves `units` in a wave of `n` samples. Unit i begins at `starts[i]`; it is cut at the
        end of that wave."""
        out = np.zeros(self.n, np.float32)
        for start, unit in zip(self.starts, units, strict=True):
            part = unit[: self.n - start]
            out[start : start + len(part)] += part
        return out


def count_samples(duration: float) -> int:
    """Return the number of samples in `duration` seconds, at least 1."""
    return max(1, round(duration * RATE))


def make_time_axis(n: int) -> Wave:
    """Return the times of `n` samples in seconds."""
    return np.arange(n, dtype=np.float32) / np.float32(RATE)


@lru_cache(maxsize=256)
def _build_wavetable(amplitudes: tuple[float, ...]) -> Wave:
    """Return one period of a wave with these amplitudes of its harmonics, with peak 1."""
    spectrum = np.zeros(_TABLE // 2 + 1, np.complex64)
    spectrum[1 : len(amplitudes) + 1] = -1j * np.array(amplitudes)
    wave: Wave = (fft.irfft(spectrum, _TABLE) * (_TABLE / 2)).astype(np.float32)
    wave /= max(np.abs(wave).max(), np.float32(1e-9))
    return wave


def make_tone(
    frequency: float | npt.NDArray[np.floating[Any]], n: int, amplitudes: Sequence[float] = (1.0,), phase: float = 0.0
) -> Wave:
    """Return a periodic wave of `n` samples with peak 1. `frequency` in Hz is constant, or an array with one value per
    sample. `amplitudes` belong to the harmonics, `phase` is in periods."""
    if isinstance(frequency, float):
        cycles = np.arange(n, dtype=np.float64) * (frequency / RATE)
    else:
        cycles = np.cumsum(frequency, dtype=np.float64) / RATE
    index = ((cycles + phase) * _TABLE).astype(np.int64) & (_TABLE - 1)
    wave: Wave = _build_wavetable(tuple(amplitudes))[index]
    return wave


def make_falling_amplitudes(count: int, power: float = 1.0) -> tuple[float, ...]:
    """Return the amplitudes of `count` harmonics; the k-th is k ** -power."""
    return tuple(float(k**-power) for k in range(1, count + 1))


def make_noise(rng: np.random.Generator, n: int) -> Wave:
    """Return white Gaussian noise with standard deviation 1."""
    return rng.standard_normal(n, dtype=np.float32)


@lru_cache(maxsize=256)
def _design_filter(low: float | None, high: float | None, order: int) -> Any:
    """Return the second-order sections of a Butterworth filter that passes `low` to `high` Hz."""
    if low and high:
        return signal.butter(order, (low, high), "bandpass", fs=RATE, output="sos")
    if low:
        return signal.butter(order, low, "highpass", fs=RATE, output="sos")
    return signal.butter(order, cast(float, high), "lowpass", fs=RATE, output="sos")


def filter_band(wave: Wave, low: float | None, high: float | None, order: int = 2) -> Wave:
    """Filter a wave to the frequencies between `low` and `high` Hz, with a Butterworth filter of this order. None means
    no limit on that side."""
    filtered: Wave = signal.sosfilt(_design_filter(low, high, order), wave).astype(np.float32)
    return filtered


def make_glide(start: float, stop: float, n: int) -> Wave:
    """Return `n` frequencies from `start` to `stop` Hz, each with the same ratio to the one before it."""
    return np.geomspace(start, stop, n, dtype=np.float32)


def make_fade(n: int, attack: float, release: float) -> Wave:
    """Return an envelope of `n` samples: 1, with linear ramps of `attack` and `release` seconds at its beginning and
    end."""
    envelope = np.ones(n, np.float32)
    up, down = min(count_samples(attack), n // 2), min(count_samples(release), n // 2)
    if up:
        envelope[:up] = np.linspace(0, 1, up, dtype=np.float32)
    if down:
        envelope[n - down :] *= np.linspace(1, 0, down, dtype=np.float32)
    return envelope


def make_decay(n: int, constant: float, attack: float = 0.002) -> Wave:
    """Return an envelope of `n` samples: exponential decay with the time constant `constant`, multiplied by a linear
    ramp of `attack` seconds at the beginning. Both are in seconds."""
    envelope: Wave = np.exp(-make_time_axis(n) / np.float32(constant))
    up = min(count_samples(attack), n)
    envelope[:up] *= np.linspace(0, 1, up, dtype=np.float32)
    return envelope


def make_ringing(n: int, partials: Sequence[tuple[float, float, float]]) -> Wave:
    """Return the sound of a struck body with `n` samples. Each partial is a frequency in Hz, an amplitude and a decay
    time constant in seconds."""
    out = np.zeros(n, np.float32)
    for frequency, amplitude, constant in partials:
        length = min(n, count_samples(6 * constant))
        out[:length] += np.float32(amplitude) * make_tone(frequency, length) * make_decay(length, constant)
    return out


def draw_random_curve(rendering: Rendering, n: int, rate: float) -> Wave:
    """Return a random curve of `n` values between 0 and 1, linear between random points. `rate` is the approximate
    number of points per second."""
    points = rendering.rng.random(max(4, int(n / RATE * rate) + 3), dtype=np.float32)
    return np.interp(np.linspace(0, len(points) - 1, n), np.arange(len(points)), points).astype(np.float32)


def reverberate(wave: Wave, rng: np.random.Generator, constant: float) -> Wave:
    """Reverberate and blur a wave: convolve it with noise that decays exponentially with the time constant `constant`
    in seconds."""
    length = count_samples(3 * constant)
    tail = make_noise(rng, length) * make_decay(length, constant)
    size = fft.next_fast_len(len(wave) + length, real=True)
    mixed: Wave = fft.irfft(fft.rfft(wave, size) * fft.rfft(tail, size), size)[: len(wave)].astype(np.float32)
    return mixed


def measure_loudness(wave: Wave) -> float:
    """Return the loudness of a wave: the 90th percentile of the RMS of its 20 ms frames. It is comparable between short
    and long sounds."""
    frame = RATE // 50
    if len(wave) < frame:
        return float(np.sqrt(np.mean(wave**2)))
    frames = wave[: len(wave) // frame * frame].reshape(-1, frame)
    return float(np.sqrt(np.quantile(np.einsum("ij,ij->i", frames, frames) / frame, 0.9)))
