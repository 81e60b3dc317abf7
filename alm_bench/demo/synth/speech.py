"""Synthesis of voices: formant filters on a glottal wave or on noise. There are no words, but the tempo, pitch and
vowels are similar to speech. A function `render_KEY` renders the event type KEY of `vocabulary.EVENT_TYPES`."""

import math

import numpy as np

from alm_bench.demo.synth.dsp import (
    RATE,
    Rendering,
    Wave,
    count_samples,
    filter_band,
    make_fade,
    make_glide,
    make_noise,
    make_time_axis,
    make_tone,
)

_VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (660, 1720, 2410),
)
"""First three formants of the vowels a, i, u, e, o, ae in Hz, for men (Peterson and Barney 1952)."""


def _compute_vowel_harmonics(
    pitch: float, vowel: tuple[int, int, int], size: float, tilt: float = 0.6
) -> tuple[float, ...]:
    """Return the amplitudes of the harmonics of a vowel at `pitch` Hz. `size` is the factor on its formants, which is
    higher for a shorter vocal tract. Harmonic k is scaled by k ** -`tilt`."""
    count = max(3, min(60, int(5500 / pitch)))
    frequency = pitch * np.arange(1, count + 1)
    gain = np.full(count, 0.02)
    for formant, level in zip(vowel, (1.0, 0.6, 0.3), strict=True):
        gain += level / (1 + ((frequency - formant * size) / (70 + 0.05 * formant)) ** 2)
    gain[0] += 0.7  # the voice bar
    return tuple(float(value) for value in gain * np.arange(1, count + 1) ** -tilt)


def _draw_formant_factor(rendering: Rendering, size: float) -> float:
    """Draw the factor on a speaker's formants. It is `size` times the square root of the pitch factor, because higher
    voices have shorter vocal tracts."""
    return rendering.draw_around(size * math.sqrt(rendering.pitch), 0.04)


def _draw_vowel(rendering: Rendering) -> tuple[int, int, int]:
    """Draw a vowel: its first three formants in Hz."""
    return _VOWELS[int(rendering.rng.integers(len(_VOWELS)))]


def _render_syllables(rendering: Rendering, base: float, size: float) -> Wave:
    """Synthesise a sequence of syllables around `base` Hz with falling pitch and short pauses. About a third of them
    begin with a hiss. `size` is the factor on the formants."""
    units = []
    for i, _ in enumerate(rendering.starts):
        n = max(count_samples(0.05), int(rendering.gap * rendering.rng.uniform(0.62, 0.85)))
        accent = base * (1.12 - 0.06 * (i % 5)) * float(rendering.rng.uniform(0.95, 1.05))
        voiced = make_tone(
            make_glide(accent * 1.04, accent * 0.93, n),
            n,
            _compute_vowel_harmonics(accent, _draw_vowel(rendering), size),
        )
        voiced *= make_fade(n, 0.025, 0.05) * np.float32(rendering.rng.uniform(0.6, 1.0))
        if rendering.rng.random() < 0.35:
            hiss = count_samples(0.045)
            voiced[:hiss] += filter_band(make_noise(rendering.rng, len(voiced[:hiss])), 3500, 8500) * 0.12
        units.append(voiced)
    return rendering.add_units(units)


def render_man(rendering: Rendering) -> Wave:
    return _render_syllables(
        rendering, rendering.draw_around(108 * rendering.pitch), _draw_formant_factor(rendering, 0.96)
    )


def render_woman(rendering: Rendering) -> Wave:
    return _render_syllables(
        rendering, rendering.draw_around(225 * rendering.pitch), _draw_formant_factor(rendering, 1.17)
    )


