"""Four clearly different sounds, used to check that audio reaches a model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from alm_bench.core import AudioRef, Wave
from alm_bench.core.rng import create_item_generator
from alm_bench.core.wav import encode_wav

SECONDS = 3.0
"""Duration of a probe in seconds."""
RATE = 16_000
"""Sample rate of the probes in Hz."""
LEVEL = 0.3
"""Peak amplitude of the probes."""


def _make_tone(sample_times: Wave) -> Wave:
    """Return a sine of 440 Hz at sample times in seconds."""
    return np.asarray(np.sin(2 * np.pi * 440 * sample_times), dtype=np.float32)


def _make_noise(sample_times: Wave) -> Wave:
    """Return white noise in -1..1, one sample per sample time. It is the same in every call."""
    noise = create_item_generator("probe").standard_normal(sample_times.size)
    return np.asarray(noise / np.abs(noise).max(), dtype=np.float32)


def _make_silence(sample_times: Wave) -> Wave:
    """Return zeros, one per sample time."""
    return np.zeros_like(sample_times)


def _make_clicks(sample_times: Wave) -> Wave:
    """Return clicks of 2 ms, four per second, at sample times in seconds."""
    return np.asarray(sample_times % 0.25 < 0.002, dtype=np.float32)


SOUNDS: Mapping[str, Callable[[Wave], Wave]] = {
    "tone": _make_tone,
    "noise": _make_noise,
    "silence": _make_silence,
    "clicks": _make_clicks,
}
"""The sounds by name. Each function takes sample times in seconds and returns samples in -1..1."""


def build_probe(name: str) -> AudioRef:
    """Return the sound `name` of `SOUNDS` as a clip of 3 s, mono, 16 kHz."""
    return build_probe_sequence(name, ((name, SECONDS),))


def build_probe_sequence(name: str, parts: Sequence[tuple[str, float]]) -> AudioRef:
    """Return a clip that plays several sounds one after the other, mono, 16 kHz. `parts`: pairs of a name in `SOUNDS`
    and a duration in seconds."""
    times = [np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE) for _, seconds in parts]
    wave = np.float32(LEVEL) * np.concatenate(
        [SOUNDS[sound](time) for (sound, _), time in zip(parts, times, strict=True)]
    )
    encoded = encode_wav(wave, RATE)
    return AudioRef(f"probe-{name}.wav", Path(f"probe-{name}.wav"), lambda: encoded)
