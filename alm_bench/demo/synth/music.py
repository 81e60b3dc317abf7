"""Synthesis of musical instruments: sustained, struck and percussive ones, and keyboards."""

import numpy as np

from alm_bench.demo.synth.dsp import (
    Take,
    Wave,
    band,
    decay,
    fade,
    falling,
    glide,
    noise,
    ringing,
    seconds,
    times,
    tone,
)

_MELODY = (-2, 0, 0, 2)  # semitones relative to the base; small, so that low and high pitches remain distinguishable
_MAJOR = (0, 2, 4, 5, 7, 9, 11, 12)


def _draw_pitches(rendering: Take, base: float) -> list[float]:
    return [base * 2.0 ** (int(step) / 12) for step in rendering.rng.choice(_MELODY, len(rendering.starts))]


def violin(rendering: Take) -> Wave:
    base, depth, rate = (
        rendering.around(490 * rendering.pitch),
        rendering.around(0.012, 0.3),
        rendering.around(5.8, 0.1),
    )
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.93 * rendering.gap)
        vibrato = pitch * (1 + depth * np.sin(2 * np.pi * rate * times(n)))
        bow = band(noise(rendering.rng, n), 2000, 6000) * 0.04
        units.append((tone(vibrato, n, falling(16, 0.9)) + bow) * fade(n, 0.09, 0.06))
    return rendering.add_units(units)


def flute(rendering: Take) -> Wave:
    base = rendering.around(880 * rendering.pitch)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.9 * rendering.gap)
        breath = band(noise(rendering.rng, n), 700, 2800) * 0.12
        tremble = 1 + 0.12 * np.sin(2 * np.pi * 4.7 * times(n))
        units.append((tone(pitch, n, (1.0, 0.12, 0.03)) * tremble + breath) * fade(n, 0.07, 0.07))
    return rendering.add_units(units)


def trumpet(rendering: Take) -> Wave:
    base = rendering.around(330 * rendering.pitch)
    bright, mellow = (0.5, 0.7, 0.9, 1.0, 1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.2), (1.0, 0.6, 0.2)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.62 * rendering.gap)
        blare = fade(n, 0.06, 0.1)
        scoop = glide(pitch * 0.96, pitch, min(n, seconds(0.05)))
        bent = np.concatenate([scoop, np.full(n - len(scoop), pitch, np.float32)])
        units.append((tone(bent, n, bright) * blare + 0.3 * tone(bent, n, mellow)) * fade(n, 0.02, 0.04))
    return rendering.add_units(units)


def guitar(rendering: Take) -> Wave:
    base, brightness = rendering.around(165 * rendering.pitch), rendering.around(0.9, 0.15)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = seconds(0.9)
        body = tone(pitch, n, falling(5, 1.0)) * decay(n, 0.28, 0.003)
        edge = tone(pitch, n, falling(20, brightness)) * decay(n, 0.06, 0.001)
        units.append(body + edge)
    return rendering.add_units(units)


def xylophone(rendering: Take) -> Wave:
    base = rendering.around(1250 * rendering.pitch)
    partials = ((1.0, 1.0, 0.075), (3.93, 0.5, 0.03), (6.5, 0.15, 0.01))
    units = []
    for pitch in _draw_pitches(rendering, base):
        units.append(ringing(seconds(0.4), [(pitch * ratio, level, fall) for ratio, level, fall in partials]))
    return rendering.add_units(units)


def bell(rendering: Take) -> Wave:
    base = rendering.around(440 * rendering.pitch)
    partials = (
        (0.5, 0.6, 0.9),
        (1.0, 1.0, 0.6),
        (1.19, 0.8, 0.5),
        (1.5, 0.4, 0.4),
        (2.0, 0.7, 0.35),
        (2.67, 0.35, 0.2),
    )
    unit = ringing(seconds(1.6), [(base * ratio, level, fall) for ratio, level, fall in partials])
    return rendering.add_units([unit] * len(rendering.starts))


def drums(rendering: Take) -> Wave:
    n = seconds(0.28)
    low = rendering.around(58, 0.1)
    kick = tone(glide(low * 2.6, low, n), n) * decay(n, 0.09)
    units = []
    for i, _ in enumerate(rendering.starts):
        hat = band(noise(rendering.rng, n), 7500, None) * decay(n, 0.02, 0.0005) * 0.5
        snare = band(noise(rendering.rng, n), 900, 6500) * decay(n, 0.055) * 0.8 + tone(190.0, n) * decay(n, 0.05) * 0.5
        units.append((snare if i % 2 else 1.3 * kick) + hat)
    return rendering.add_units(units)


def maracas(rendering: Take) -> Wave:
    low = rendering.around(5200, 0.1)
    units = []
    for _ in rendering.starts:
        n = min(seconds(0.1), rendering.gap)
        swish = band(noise(rendering.rng, n), low, 12_000)
        units.append(swish * np.minimum(times(n) / 0.03, 1) * decay(n, 0.035))
    return rendering.add_units(units)


def bongo(rendering: Take) -> Wave:
    base = rendering.around(300 * rendering.pitch)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = seconds(0.25)
        skin = tone(glide(pitch * 1.25, pitch, n), n, (1.0, 0.35, 0.15)) * decay(n, 0.075, 0.001)
        slap = band(noise(rendering.rng, n), 1200, 4000) * decay(n, 0.006, 0.0003) * 0.6
        units.append(skin + slap)
    return rendering.add_units(units)


def organ(rendering: Take) -> Wave:
    base = rendering.around(262 * rendering.pitch)
    pipes = (1.0, 0.7, 0.0, 0.6, 0.0, 0.0, 0.0, 0.45)
    units = []
    for pitch in _draw_pitches(rendering, base):
        n = int(0.96 * rendering.gap)
        third = 4 if rendering.rng.random() < 0.5 else 3
        chord = [tone(pitch * 2 ** (step / 12), n, pipes, float(rendering.rng.random())) for step in (0, third, 7)]
        units.append((chord[0] + chord[1] + chord[2]) * fade(n, 0.04, 0.05))
    return rendering.add_units(units)


def piano(rendering: Take) -> Wave:
    base, start = rendering.around(392 * rendering.pitch), int(rendering.rng.integers(0, 2))
    units = []
    for i, _ in enumerate(rendering.starts):
        pitch = base * 2 ** (_MAJOR[(start + i) % len(_MAJOR)] / 12)
        n = seconds(0.45)
        units.append(tone(pitch, n, (1.0, 0.5, 0.3, 0.2, 0.1, 0.05)) * decay(n, 0.16, 0.003))
    return rendering.add_units(units)
