"""Four clearly different sounds for the audio-delivery check."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from alm_bench.core import AudioRef, Wave
from alm_bench.core.rng import item_generator
from alm_bench.core.wav import encode_wav

SECONDS = 3.0
RATE = 16_000
LEVEL = 0.3


def _tone(time: Wave) -> Wave:
    return np.asarray(np.sin(2 * np.pi * 440 * time), dtype=np.float32)


def _noise(time: Wave) -> Wave:
    noise = item_generator("probe").standard_normal(time.size)
    return np.asarray(noise / np.abs(noise).max(), dtype=np.float32)


def _silence(time: Wave) -> Wave:
    return np.zeros_like(time)


def _clicks(time: Wave) -> Wave:
    """Return four clicks per second, of 2 ms each."""
    return np.asarray(time % 0.25 < 0.002, dtype=np.float32)


SOUNDS: Mapping[str, Callable[[Wave], Wave]] = {
    "tone": _tone,
    "noise": _noise,
    "silence": _silence,
    "clicks": _clicks,
}


def probe(name: str) -> AudioRef:
    """Return one of `SOUNDS` as a clip: 3 s, mono, 16 kHz."""
    return probe_sequence(name, ((name, SECONDS),))


def probe_sequence(name: str, parts: Sequence[tuple[str, float]]) -> AudioRef:
    """Return some of `SOUNDS` one after the other, each with its seconds, as one clip: mono, 16 kHz."""
    times = [np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE) for _, seconds in parts]
    wave = np.float32(LEVEL) * np.concatenate(
        [SOUNDS[sound](time) for (sound, _), time in zip(parts, times, strict=True)]
    )
    encoded = encode_wav(wave, RATE)
    return AudioRef(f"probe-{name}.wav", Path(f"probe-{name}.wav"), lambda: encoded)
