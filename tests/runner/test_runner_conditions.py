"""What the clips and options of a run are changed by."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_world import tone

from alm_bench.audio import compute_rms
from alm_bench.core import AudioPolicy, AudioRef, Request, Sample, UsageError
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.loader import load_clips

POLICY = AudioPolicy(rate=8000, seconds=0.5, short="zeros")


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    tone(tmp_path / "a.wav", 440)
    return Request("q", "?", (AudioRef("a.wav", tmp_path / "a.wav"),))


def heard(request: Request, name: str, **draw: int) -> np.ndarray:
    (wave,) = load_clips(0, request, POLICY, create_condition(name, **draw)).request.waves
    return wave


def test_noise_has_the_clips_own_length_and_rms(request_: Request) -> None:
    clean, noise = heard(request_, "clean"), heard(request_, "gaussian")
    length = round(0.3 * 8000)
    assert compute_rms(noise[:length]) == pytest.approx(compute_rms(clean[:length]), rel=1e-6)
    assert not noise[length:].any(), "what fills the clip up is no part of it"
    assert abs(np.corrcoef(clean[:length], noise[:length])[0, 1]) < 0.1
    assert (heard(request_, "gaussian") == noise).all()
    assert (heard(request_, "gaussian", repeat=1) != noise).any()
    assert (heard(request_, "gaussian", seed=1) != noise).any()


@pytest.mark.parametrize("decibels", [20, 0, -5.5])
def test_mixtures_have_their_ratio(request_: Request, decibels: float) -> None:
    length = round(0.3 * 8000)
    clean, mixed = heard(request_, "clean")[:length], heard(request_, f"snr:{decibels}")[:length]
    assert 20 * np.log10(compute_rms(clean) / compute_rms(mixed - clean)) == pytest.approx(decibels, abs=0.01)


def test_silence_and_thirds(request_: Request, tmp_path: Path) -> None:
    assert not heard(request_, "silence").any()
    steps = np.repeat([0.1, 0.2, 0.3], 800)
    soundfile.write(tmp_path / "steps.wav", steps, 8000, subtype="FLOAT")
    request = Request("q", "?", (AudioRef("steps.wav", tmp_path / "steps.wav"),))
    for third, level in (("first", 0.1), ("middle", 0.2), ("last", 0.3)):
        wave = heard(request, f"third:{third}")
        assert wave[:800] == pytest.approx(np.full(800, level), abs=1e-6)
        assert not wave[800:].any()


def test_swaps_are_derangements_that_keep_clips_together() -> None:
    refs = [AudioRef(f"{n}.wav", Path(f"{n}.wav")) for n in range(7)]
    requests = [Request(f"q{n}", "?", (refs[n % 7], refs[(n + 1) % 7])) for n in range(21)]
    for repeat in range(5):
        swapped = create_condition("swap", repeat=repeat).requests(requests)
        sides = [[ref.id for request in asked for ref in request.audio] for asked in (requests, swapped)]
        both = list(zip(*sides, strict=True))
        other = dict(both)
        assert len(set(both)) == len(other), "a clip has one partner"
        assert all(a != b for a, b in other.items())
        assert sorted(other.values()) == sorted(other)
    with pytest.raises(UsageError, match="swap takes another clip of the task, and it has one only"):
        create_condition("swap").requests([Request("q", "?", (refs[0],))])


def test_none_withholds_every_clip() -> None:
    ref = AudioRef("a.wav", Path("a.wav"))
    (request,) = create_condition("none").requests([Request("q", "?", (ref,), spare=ref)])
    assert (request.audio, request.spare) == ((), None)


def test_options_without_a_right_one() -> None:
    samples = [
        Sample("twins", {}, choices=("Dog", "cat", "Cat", "bird"), target=1, gold="cat"),
        Sample("two", {}, choices=("x", "y"), target=0, gold="x"),
        Sample("other", {}, choices=("a", "b", "c"), target=2, gold="c"),
        Sample("open", {}, target=["text"]),
    ]
    without = create_condition("no-gold").samples(samples)
    assert [(s.id, s.choices, s.target, s.gold) for s in without] == [
        ("twins", ("Dog", "bird"), None, None),
        ("other", ("a", "b"), None, None),
    ]
    assert not create_condition("no-gold").samples([Sample("q", {}, choices=("A", "a", "b"), target=0, gold="A")])
    foreign = create_condition("other-options").samples(samples)
    assert {s.id: s.choices for s in foreign} == {"twins": ("a", "b", "c"), "other": ("Dog", "cat", "Cat", "bird")}
    assert create_condition("gaussian").samples(samples) == samples
    alike = [
        Sample(name, {}, choices=choices, target=0, gold=choices[0])
        for name, choices in (("x", ("Dog", "cat", "bird")), ("y", ("dog", "fly", "owl")))
    ]
    assert create_condition("other-options").samples(alike) == [], "they share an option, in other letters"


@pytest.mark.parametrize("name", ["noise", "snr:", "snr:loud", "snr:1e9", "third:second", ""])
def test_unknown_conditions_name_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown condition .* known: .*(gaussian|silence)"):
        create_condition(name)
