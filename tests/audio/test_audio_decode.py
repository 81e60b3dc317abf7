"""Decoding against files that soundfile writes here, and three real clips."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from alm_bench.audio import decode, load
from alm_bench.core import AudioError, AudioPolicy, AudioRef

Array = npt.NDArray[np.float32]


def tone(rate: int, seconds: float = 2.0, hertz: float = 440.0, level: float = 0.5) -> Array:
    t = np.arange(round(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def written(path: Path, samples: Array, rate: int, format: str = "WAV", subtype: str | None = None) -> AudioRef:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format=format, subtype=subtype)
    return AudioRef(path.name, path)


def peak_hertz(wave: Array, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(wave.size), 1 << 20))
    return float(np.argmax(spectrum)) * rate / (1 << 20)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("format", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-7),
        ("WAV", "FLOAT", 0),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("AIFF", "PCM_16", 1e-4),
    ],
)
def test_lossless_formats(
    tmp_path: Path, format: str, subtype: str, tolerance: float, channels: int, rate: int
) -> None:
    samples = np.stack([tone(rate, 0.3, 200 * (c + 1), 0.1 * (c + 1)) for c in range(channels)], axis=1)
    found, found_rate = decode(written(tmp_path / "clip", samples, rate, format, subtype))
    assert found.dtype == np.float32
    assert (found.shape, found_rate) == (samples.shape, rate)
    assert np.abs(found - samples).max() <= tolerance


@pytest.mark.parametrize("name", ["clip.wav", "clip.flac", "clip.raw", "clip"])
@pytest.mark.parametrize(("format", "subtype"), [("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", None)])
def test_the_content_tells_the_format_not_the_suffix(
    tmp_path: Path, format: str, subtype: str | None, name: str
) -> None:
    samples = np.stack([tone(48_000, hertz=440), tone(48_000, hertz=1000)], axis=1)
    ref = written(tmp_path / name, samples, 48_000, format, subtype)
    found, rate = decode(ref)
    assert rate == 48_000
    assert found.shape[1] == 2
    assert abs(len(found) - len(samples)) < 2_500  # a lossy frame or two
    middle = found[20_000:70_000]
    for channel, hertz in enumerate((440, 1000)):
        assert peak_hertz(middle[:, channel], rate) == pytest.approx(hertz, abs=0.5)
        assert np.sqrt(2 * np.mean(middle[:, channel] ** 2)) == pytest.approx(0.5, rel=0.05)
    from_bytes, _ = decode(AudioRef("cell", Path("nowhere"), ref.path.read_bytes))
    assert np.array_equal(from_bytes, found)


@pytest.mark.parametrize("source", [8_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("target", [16_000, 32_000])
def test_resampling_keeps_frequency_level_and_length(tmp_path: Path, source: int, target: int) -> None:
    loaded = load(written(tmp_path / "a.wav", tone(source), source, subtype="FLOAT"), AudioPolicy(rate=target))
    assert abs(loaded.wave.size - 2 * target) <= 1
    assert loaded.seconds == 2.0
    assert loaded.touched == (() if source == target else ("resampled",))
    steady = loaded.wave[target // 4 : -target // 4]
    assert peak_hertz(steady, target) == pytest.approx(440, abs=0.1)
    assert np.sqrt(2 * np.mean(steady**2)) == pytest.approx(0.5, rel=1e-3)
    assert np.abs(steady - tone(target)[target // 4 : -target // 4]).max() < 1e-3  # in phase: no delay


def test_resampling_removes_what_the_new_rate_cannot_hold(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "a.wav", tone(48_000, hertz=11_000), 48_000), AudioPolicy(rate=16_000))
    assert np.abs(loaded.wave[2_000:-2_000]).max() < 1e-3


LEVELS = np.array([0.25, -0.5, 0.75], dtype=np.float32)


@pytest.mark.parametrize(
    ("channels", "expected", "touched"),
    [
        ("mean", [1 / 6] * 100, ("mixed_down",)),
        ("mean_first_two", [-0.125] * 100, ("mixed_down",)),
        ("first", [0.25] * 100, ("first_channel",)),
        ("end_to_end", [0.25] * 100 + [-0.5] * 100 + [0.75] * 100, ("laid_end_to_end",)),
    ],
)
def test_channel_policies(tmp_path: Path, channels: str, expected: list[float], touched: tuple[str, ...]) -> None:
    ref = written(tmp_path / "a.wav", np.tile(LEVELS, (100, 1)), 1_000, subtype="FLOAT")
    loaded = load(ref, AudioPolicy(rate=1_000, channels=channels))  # type: ignore[arg-type]
    assert np.array_equal(loaded.wave, np.array(expected, dtype=np.float32))
    assert loaded.touched == touched
    assert loaded.seconds == 0.1
    assert loaded.wave.flags.c_contiguous


@pytest.mark.parametrize("channels", ["mean", "mean_first_two", "first", "end_to_end"])
def test_a_mono_clip_is_the_same_under_every_channel_policy(tmp_path: Path, channels: str) -> None:
    ref = written(tmp_path / "a.wav", tone(16_000), 16_000, subtype="FLOAT")
    loaded = load(ref, AudioPolicy(rate=16_000, channels=channels))  # type: ignore[arg-type]
    assert np.array_equal(loaded.wave, tone(16_000))
    assert loaded.touched == ()


def test_end_to_end_resamples_each_channel_alone(tmp_path: Path) -> None:
    left, right = tone(44_100, hertz=300), tone(44_100, hertz=900)
    policy = AudioPolicy(rate=32_000, channels="end_to_end")
    both = load(written(tmp_path / "both.wav", np.stack([left, right], 1), 44_100, subtype="FLOAT"), policy).wave
    apart = [
        load(written(tmp_path / n, s, 44_100, subtype="FLOAT"), policy).wave for n, s in (("l", left), ("r", right))
    ]
    assert np.array_equal(both, np.concatenate(apart))


def ramp(frames: int) -> Array:
    return (np.arange(frames) / 32_768).astype(np.float32)


@pytest.mark.parametrize(
    ("frames", "policy", "expected", "touched"),
    [
        (5_000, AudioPolicy(1_000, 3.0, "first"), np.arange(3_000), ("cropped",)),
        (5_000, AudioPolicy(1_000, 3.0, "centre"), np.arange(1_000, 4_000), ("cropped",)),
        (3_000, AudioPolicy(1_000, 3.0, "random"), np.arange(3_000), ()),
        (2_000, AudioPolicy(1_000, 3.0, short="keep"), np.arange(2_000), ()),
        (1_250, AudioPolicy(1_000, 3.0, short="repeat"), np.arange(3_000) % 1_250, ("repeated",)),
        (2_000, AudioPolicy(1_000, 3.0, short="zeros"), np.r_[np.arange(2_000), [0] * 1_000], ("padded",)),
        (5_000, AudioPolicy(1_000, None, "centre", "repeat"), np.arange(5_000), ()),
    ],
)
def test_lengths(
    tmp_path: Path, frames: int, policy: AudioPolicy, expected: npt.NDArray[np.int64], touched: tuple[str, ...]
) -> None:
    loaded = load(written(tmp_path / "a.wav", ramp(frames), 1_000, subtype="FLOAT"), policy)
    assert np.array_equal(loaded.wave * 32_768, expected)
    assert loaded.touched == touched
    assert loaded.seconds == frames / 1_000


def test_only_clips_beyond_the_longest_are_cropped(tmp_path: Path) -> None:
    policy = AudioPolicy(rate=1_000, max_seconds=0.5)
    long, short = (written(tmp_path / f"{n}.wav", ramp(n), 1_000) for n in (800, 400))
    cut, whole = load(long, policy), load(short, policy)
    assert (cut.wave.size, cut.touched, cut.seconds) == (500, ("cropped",), 0.8)
    assert (whole.wave.size, whole.touched) == (400, ())
    np.testing.assert_array_equal(cut.wave, load(long, AudioPolicy(rate=1_000)).wave[:500])


@pytest.mark.parametrize("source", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.999, 10.0])
@pytest.mark.parametrize("crop", ["first", "centre", "random"])
def test_the_length_is_exact_at_every_rate(tmp_path: Path, source: int, seconds: float, crop: str) -> None:
    ref = written(tmp_path / "a.wav", tone(source, 3.0), source)
    loaded = load(ref, AudioPolicy(32_000, seconds, crop, "repeat"))  # type: ignore[arg-type]
    assert loaded.wave.shape == (round(seconds * 32_000),)
    assert loaded.wave.dtype == np.float32


@pytest.mark.parametrize("channels", ["mean", "end_to_end"])
def test_a_crop_from_the_start_hears_what_the_whole_clip_would(tmp_path: Path, channels: str) -> None:
    noise = np.random.default_rng(0).standard_normal((44_100 * 8, 2)).astype(np.float32) * 0.1
    ref = written(tmp_path / "a.wav", noise, 44_100, subtype="FLOAT")
    whole = load(ref, AudioPolicy(32_000, channels=channels))  # type: ignore[arg-type]
    first = load(ref, AudioPolicy(32_000, 3.0, channels=channels))  # type: ignore[arg-type]
    assert np.abs(first.wave - whole.wave[: 3 * 32_000]).max() < 1e-6
    assert first.seconds == whole.seconds == 8.0


def random_start(ref: AudioRef) -> int:
    return round(float(load(ref, AudioPolicy(1_000, 1.0, "random")).wave[0]) * 32_768)


def test_random_crops_follow_the_clips_id_in_every_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", ramp(9_000), 1_000, subtype="FLOAT").path
    starts = [random_start(AudioRef(f"clip-{i}", path)) for i in range(40)]
    assert len(set(starts)) > 35  # 8,001 places
    assert min(starts) < 2_000
    assert max(starts) > 6_000
    code = (
        "from pathlib import Path; from alm_bench.audio import load; from alm_bench.core import AudioPolicy, AudioRef\n"
        f"policy = AudioPolicy(1_000, 1.0, 'random'); path = Path({str(path)!r})\n"
        "for i in range(40): print(round(float(load(AudioRef(f'clip-{i}', path), policy).wave[0]) * 32_768))"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert [int(line) for line in run.stdout.split()] == starts


def refused(ref: AudioRef, policy: AudioPolicy | None = None) -> str:
    with pytest.raises(AudioError) as caught:
        load(ref, policy or AudioPolicy())
    message = str(caught.value)
    assert f"clip {ref.id}: " in message
    assert "\n" not in message
    return message


def test_too_short_and_empty_clips_are_refused(tmp_path: Path) -> None:
    short = written(tmp_path / "short.wav", tone(16_000, 0.02), 16_000)
    assert "0.020 s is too short, at least 0.025 s" in refused(short)
    assert load(short, AudioPolicy(min_seconds=0.0)).wave.size == 320
    assert "holds no samples" in refused(written(tmp_path / "none.wav", tone(16_000, 0), 16_000))
    (tmp_path / "zero.wav").touch()
    assert "is empty" in refused(AudioRef("zero", tmp_path / "zero.wav"))
    assert "is empty" in refused(AudioRef("zero", Path("cell"), lambda: b""))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    samples = tone(16_000)
    samples[777] = bad
    assert "not finite" in refused(written(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT"))


def test_values_that_overflow_in_resampling_are_refused(tmp_path: Path) -> None:
    samples = (np.sign(tone(44_100)) * np.finfo(np.float32).max).astype(np.float32)
    assert "not finite" in refused(written(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT"))


def test_what_is_not_sound_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "page.wav"
    text.write_text("<html>404 not found</html>" * 100)
    assert "libsndfile says 'Format not recognised'" in refused(AudioRef("page", text))
    assert "the file is missing" in refused(AudioRef("gone", tmp_path / "gone.wav"))
    assert "is a folder" in refused(AudioRef("folder", tmp_path))
    assert "zero byte" in refused(AudioRef("odd", tmp_path / "a\0b.wav"))
    assert "name too long" in refused(AudioRef("long", tmp_path / ("a" * 300))).lower()
    os.mkfifo(tmp_path / "pipe.wav")
    assert "not a regular file" in refused(AudioRef("pipe", tmp_path / "pipe.wav"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_is_refused(tmp_path: Path) -> None:
    ref = written(tmp_path / "a.wav", tone(16_000), 16_000)
    ref.path.chmod(0)
    assert stat.S_IMODE(ref.path.stat().st_mode) == 0
    assert "no permission" in refused(ref)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    ref = written(tmp_path / "a.wav", tone(16_000), 16_000)
    monkeypatch.setattr(Path, "open", closed)
    assert "no permission" in refused(ref)


def test_a_header_with_an_absurd_rate_is_refused(tmp_path: Path) -> None:
    assert "sample rate of 1 Hz" in refused(written(tmp_path / "a.wav", tone(16_000), 1))


def test_bytes_that_cannot_be_fetched_are_refused() -> None:
    def lost() -> bytes:
        raise OSError(5, "Input/output error")

    assert "Input/output error" in refused(AudioRef("cell", Path("cell"), lost))


def test_real_clips(shared: Path) -> None:
    paths = sorted((shared / "data" / "audio").glob("*.wav"))
    assert paths
    for path in paths:
        ref = AudioRef(path.name, path)
        samples, rate = decode(ref)
        assert rate in (32_000, 44_100)
        assert samples.shape[1] == 1
        assert 0.01 < np.abs(samples).max() <= 1
        loaded = load(ref, AudioPolicy(32_000, 10.0, "random", "repeat"))
        assert loaded.wave.shape == (320_000,)
        assert loaded.seconds == len(samples) / rate
        assert np.array_equal(loaded.wave, load(ref, AudioPolicy(32_000, 10.0, "random", "repeat")).wave)