def render_whisper(rendering: Rendering) -> Wave:
    units = []
    for _ in rendering.starts:
        n = int(rendering.gap * rendering.rng.uniform(0.65, 0.9))
        first, second, third = _draw_vowel(rendering)
        breath = make_noise(rendering.rng, n)
        shaped = 0.4 * filter_band(breath, first * 0.8, first * 1.4) + filter_band(breath, second * 0.85, second * 1.25)
        units.append((shaped + 0.8 * filter_band(breath, third * 0.9, third * 1.6)) * make_fade(n, 0.04, 0.06))
    return rendering.add_units(units)


def render_counting(rendering: Rendering) -> Wave:
    """Synthesise counting: evenly spaced words of two vowels, each with the same falling pitch."""
    base, size = rendering.draw_around(155 * rendering.pitch), _draw_formant_factor(rendering, 1.03)
    units = []
    for _ in rendering.starts:
        n = count_samples(0.34)
        fall = make_glide(base * 1.25, base * 0.8, n)
        turn = np.linspace(0, 1, n, dtype=np.float32)
        word = make_tone(fall, n, _compute_vowel_harmonics(base, _draw_vowel(rendering), size)) * (1 - turn)
        word += make_tone(fall, n, _compute_vowel_harmonics(base, _draw_vowel(rendering), size)) * turn
        word *= make_fade(n, 0.02, 0.1)
        word[: count_samples(0.05)] += filter_band(make_noise(rendering.rng, count_samples(0.05)), 3500, 8500) * 0.2
        units.append(word)
    return rendering.add_units(units)


def render_laugh(rendering: Rendering) -> Wave:
    base, size = rendering.draw_around(285 * rendering.pitch), _draw_formant_factor(rendering, 1.1)
    units = []
    for i, _ in enumerate(rendering.starts):
        breath, voiced = int(0.35 * rendering.gap), int(0.45 * rendering.gap)
        pitch = base * 1.25 * 0.94 ** (i % 7)
        puff = filter_band(make_noise(rendering.rng, breath), 900, 4500) * 0.3 * make_fade(breath, 0.01, 0.01)
        ha = make_tone(
            make_glide(pitch * 1.1, pitch * 0.9, voiced), voiced, _compute_vowel_harmonics(pitch, _VOWELS[0], size, 0.3)
        )
        units.append(np.concatenate([puff, ha * make_fade(voiced, 0.012, 0.04)]))
    return rendering.add_units(units)


def render_cry(rendering: Rendering) -> Wave:
    base = rendering.draw_around(470 * rendering.pitch)
    units = []
    for _ in rendering.starts:
        n = int(0.74 * rendering.gap)
        arch = base * (0.85 + 0.35 * np.sin(np.pi * np.minimum(1.15 * make_time_axis(n) * RATE / n, 1)))
        rough = 1 + 0.3 * np.sin(2 * np.pi * 27 * make_time_axis(n))
        units.append(make_tone(arch, n, (0.35, 0.8, 1.0, 0.8, 0.5, 0.35, 0.2, 0.1)) * rough * make_fade(n, 0.06, 0.12))
    return rendering.add_units(units)


def render_singer(rendering: Rendering) -> Wave:
    """Synthesise singing: long open vowels with a slow vibrato and the singer's formant near 2.8 kHz."""
    base, rate, size = (
        rendering.draw_around(262 * rendering.pitch),
        rendering.draw_around(5.0, 0.08),
        _draw_formant_factor(rendering, 1.0),
    )
    units = []
    for _ in rendering.starts:
        n = int(0.94 * rendering.gap)
        pitch = base * 2.0 ** (int(rendering.rng.choice((-2, 0, 2))) / 12)
        first, second, _ = _VOWELS[int(rendering.rng.choice((0, 4)))]
        sung = pitch * (1 + 0.03 * np.sin(2 * np.pi * rate * make_time_axis(n)))
        units.append(
            make_tone(sung, n, _compute_vowel_harmonics(pitch, (first, second, 2800), size, 0.15))
            * make_fade(n, 0.1, 0.12)
        )
    return rendering.add_units(units)
