"""Synthesis of everyday sounds: animals, weather, alarms, impacts and machines.

A function `render_KEY` renders the event type KEY of `vocabulary.EVENT_TYPES`.
"""

import numpy as np

from alm_bench.demo.synth.dsp import (
    Rendering,
    Wave,
    count_samples,
    draw_random_curve,
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


def render_dog(rendering: Rendering) -> Wave:
    base = rendering.draw_around(520 * rendering.pitch)
    units = []
    for _ in rendering.starts:
        n = count_samples(rendering.draw_around(0.19, 0.15))
        pitch = np.concatenate(
            [make_glide(base * 0.8, base * 1.25, n // 4), make_glide(base * 1.25, base * 0.6, n - n // 4)]
        )
        growl = filter_band(make_noise(rendering.rng, n), 900, 2600) * 0.35
        units.append(
            (make_tone(pitch, n, (0.5, 1.0, 0.9, 0.6, 0.35, 0.2)) + growl)
            * make_decay(n, 0.09, 0.012)
            * make_fade(n, 0, 0.02)
        )
    return rendering.add_units(units)


def render_bird(rendering: Rendering) -> Wave:
    base = rendering.draw_around(3400 * rendering.pitch)
    rise = rendering.draw_around(1.35, 0.08)
    units = []
    for _ in rendering.starts:
        n = count_samples(rendering.draw_around(0.075, 0.15))
        up = make_tone(make_glide(base, base * rise, n), n) * make_fade(n, 0.01, 0.02)
        down = make_tone(make_glide(base * rise * 1.08, base * 0.92, n), n) * make_fade(n, 0.01, 0.03)
        units.append(np.concatenate([up, np.zeros(count_samples(0.02), np.float32), down]))
    return rendering.add_units(units)


def render_frog(rendering: Rendering) -> Wave:
    base, pulses = rendering.draw_around(300 * rendering.pitch), rendering.draw_around(38, 0.1)
    units = []
    for _ in rendering.starts:
        n = count_samples(rendering.draw_around(0.36, 0.1))
        grain = np.maximum(np.sin(2 * np.pi * pulses * make_time_axis(n)), 0) ** 2
        units.append(make_tone(base, n, (0.7, 0.5, 1.0, 0.7, 0.3)) * grain * make_fade(n, 0.05, 0.08))
    return rendering.add_units(units)


def render_rain(rendering: Rendering) -> Wave:
    hiss = filter_band(make_noise(rendering.rng, rendering.n), rendering.draw_around(1800, 0.15), None)
    drops = np.zeros(rendering.n, np.float32)
    hits = rendering.rng.integers(0, rendering.n, max(1, int(rendering.n / 32_000 * rendering.draw_around(90, 0.3))))
    drops[hits] = rendering.rng.uniform(4, 14, len(hits))
    both: Wave = hiss + filter_band(drops, 2500, 9000)
    return both * make_fade(rendering.n, 0.15, 0.15)


def render_wind(rendering: Rendering) -> Wave:
    raw = make_noise(rendering.rng, rendering.n)
    gusts = np.float32(0.25) + draw_random_curve(rendering, rendering.n, 1.1)
    howl = filter_band(raw, rendering.draw_around(380, 0.15), rendering.draw_around(560, 0.1)) * draw_random_curve(
        rendering, rendering.n, 0.8
    )
    both: Wave = filter_band(raw, 60, 330) + 1.6 * howl
    return both * gusts * make_fade(rendering.n, 0.25, 0.25)


def render_drip(rendering: Rendering) -> Wave:
    base = rendering.draw_around(850 * rendering.pitch)
    units = []
    for _ in rendering.starts:
        n = count_samples(0.11)
        start = base * float(rendering.rng.uniform(0.95, 1.08))
        units.append(make_tone(make_glide(start, start * 2.1, n), n) * make_decay(n, 0.03, 0.004))
    return rendering.add_units(units)


def render_siren(rendering: Rendering) -> Wave:
    base, rate = rendering.draw_around(760 * rendering.pitch), rendering.draw_around(0.55 * rendering.tempo, 0.08)
    swing = np.abs(2 * ((make_time_axis(rendering.n) * rate + float(rendering.rng.random())) % 1) - 1)
    return make_tone(base * 2 ** (0.95 * swing), rendering.n, (1.0, 0.5, 0.3, 0.15)) * make_fade(
        rendering.n, 0.08, 0.08
    )


def render_beep(rendering: Rendering) -> Wave:
    base = rendering.draw_around(2050 * rendering.pitch, 0.04)
    n = count_samples(rendering.draw_around(0.13, 0.1))
    unit = make_tone(base, n, (1.0, 0.0, 0.4, 0.0, 0.2)) * make_fade(n, 0.004, 0.004)
    return rendering.add_units([unit] * len(rendering.starts))


def render_phone(rendering: Rendering) -> Wave:
    n = min(count_samples(0.6), int(0.68 * rendering.gap))
    base, warble = rendering.draw_around(1050, 0.04), rendering.draw_around(21, 0.08)
    high = np.sin(2 * np.pi * warble * make_time_axis(n)) > 0
    pitch = np.where(high, np.float32(base * 1.27), np.float32(base))
    unit = make_tone(pitch, n, (1.0, 0.25, 0.35, 0.1)) * make_fade(n, 0.01, 0.03)
    return rendering.add_units([unit] * len(rendering.starts))


def render_knock(rendering: Rendering) -> Wave:
    body = rendering.draw_around(190, 0.15)
    units = []
    for _ in rendering.starts:
        hit = body * float(rendering.rng.uniform(0.97, 1.03))
        n = count_samples(0.12)
        wood = make_ringing(n, [(hit, 1.0, 0.022), (hit * 2.3, 0.7, 0.014), (hit * 4.1, 0.45, 0.008)])
        units.append(wood + filter_band(make_noise(rendering.rng, n), 500, 2500) * make_decay(n, 0.004, 0.0005) * 0.8)
    return rendering.add_units(units)


def render_steps(rendering: Rendering) -> Wave:
    low, high = rendering.draw_around(900, 0.15), rendering.draw_around(4200, 0.12)
    units = []
    for _ in rendering.starts:
        heel, sole = count_samples(0.07), count_samples(rendering.draw_around(0.16, 0.15))
        grit = np.zeros(heel + sole, np.float32)
        grit[:heel] = make_noise(rendering.rng, heel) * make_decay(heel, 0.025)
        crackle = make_noise(rendering.rng, sole) * (rendering.rng.random(sole, dtype=np.float32) > 0.93)
        grit[heel:] = 2.2 * crackle * make_fade(sole, 0.03, 0.1)
        units.append(filter_band(grit, low, high))
    return rendering.add_units(units)


def render_hammer(rendering: Rendering) -> Wave:
    base = rendering.draw_around(1350, 0.1)
    ratios = ((1.0, 0.6), (1.72, 1.0), (2.41, 0.8), (3.37, 0.7), (4.6, 0.4))
    units = []
    for _ in rendering.starts:
        n = count_samples(0.45)
        ring = make_ringing(n, [(base * ratio, level, 0.16 / ratio**0.4) for ratio, level in ratios])
        units.append(ring + make_noise(rendering.rng, n) * make_decay(n, 0.003, 0.0003))
    return rendering.add_units(units)


def render_engine(rendering: Rendering) -> Wave:
    base = rendering.draw_around(42 * rendering.pitch)
    drift = base * (1 + 0.05 * (draw_random_curve(rendering, rendering.n, 1.5) - 0.5))
    cylinders = make_tone(drift, rendering.n, (0.4, 1.0, 0.5, 0.8, 0.4, 0.6, 0.3, 0.3, 0.2, 0.15))
    return (cylinders + 0.25 * filter_band(make_noise(rendering.rng, rendering.n), 80, 700)) * make_fade(
        rendering.n, 0.15, 0.15
    )


def render_drill(rendering: Rendering) -> Wave:
    base = rendering.draw_around(215 * rendering.pitch)
    drift = base * (1 + 0.06 * (draw_random_curve(rendering, rendering.n, 3) - 0.5))
    grind = filter_band(make_noise(rendering.rng, rendering.n), 2500, 7000) * (
        0.35 + 0.25 * make_tone(drift / 4, rendering.n)
    )
    return (make_tone(drift, rendering.n, make_falling_amplitudes(28, 0.55)) + grind) * make_fade(
        rendering.n, 0.06, 0.06
    )


def render_helicopter(rendering: Rendering) -> Wave:
    chop = rendering.draw_around(11 * rendering.tempo, 0.06)
    blades = np.exp(-((make_time_axis(rendering.n) * chop + float(rendering.rng.random())) % 1) * 5).astype(np.float32)
    rotor = filter_band(make_noise(rendering.rng, rendering.n), 70, 1300) * blades
    both: Wave = rotor + 0.12 * make_tone(rendering.draw_around(260), rendering.n, make_falling_amplitudes(6))
    return both * make_fade(rendering.n, 0.25, 0.25)
