"""Clips far beyond what an adapter hears: decoded block by block, to the same samples."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alm_bench.audio import compute_loaded_duration, decode, load, loading
from alm_bench.core import AudioError, AudioPolicy, AudioRef

NOISE = (np.random.default_rng(0).standard_normal((88_211, 3)) * 0.1).astype(np.float32)

LENGTHS = [
    {"seconds": 0.7, "crop": "centre"},
    {"seconds": 0.7, "crop": "random"},
    {"seconds": 60.0, "crop": "random", "short": "repeat"},
    {"seconds": 60.0, "crop": "random", "short": "zeros"},
    {"max_seconds": 0.5},
    {"max_seconds": 0.5, "crop": "random"},
    {},
]


@pytest.mark.parametrize("length", LENGTHS, ids=str)
@pytest.mark.parametrize("channels", ["mean", "mean_first_two", "first", "end_to_end"])
@pytest.mark.parametrize(("format", "rate"), [("FLAC", 16_000), ("WAV", 44_100), ("OGG", 44_100), ("MP3", 22_050)])
def test_parts_are_the_same_samples_as_a_crop_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, rate: int, channels: str, length: dict[str, object]
) -> None:
    path = tmp_path / "a"
    soundfile.write(path, NOISE[:, :2] if format == "MP3" else NOISE, rate, format=format)
    policy = AudioPolicy(16_000, channels=channels, **length)  # type: ignore[arg-type]
    ref = AudioRef("a long clip", path)
    whole = load(ref, policy)
    monkeypatch.setattr(loading, "AT_ONCE", 1_000)
    monkeypatch.setattr(sys.modules["alm_bench.audio.decode"], "_BLOCK", 7_001)
    parts = load(ref, policy)
    # The MP3 decoder begins every read anew, which is a matter of the last bit.
    np.testing.assert_allclose(parts.wave, whole.wave, rtol=0, atol=1e-6 if format == "MP3" else 0)
    assert (parts.touched, parts.seconds) == (whole.touched, whole.seconds)


def test_an_estimate_that_was_too_long_places_the_crop_by_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE[:, :2], 44_100, format="MP3")
    data = bytearray(path.read_bytes())[:30_000]
    at = data.index(b"Xing")
    data[at : at + 8] = b"Info\0\0\0\1"
    path.write_bytes(data)
    for policy in (AudioPolicy(16_000, 0.25, "centre"), AudioPolicy(16_000, 60.0, "random", "zeros"), AudioPolicy()):
        with monkeypatch.context() as patch:
            whole = load(AudioRef("a", path), policy)
            patch.setattr(loading, "AT_ONCE", 1_000)
            parts = load(AudioRef("a", path), policy)
        assert whole.touched[0] == "ends_early"
        assert np.array_equal(parts.wave, whole.wave)
        assert (parts.touched, parts.seconds) == (whole.touched, whole.seconds)


def test_parts_are_checked_as_whole_clips_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "AT_ONCE", 1_000)
    path = tmp_path / "a.wav"
    samples = NOISE.copy()
    samples[70_000] = np.nan
    soundfile.write(path, samples, 44_100, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        load(AudioRef("a", path), AudioPolicy(16_000, 0.5, "centre"))
    soundfile.write(path, np.full((50_000, 1), np.finfo(np.float32).max), 44_100, subtype="FLOAT")
    with pytest.raises(AudioError, match="resampling gives values that are not finite"):
        load(AudioRef("a", path), AudioPolicy(16_000))
    soundfile.write(path, NOISE, 44_100, format="FLAC")
    path.write_bytes(path.read_bytes()[:-2_000])
    for policy in (AudioPolicy(16_000, 0.5, "centre"), AudioPolicy(16_000, max_seconds=0.5)):
        with pytest.raises(AudioError, match="its header declares 88,211 samples"):
            load(AudioRef("a", path), policy)
    soundfile.write(path, NOISE[:32_000], 16_000, format="WAV")
    with pytest.raises(AudioError, match=r"2\.000 s is too short"):
        load(AudioRef("a", path), AudioPolicy(16_000, min_seconds=3.0))


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> AudioRef:
    """A small FLAC file of 40,000,000 samples in eight channels: 160 MB decoded."""
    path = tmp_path_factory.mktemp("hours") / "a.flac"
    with soundfile.SoundFile(path, "w", 16_000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(10):
            file.write(np.zeros((500_000, 8), np.int16))
    assert path.stat().st_size < 1_000_000
    return AudioRef("hours", path)


def peak_bytes(ref: AudioRef, policy: AudioPolicy) -> int:
    """The most memory that loading the clip took, which is cropped."""
    tracemalloc.start()
    try:
        assert load(ref, policy).touched[-1] == "cropped"
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "policy", [AudioPolicy(16_000, 10.0, "random"), AudioPolicy(8_000, max_seconds=30.0)], ids=["random", "max_seconds"]
)
def test_a_part_of_a_long_clip_takes_the_memory_of_the_part(hours: AudioRef, policy: AudioPolicy) -> None:
    assert peak_bytes(hours, policy) < 40_000_000


def test_a_low_rate_does_not_decide_over_memory(tmp_path: Path) -> None:
    """A million samples, which resampling would make into 48 million."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(1_000_000, np.int16), 1_000)
    assert peak_bytes(AudioRef("a", path), AudioPolicy(48_000, 10.0, "centre")) < 40_000_000


def test_what_no_policy_shortens_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, NOISE, 16_000, format="FLAC")
    data = bytearray(path.read_bytes())
    data[18:26] = (int.from_bytes(data[18:26], "big") >> 36 << 36 | 80_000_000).to_bytes(8, "big")
    path.write_bytes(data)
    ref = AudioRef("a", path)
    for policy in (AudioPolicy(), AudioPolicy(max_seconds=4_900.0)):
        with pytest.raises(AudioError, match="5,000 s would be heard, at most 4,194 s at 16000 Hz are possible"):
            load(ref, policy)
        with pytest.raises(AudioError, match="5,000 s would be heard"):
            compute_loaded_duration(ref, policy)
    with pytest.raises(AudioError, match="declares 80,000,000 samples of 3 channels, at most 67,108,864 are decoded"):
        decode(ref)
    assert compute_loaded_duration(ref, AudioPolicy(max_seconds=30.0)) == 30
