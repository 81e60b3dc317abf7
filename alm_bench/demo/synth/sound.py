"""Synthesis of everyday sounds: animals, weather, alarms, impacts and machines."""

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
    random_curve,
    ringing,
    seconds,
    times,
    tone,
)


def dog(rendering: Take) -> Wave:
    base = rendering.around(520 * rendering.pitch)
    units = []
    for _ in rendering.starts:
        n = seconds(rendering.around(0.19, 0.15))
        pitch = np.concatenate([glide(base * 0.8, base * 1.25, n // 4), glide(base * 1.25, base * 0.6, n - n // 4)])
        growl = band(noise(rendering.rng, n), 900, 2600) * 0.35
        units.append(
            (tone(pitch, n, (0.5, 1.0, 0.9, 0.6, 0.35, 0.2)) + growl) * decay(n, 0.09, 0.012) * fade(n, 0, 0.02)
        )
    return rendering.add_units(units)


def bird(rendering: Take) -> Wave:
    base = rendering.around(3400 * rendering.pitch)
    rise = rendering.around(1.35, 0.08)
    units = []
    for _ in rendering.starts:
        n = seconds(rendering.around(0.075, 0.15))
        up = tone(glide(base, base * rise, n), n) * fade(n, 0.01, 0.02)
        down = tone(glide(base * rise * 1.08, base * 0.92, n), n) * fade(n, 0.01, 0.03)
        units.append(np.concatenate([up, np.zeros(seconds(0.02), np.float32), down]))
    return rendering.add_units(units)


def frog(rendering: Take) -> Wave:
    base, pulses = rendering.around(300 * rendering.pitch), rendering.around(38, 0.1)
    units = []
    for _ in rendering.starts:
        n = seconds(rendering.around(0.36, 0.1))
        grain = np.maximum(np.sin(2 * np.pi * pulses * times(n)), 0) ** 2
        units.append(tone(base, n, (0.7, 0.5, 1.0, 0.7, 0.3)) * grain * fade(n, 0.05, 0.08))
    return rendering.add_units(units)


def rain(rendering: Take) -> Wave:
    hiss = band(noise(rendering.rng, rendering.n), rendering.around(1800, 0.15), None)
    drops = np.zeros(rendering.n, np.float32)
    hits = rendering.rng.integers(0, rendering.n, max(1, int(rendering.n / 32_000 * rendering.around(90, 0.3))))
    drops[hits] = rendering.rng.uniform(4, 14, len(hits))
    both: Wave = hiss + band(drops, 2500, 9000)
    return both * fade(rendering.n, 0.15, 0.15)


def wind(rendering: Take) -> Wave:
    raw = noise(rendering.rng, rendering.n)
    gusts = np.float32(0.25) + random_curve(rendering, rendering.n, 1.1)
    howl = band(raw, rendering.around(380, 0.15), rendering.around(560, 0.1)) * random_curve(
        rendering, rendering.n, 0.8
    )
    both: Wave = band(raw, 60, 330) + 1.6 * howl
    return both * gusts * fade(rendering.n, 0.25, 0.25)


def drip(rendering: Take) -> Wave:
    base = rendering.around(850 * rendering.pitch)
    units = []
    for _ in rendering.starts:
        n = seconds(0.11)
        start = base * float(rendering.rng.uniform(0.95, 1.08))
        units.append(tone(glide(start, start * 2.1, n), n) * decay(n, 0.03, 0.004))
    return rendering.add_units(units)


def siren(rendering: Take) -> Wave:
    base, rate = rendering.around(760 * rendering.pitch), rendering.around(0.55 * rendering.tempo, 0.08)
    swing = np.abs(2 * ((times(rendering.n) * rate + float(rendering.rng.random())) % 1) - 1)
    return tone(base * 2 ** (0.95 * swing), rendering.n, (1.0, 0.5, 0.3, 0.15)) * fade(rendering.n, 0.08, 0.08)


def beep(rendering: Take) -> Wave:
    base = rendering.around(2050 * rendering.pitch, 0.04)
    n = seconds(rendering.around(0.13, 0.1))
    unit = tone(base, n, (1.0, 0.0, 0.4, 0.0, 0.2)) * fade(n, 0.004, 0.004)
    return rendering.add_units([unit] * len(rendering.starts))


def phone(rendering: Take) -> Wave:
    n = min(seconds(0.6), int(0.68 * rendering.gap))
    base, warble = rendering.around(1050, 0.04), rendering.around(21, 0.08)
    high = np.sin(2 * np.pi * warble * times(n)) > 0
    pitch = np.where(high, np.float32(base * 1.27), np.float32(base))
    unit = tone(pitch, n, (1.0, 0.25, 0.35, 0.1)) * fade(n, 0.01, 0.03)
    return rendering.add_units([unit] * len(rendering.starts))


def knock(rendering: Take) -> Wave:
    body = rendering.around(190, 0.15)
    units = []
    for _ in rendering.starts:
        hit = body * float(rendering.rng.uniform(0.97, 1.03))
        n = seconds(0.12)
        wood = ringing(n, [(hit, 1.0, 0.022), (hit * 2.3, 0.7, 0.014), (hit * 4.1, 0.45, 0.008)])
        units.append(wood + band(noise(rendering.rng, n), 500, 2500) * decay(n, 0.004, 0.0005) * 0.8)
    return rendering.add_units(units)


def steps(rendering: Take) -> Wave:
    low, high = rendering.around(900, 0.15), rendering.around(4200, 0.12)
    units = []
    for _ in rendering.starts:
        heel, sole = seconds(0.07), seconds(rendering.around(0.16, 0.15))
        grit = np.zeros(heel + sole, np.float32)
        grit[:heel] = noise(rendering.rng, heel) * decay(heel, 0.025)
        crackle = noise(rendering.rng, sole) * (rendering.rng.random(sole, dtype=np.float32) > 0.93)
        grit[heel:] = 2.2 * crackle * fade(sole, 0.03, 0.1)
        units.append(band(grit, low, high))
    return rendering.add_units(units)


def hammer(rendering: Take) -> Wave:
    base = rendering.around(1350, 0.1)
    ratios = ((1.0, 0.6), (1.72, 1.0), (2.41, 0.8), (3.37, 0.7), (4.6, 0.4))
    units = []
    for _ in rendering.starts:
        n = seconds(0.45)
        ring = ringing(n, [(base * ratio, level, 0.16 / ratio**0.4) for ratio, level in ratios])
        units.append(ring + noise(rendering.rng, n) * decay(n, 0.003, 0.0003))
    return rendering.add_units(units)


def engine(rendering: Take) -> Wave:
    base = rendering.around(42 * rendering.pitch)
    drift = base * (1 + 0.05 * (random_curve(rendering, rendering.n, 1.5) - 0.5))
    cylinders = tone(drift, rendering.n, (0.4, 1.0, 0.5, 0.8, 0.4, 0.6, 0.3, 0.3, 0.2, 0.15))
    return (cylinders + 0.25 * band(noise(rendering.rng, rendering.n), 80, 700)) * fade(rendering.n, 0.15, 0.15)


def drill(rendering: Take) -> Wave:
    base = rendering.around(215 * rendering.pitch)
    drift = base * (1 + 0.06 * (random_curve(rendering, rendering.n, 3) - 0.5))
    grind = band(noise(rendering.rng, rendering.n), 2500, 7000) * (0.35 + 0.25 * tone(drift / 4, rendering.n))
    return (tone(drift, rendering.n, falling(28, 0.55)) + grind) * fade(rendering.n, 0.06, 0.06)


def helicopter(rendering: Take) -> Wave:
    chop = rendering.around(11 * rendering.tempo, 0.06)
    blades = np.exp(-((times(rendering.n) * chop + float(rendering.rng.random())) % 1) * 5).astype(np.float32)
    rotor = band(noise(rendering.rng, rendering.n), 70, 1300) * blades
    both: Wave = rotor + 0.12 * tone(rendering.around(260), rendering.n, falling(6))
    return both * fade(rendering.n, 0.25, 0.25)
