"""Rendering of a scene to audio samples."""

from collections.abc import Callable

import numpy as np

from alm_bench.demo.scene import SECONDS, Event, Scene
from alm_bench.demo.synth import music, sound, speech
from alm_bench.demo.synth.dsp import (
    RATE,
    Rendering,
    Wave,
    count_samples,
    filter_band,
    make_fade,
    make_noise,
    measure_loudness,
    reverberate,
)
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, get_family, get_unit_rate, is_ambiguous, list_family_types

_LEVEL = 10 ** (-25 / 20)  # loudness of an event with a gain of 0 dB, relative to full scale
_PEAK = 0.98

_SOUNDS: dict[str, Callable[[Rendering], Wave]] = {
    key: getattr({"sound": sound, "music": music, "speech": speech}[kind.domain], f"render_{key}")
    for key, kind in EVENT_TYPES.items()
}


def _draw_starts(rng: np.random.Generator, repeats: int, gap: int) -> tuple[int, ...]:
    """Return the first sample of each unit. Units are `gap` samples apart; all but the first are shifted at random by
    up to 5 % of `gap`."""
    late = rng.uniform(-0.05, 0.05, repeats) * gap
    return tuple(max(0, int(i * gap + (late[i] if i else 0))) for i in range(repeats))


def _render_event(tag: str, item: Event, n: int, seed: list[int]) -> Wave:
    """Render an event as type `tag` with `n` samples, before its gain is applied. All event types have the same
    loudness."""
    rng = np.random.default_rng(seed)
    rate = get_unit_rate(item.type) if get_unit_rate(tag) else 0.0
    gap = count_samples(1 / (rate * item.tempo)) if rate else n
    repeats = max(1, item.repeats or round(n / gap)) if rate else 0
    starts = tuple(start for start in _draw_starts(rng, repeats, gap) if start < n)
    wave = _SOUNDS[tag](Rendering(n, rng, item.pitch, item.tempo, starts, gap))
    return wave / np.float32(max(measure_loudness(wave), 1e-6))


def _render_ambiguous_event(item: Event, n: int, seed: list[int]) -> Wave:
    """Render an ambiguous sound with `n` samples: a mix of all event types of its family at the same tempo.

    Reverberation and a frequency band in which the types sound alike make them hard to distinguish.
    """
    rng = np.random.default_rng(seed)
    family = FAMILIES[get_family(item.type)]
    mixed = np.zeros(n, np.float32)
    for i, kind in enumerate(list_family_types(family.key)):
        mixed += np.float32(rng.uniform(0.8, 1.2)) * _render_event(kind.key, item, n, [*seed, i])
    muffled = filter_band(reverberate(mixed, rng, 0.22), family.low, family.high)
    return muffled / np.float32(max(measure_loudness(muffled), 1e-6))


def _render_background(seed: int, n: int, level: float) -> Wave:
    """Return `n` samples of background noise. `level` is in dB relative to full scale."""
    rng = np.random.default_rng([seed, 2**20])
    hiss = make_noise(rng, n)
    tilted = 0.6 * hiss + filter_band(hiss, None, float(rng.choice((400, 900, 2000))), 1)
    return tilted * np.float32(10 ** (level / 20))


def synthesise(scene: Scene) -> Wave:
    """Return the audio of a scene: float32, shape (320000,), 32 kHz, peak at most 0.98. The same scene always gives the
    same samples."""
    total = round(SECONDS * RATE)
    out = _render_background(scene.seed, total, scene.noise)
    for i, item in enumerate(scene.events):
        start = count_samples(item.onset) if item.onset else 0
        n = min(count_samples(item.duration), total - start)
        play = (
            _render_ambiguous_event(item, n, [scene.seed, i])
            if is_ambiguous(item.type)
            else _render_event(item.type, item, n, [scene.seed, i])
        )
        out[start : start + n] += play * make_fade(n, 0.003, 0.012) * np.float32(_LEVEL * 10 ** (item.gain / 20))
    peak = float(np.abs(out).max())
    if peak > _PEAK:
        out *= np.float32(_PEAK / peak)
    return out
