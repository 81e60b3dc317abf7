"""Synthesis of musical instruments: sustained, struck and percussive ones, and keyboards.

A function `render_KEY` renders the event type KEY of `vocabulary.EVENT_TYPES`.
"""

import numpy as np

from alm_bench.demo.synth.dsp import (
    Rendering,
    Wave,
    count_samples,
    filter_band,
    make_decay,
    make_fade,
    make_falling_amplitudes,
    make_glide,
    make_noise,
    make_ringing,
    make_time_axis,
    make_tone,
)

_MELODY = (-2, 0, 0, 2)  # semitones relative to the base; small, so that low and high pitches remain distinguishable
_MAJOR = (0, 2, 4, 5, 7, 9, 11, 12)


def _draw_pitches(rendering: Rendering, base: float) -> list[float]:
    """Draw one pitch in Hz per unit (note or beat) of the event: at most two semitones from `base` Hz."""
    return [base * 2.0 ** (int(step) / 12) for step in rendering.rng.choice(_MELODY, len(rendering.starts))]


def render_violin(rendering: Rendering) -> Wave:
    base, depth, rate = (
        rendering.draw_around(490 * rendering.pitch),
        rendering.draw_around(0.012, 0.3),
        rendering.draw_around(5.8, 0.1),
    )
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.93 * rendering.gap)
        vibrato = pitch * (1 + depth * np.sin(2 * np.pi * rate * make_time_axis(n)))
        bow = filter_band(make_noise(rendering.rng, n), 2000, 6000) * 0.04
        units.append((make_tone(vibrato, n, make_falling_amplitudes(16, 0.9)) + bow) * make_fade(n, 0.09, 0.06))
    return rendering.add_units(units)


def render_flute(rendering: Rendering) -> Wave:
    base = rendering.draw_around(880 * rendering.pitch)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.9 * rendering.gap)
        breath = filter_band(make_noise(rendering.rng, n), 700, 2800) * 0.12
        tremble = 1 + 0.12 * np.sin(2 * np.pi * 4.7 * make_time_axis(n))
        units.append((make_tone(pitch, n, (1.0, 0.12, 0.03)) * tremble + breath) * make_fade(n, 0.07, 0.07))
    return rendering.add_units(units)


def render_trumpet(rendering: Rendering) -> Wave:
    base = rendering.draw_around(330 * rendering.pitch)
    bright, mellow = (0.5, 0.7, 0.9, 1.0, 1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.2), (1.0, 0.6, 0.2)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.62 * rendering.gap)
        blare = make_fade(n, 0.06, 0.1)
        scoop = make_glide(pitch * 0.96, pitch, min(n, count_samples(0.05)))
        bent = np.concatenate([scoop, np.full(n - len(scoop), pitch, np.float32)])
        units.append((make_tone(bent, n, bright) * blare + 0.3 * make_tone(bent, n, mellow)) * make_fade(n, 0.02, 0.04))
    return rendering.add_units(units)


def render_guitar(rendering: Rendering) -> Wave:
    base, brightness = rendering.draw_around(165 * rendering.pitch), rendering.draw_around(0.9, 0.15)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = count_samples(0.9)
        body = make_tone(pitch, n, make_falling_amplitudes(5, 1.0)) * make_decay(n, 0.28, 0.003)
        edge = make_tone(pitch, n, make_falling_amplitudes(20, brightness)) * make_decay(n, 0.06, 0.001)
        units.append(body + edge)
    return rendering.add_units(units)


def render_xylophone(rendering: Rendering) -> Wave:
    base = rendering.draw_around(1250 * rendering.pitch)
    partials = ((1.0, 1.0, 0.075), (3.93, 0.5, 0.03), (6.5, 0.15, 0.01))
    units = []
    for pitch in _draw_pitches(rendering, base):
        units.append(
            make_ringing(count_samples(0.4), [(pitch * ratio, level, fall) for ratio, level, fall in partials])
        )
    return rendering.add_units(units)


def render_bell(rendering: Rendering) -> Wave:
    base = rendering.draw_around(440 * rendering.pitch)
    partials = (
        (0.5, 0.6, 0.9),
        (1.0, 1.0, 0.6),
        (1.19, 0.8, 0.5),
        (1.5, 0.4, 0.4),
        (2.0, 0.7, 0.35),
        (2.67, 0.35, 0.2),
    )
    unit = make_ringing(count_samples(1.6), [(base * ratio, level, fall) for ratio, level, fall in partials])
    return rendering.add_units([unit] * len(rendering.starts))


def render_drums(rendering: Rendering) -> Wave:
    n = count_samples(0.28)
    low = rendering.draw_around(58, 0.1)
    kick = make_tone(make_glide(low * 2.6, low, n), n) * make_decay(n, 0.09)
    units = []
    for i, _ in enumerate(rendering.starts):
        hat = filter_band(make_noise(rendering.rng, n), 7500, None) * make_decay(n, 0.02, 0.0005) * 0.5
        snare = (
            filter_band(make_noise(rendering.rng, n), 900, 6500) * make_decay(n, 0.055) * 0.8
            + make_tone(190.0, n) * make_decay(n, 0.05) * 0.5
        )
        units.append((snare if i % 2 else 1.3 * kick) + hat)
    return rendering.add_units(units)


def render_maracas(rendering: Rendering) -> Wave:
    low = rendering.draw_around(5200, 0.1)
    units = []
    for _ in rendering.starts:
        n = min(count_samples(0.1), rendering.gap)
        swish = filter_band(make_noise(rendering.rng, n), low, 12_000)
        units.append(swish * np.minimum(make_time_axis(n) / 0.03, 1) * make_decay(n, 0.035))
    return rendering.add_units(units)


def render_bongo(rendering: Rendering) -> Wave:
    base = rendering.draw_around(300 * rendering.pitch)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = count_samples(0.25)
        skin = make_tone(make_glide(pitch * 1.25, pitch, n), n, (1.0, 0.35, 0.15)) * make_decay(n, 0.075, 0.001)
        slap = filter_band(make_noise(rendering.rng, n), 1200, 4000) * make_decay(n, 0.006, 0.0003) * 0.6
        units.append(skin + slap)
    return rendering.add_units(units)


def render_organ(rendering: Rendering) -> Wave:
    base = rendering.draw_around(262 * rendering.pitch)
    pipes = (1.0, 0.7, 0.0, 0.6, 0.0, 0.0, 0.0, 0.45)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.96 * rendering.gap)
        third = 4 if rendering.rng.random() < 0.5 else 3
        chord = [make_tone(pitch * 2 ** (step / 12), n, pipes, float(rendering.rng.random())) for step in (0, third, 7)]
        units.append((chord[0] + chord[1] + chord[2]) * make_fade(n, 0.04, 0.05))
    return rendering.add_units(units)


def render_piano(rendering: Rendering) -> Wave:
    base, start = rendering.draw_around(392 * rendering.pitch), int(rendering.rng.integers(0, 2))
    units = []
    for i, _ in enumerate(rendering.starts):
        pitch = base * 2 ** (_MAJOR[(start + i) % len(_MAJOR)] / 12)
        n = count_samples(0.45)
        units.append(make_tone(pitch, n, (1.0, 0.5, 0.3, 0.2, 0.1, 0.05)) * make_decay(n, 0.16, 0.003))
    return rendering.add_units(units)
