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
    ringing,
    seconds,
    times,
    tone,
    wobble,
)


def dog(take: Take) -> Wave:
    base = take.around(520 * take.pitch)
    units = []
    for _ in take.starts:
        n = seconds(take.around(0.19, 0.15))
        pitch = np.concatenate([glide(base * 0.8, base * 1.25, n // 4), glide(base * 1.25, base * 0.6, n - n // 4)])
        growl = band(noise(take.rng, n), 900, 2600) * 0.35
        units.append(
            (tone(pitch, n, (0.5, 1.0, 0.9, 0.6, 0.35, 0.2)) + growl) * decay(n, 0.09, 0.012) * fade(n, 0, 0.02)
        )
    return take.lay(units)


def bird(take: Take) -> Wave:
    base = take.around(3400 * take.pitch)
    rise = take.around(1.35, 0.08)
    units = []
    for _ in take.starts:
        n = seconds(take.around(0.075, 0.15))
        up = tone(glide(base, base * rise, n), n) * fade(n, 0.01, 0.02)
        down = tone(glide(base * rise * 1.08, base * 0.92, n), n) * fade(n, 0.01, 0.03)
        units.append(np.concatenate([up, np.zeros(seconds(0.02), np.float32), down]))
    return take.lay(units)


def frog(take: Take) -> Wave:
    base, pulses = take.around(300 * take.pitch), take.around(38, 0.1)
    units = []
    for _ in take.starts:
        n = seconds(take.around(0.36, 0.1))
        grain = np.maximum(np.sin(2 * np.pi * pulses * times(n)), 0) ** 2
        units.append(tone(base, n, (0.7, 0.5, 1.0, 0.7, 0.3)) * grain * fade(n, 0.05, 0.08))
    return take.lay(units)


def rain(take: Take) -> Wave:
    hiss = band(noise(take.rng, take.n), take.around(1800, 0.15), None)
    drops = np.zeros(take.n, np.float32)
    hits = take.rng.integers(0, take.n, max(1, int(take.n / 32_000 * take.around(90, 0.3))))
    drops[hits] = take.rng.uniform(4, 14, len(hits))
    both: Wave = hiss + band(drops, 2500, 9000)
    return both * fade(take.n, 0.15, 0.15)


def wind(take: Take) -> Wave:
    raw = noise(take.rng, take.n)
    gusts = np.float32(0.25) + wobble(take, take.n, 1.1)
    howl = band(raw, take.around(380, 0.15), take.around(560, 0.1)) * wobble(take, take.n, 0.8)
    both: Wave = band(raw, 60, 330) + 1.6 * howl
    return both * gusts * fade(take.n, 0.25, 0.25)


def drip(take: Take) -> Wave:
    base = take.around(850 * take.pitch)
    units = []
    for _ in take.starts:
        n = seconds(0.11)
        start = base * float(take.rng.uniform(0.95, 1.08))
        units.append(tone(glide(start, start * 2.1, n), n) * decay(n, 0.03, 0.004))
    return take.lay(units)


def siren(take: Take) -> Wave:
    base, rate = take.around(760 * take.pitch), take.around(0.55 * take.tempo, 0.08)
    swing = np.abs(2 * ((times(take.n) * rate + float(take.rng.random())) % 1) - 1)
    return tone(base * 2 ** (0.95 * swing), take.n, (1.0, 0.5, 0.3, 0.15)) * fade(take.n, 0.08, 0.08)


def beep(take: Take) -> Wave:
    base = take.around(2050 * take.pitch, 0.04)
    n = seconds(take.around(0.13, 0.1))
    unit = tone(base, n, (1.0, 0.0, 0.4, 0.0, 0.2)) * fade(n, 0.004, 0.004)
    return take.lay([unit] * len(take.starts))


def phone(take: Take) -> Wave:
    n = min(seconds(0.6), int(0.68 * take.gap))
    base, warble = take.around(1050, 0.04), take.around(21, 0.08)
    high = np.sin(2 * np.pi * warble * times(n)) > 0
    pitch = np.where(high, np.float32(base * 1.27), np.float32(base))
    unit = tone(pitch, n, (1.0, 0.25, 0.35, 0.1)) * fade(n, 0.01, 0.03)
    return take.lay([unit] * len(take.starts))


def knock(take: Take) -> Wave:
    body = take.around(190, 0.15)
    units = []
    for _ in take.starts:
        hit = body * float(take.rng.uniform(0.97, 1.03))
        n = seconds(0.12)
        wood = ringing(n, [(hit, 1.0, 0.022), (hit * 2.3, 0.7, 0.014), (hit * 4.1, 0.45, 0.008)])
        units.append(wood + band(noise(take.rng, n), 500, 2500) * decay(n, 0.004, 0.0005) * 0.8)
    return take.lay(units)


def steps(take: Take) -> Wave:
    low, high = take.around(900, 0.15), take.around(4200, 0.12)
    units = []
    for _ in take.starts:
        heel, sole = seconds(0.07), seconds(take.around(0.16, 0.15))
        grit = np.zeros(heel + sole, np.float32)
        grit[:heel] = noise(take.rng, heel) * decay(heel, 0.025)
        crackle = noise(take.rng, sole) * (take.rng.random(sole, dtype=np.float32) > 0.93)
        grit[heel:] = 2.2 * crackle * fade(sole, 0.03, 0.1)
        units.append(band(grit, low, high))
    return take.lay(units)


def hammer(take: Take) -> Wave:
    base = take.around(1350, 0.1)
    ratios = ((1.0, 0.6), (1.72, 1.0), (2.41, 0.8), (3.37, 0.7), (4.6, 0.4))
    units = []
    for _ in take.starts:
        n = seconds(0.45)
        ring = ringing(n, [(base * ratio, level, 0.16 / ratio**0.4) for ratio, level in ratios])
        units.append(ring + noise(take.rng, n) * decay(n, 0.003, 0.0003))
    return take.lay(units)


def engine(take: Take) -> Wave:
    base = take.around(42 * take.pitch)
    drift = base * (1 + 0.05 * (wobble(take, take.n, 1.5) - 0.5))
    cylinders = tone(drift, take.n, (0.4, 1.0, 0.5, 0.8, 0.4, 0.6, 0.3, 0.3, 0.2, 0.15))
    return (cylinders + 0.25 * band(noise(take.rng, take.n), 80, 700)) * fade(take.n, 0.15, 0.15)


def drill(take: Take) -> Wave:
    base = take.around(215 * take.pitch)
    drift = base * (1 + 0.06 * (wobble(take, take.n, 3) - 0.5))
    grind = band(noise(take.rng, take.n), 2500, 7000) * (0.35 + 0.25 * tone(drift / 4, take.n))
    return (tone(drift, take.n, falling(28, 0.55)) + grind) * fade(take.n, 0.06, 0.06)


def helicopter(take: Take) -> Wave:
    chop = take.around(11 * take.tempo, 0.06)
    blades = np.exp(-((times(take.n) * chop + float(take.rng.random())) % 1) * 5).astype(np.float32)
    rotor = band(noise(take.rng, take.n), 70, 1300) * blades
    both: Wave = rotor + 0.12 * tone(take.around(260), take.n, falling(6))
    return both * fade(take.n, 0.25, 0.25)
