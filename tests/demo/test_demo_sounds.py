"""The sounds themselves: well formed, reproducible, and told apart by whoever listens."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alm_bench.demo import EVENT_TYPES, TAGS, Scene, build_scene, build_training_rows, compute_frame_tags, synthesise
from alm_bench.demo.scene import build_event, create_generator, draw_factor
from alm_bench.tasks.mmau.demo import build_mmau_items

RATE = 32_000


def summary(mel: np.ndarray) -> np.ndarray:
    return np.concatenate([mel.mean(0), mel.std(0), mel.max(0), np.abs(np.diff(mel, axis=0)).mean(0)])


def alone(tag: str, split: str, index: int) -> Scene:
    """One event somewhere, of any usual pitch, pace, loudness and length, over any usual background."""
    rng = create_generator("alone", split, tag, index)
    only = build_event(
        tag,
        rng.uniform(0, 5),
        rng.uniform(2.5, 4),
        gain=rng.uniform(-4, 1),
        pitch=draw_factor(rng, 0.75, 1.33),
        tempo=draw_factor(rng, 0.75, 1.33),
    )
    return Scene(rng.getrandbits(62), (only,), -rng.uniform(50, 64))


@pytest.mark.slow
def test_every_sound_is_told_from_every_other_by_its_log_mel(log_mel: Callable[[np.ndarray], np.ndarray]) -> None:
    features, heard = {}, {}
    for split, count in (("train", 12), ("test", 4)):
        known = [(tag, summary(log_mel(synthesise(alone(tag, split, i))))) for tag in TAGS for i in range(count)]
        heard[split], features[split] = zip(*known, strict=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    model.fit(np.array(features["train"]), heard["train"])
    said = model.predict(np.array(features["test"]))
    right = said == np.array(heard["test"])
    assert right.mean() >= 0.9
    for tag in EVENT_TYPES:
        assert right[np.array(heard["test"]) == tag].mean() >= 0.5, tag


@pytest.mark.parametrize("index", range(12))
def test_scenes_are_finite_and_fit_ten_seconds(index: int) -> None:
    wave = synthesise(build_scene("test", index))
    assert wave.dtype == np.float32
    assert wave.shape == (320_000,)
    assert np.isfinite(wave).all()
    assert 0.01 < np.abs(wave).max() <= 1.0


@pytest.mark.parametrize("tag", TAGS)
def test_events_of_any_shape_sound_where_they_should(tag: str) -> None:
    for pitch, tempo, room, gain in ((0.6, 0.6, 1.2, 2.0), (1.6, 1.6, 4.5, -10.0)):
        item = build_event(tag, 3.0, room, pitch=pitch, tempo=tempo, gain=gain)
        wave = synthesise(Scene(7, (item,), -70.0))
        assert np.isfinite(wave).all()
        start, stop = int(item.onset * RATE), int(item.end * RATE)
        inside, outside = wave[start:stop], np.concatenate([wave[:start], wave[stop + 1 :]])
        assert np.std(inside) > 6 * np.std(outside)


def test_events_are_equally_loud_and_gain_is_in_decibels() -> None:
    def level(tag: str, gain: float) -> float:
        wave = synthesise(Scene(3, (build_event(tag, 2.0, 4.0, gain=gain),), -90.0))
        frames = wave[2 * RATE : 5 * RATE].reshape(-1, 640)
        return float(10 * np.log10(np.quantile((frames**2).mean(1), 0.9)))

    levels = {tag: level(tag, 0.0) for tag in ("siren", "dog", "rain", "bell", "man", "drums", "knock")}
    assert max(levels.values()) - min(levels.values()) < 4.0
    assert level("siren", 0.0) - level("siren", -12.0) == pytest.approx(12.0, abs=0.3)


@pytest.mark.parametrize("tag", ["knock", "beep", "dog", "hammer", "trumpet", "bongo", "counting", "phone"])
@pytest.mark.parametrize("repeats", [1, 3, 5])
def test_repeats_can_be_counted(tag: str, repeats: int) -> None:
    wave = synthesise(Scene(repeats, (build_event(tag, 0.5, 0.0, repeats=repeats),), -80.0))
    level = np.sqrt((wave.reshape(-1, 640) ** 2).mean(1))  # 20 ms
    smooth = np.convolve(level, np.ones(3) / 3, "same")
    loud = smooth > 0.3 * smooth.max()
    starts = np.flatnonzero(loud[1:] & ~loud[:-1])
    assert 1 + int((np.diff(starts) > 8).sum()) == repeats


@pytest.mark.parametrize("tag", [kind.key for kind in EVENT_TYPES.values() if kind.pitched])
def test_high_takes_are_higher_than_low_takes(tag: str) -> None:
    def centre(pitch: float, seed: int) -> float:
        wave = synthesise(Scene(seed, (build_event(tag, 1.0, 4.0, pitch=pitch),), -90.0))[RATE : 5 * RATE]
        power = np.abs(np.fft.rfft(wave)) ** 2
        bins = np.maximum(np.fft.rfftfreq(len(wave), 1 / RATE), 20)
        return float(np.exp(np.average(np.log(bins), weights=power)))

    low, high = (np.mean([centre(pitch, seed) for seed in range(3)]) for pitch in (0.75, 1.35))
    assert high > 1.1 * low


PRINT = """
import hashlib, json
from alm_bench.demo import build_scene, build_training_rows, synthesise
from alm_bench.tasks._shared.demo import build_audiocaps_entailment
from alm_bench.tasks.clotho_aqa.demo import build_aqa_rows
from alm_bench.tasks.mmau.demo import build_mmau_items
made = [build_mmau_items("test", 96), build_audiocaps_entailment(9), build_aqa_rows("test", 9)]
made.append(build_training_rows(200))
texts = json.dumps([[m.rows, {k: s.pack() for k, s in m.scenes.items()}] for m in made])
waves = b"".join(synthesise(s).tobytes() for s in [build_scene("test", 3), *list(made[1].scenes.values())[:2]])
print(json.dumps([hashlib.sha256(texts.encode()).hexdigest(), hashlib.sha256(waves).hexdigest()]))
"""


def test_another_process_makes_the_same_world() -> None:
    prints = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True
        )
        prints.append(json.loads(done.stdout))
    assert prints[0] == prints[1]


def test_splits_share_no_scene() -> None:
    train, other, val, test = (
        {scene.seed for scene in made.scenes.values()}
        for made in (
            build_training_rows(2000),
            build_training_rows(2000, seed=1),
            build_training_rows(1000, split="val"),
            build_mmau_items("test", 960),
        )
    )
    free = {build_scene("train", i).seed for i in range(200)}, {build_scene("test", i).seed for i in range(200)}
    sets = [train, other, val, test, *free]
    assert len(set.union(*sets)) == sum(map(len, sets))


def test_frame_tags_mark_events_in_time() -> None:
    known = Scene(1, (build_event("siren", 2.0, 3.0), build_event("animal?", 6.0, 2.0)))
    target = compute_frame_tags(known, 100)
    assert target.shape == (100, len(TAGS))
    siren = np.flatnonzero(target[:, TAGS.index("siren")])
    assert (siren.min(), siren.max()) == (20, 49)
    assert target[:, TAGS.index("animal?")].sum() > 0
    assert set(np.flatnonzero(target.any(0))) == {TAGS.index("siren"), TAGS.index("animal?")}
