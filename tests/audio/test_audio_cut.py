"""Files that were cut off, and headers that declare what is not there."""

import contextlib
import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from alm_bench.audio import compute_loaded_duration, decode, load
from alm_bench.core import AudioError, AudioPolicy, AudioRef

NOISE = (np.random.default_rng(0).standard_normal((44_100 * 6, 2)) * 0.1).astype(np.float32)


def encode(format: str, subtype: str | None = None, samples: npt.NDArray[np.float32] = NOISE) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, samples, 44_100, format=format, subtype=subtype)
    return bytearray(file.getvalue())


def clip(data: bytes | bytearray) -> AudioRef:
    return AudioRef("cell", Path("table.parquet"), lambda: bytes(data))


def refusal(ref: AudioRef, policy: AudioPolicy | None = None) -> str:
    with pytest.raises(AudioError) as caught:
        load(ref, policy or AudioPolicy(44_100))
    assert "\n" not in str(caught.value)
    return str(caught.value)


DECLARING = [
    ("WAV", None), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAV", "ULAW"), ("WAVEX", None), ("RF64", None),
    ("W64", None), ("AIFF", None), ("AU", None), ("CAF", None), ("NIST", None),
]  # fmt: skip


@pytest.mark.parametrize(("format", "subtype"), DECLARING)
@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_file_that_holds_less_than_its_header_declares_is_refused(
    tmp_path: Path, format: str, subtype: str | None, share: float
) -> None:
    whole = encode(format, subtype)
    path = tmp_path / "a.wav"
    path.write_bytes(whole)
    assert load(AudioRef("a", path), AudioPolicy(44_100)).touched == ("mixed_down",)
    there = int(len(whole) * share)
    path.write_bytes(whole[:there])
    for ref in (AudioRef("cell", path), clip(whole[:there])):
        message = refusal(ref)
        assert message.startswith("clip cell: is cut off: its header declares ")
        declared, found = (int(word.replace(",", "")) for word in message.split() if word[0].isdigit())
        assert found < declared <= len(whole)
        assert declared - found in range(len(whole) - there - 64, len(whole) - there + 64)
        assert refusal(ref, AudioPolicy(44_100, 1.0, "first")) == message, "though what is heard is there"
        with pytest.raises(AudioError, match="is cut off"):
            compute_loaded_duration(ref, AudioPolicy(44_100))
        with pytest.raises(AudioError, match="is cut off"):
            decode(ref)


def test_a_wav_that_lacks_its_last_sample_is_refused() -> None:
    whole = encode("WAV", "PCM_16")
    assert "declares 1,058,400 bytes of sound, 1,058,396 are there" in refusal(clip(whole[:-4]))
    assert load(clip(whole + b"LIST\4\0\0\0INFO"), AudioPolicy(44_100)).seconds == 6


def test_big_endian_and_padded_wavs_are_whole() -> None:
    frames = NOISE[:1_001, :1]
    whole = encode("WAV", "PCM_U8", frames)  # an odd number of bytes, then one of padding
    (big,) = (io.BytesIO(),)
    soundfile.write(big, frames, 44_100, format="WAV", subtype="PCM_16", endian="BIG")
    for data in (whole, big.getvalue()):
        assert decode(clip(data))[0].shape == (1_001, 1)
        assert "is cut off" in refusal(clip(data[:-100]))


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0xFFFFFFDB])
@pytest.mark.parametrize("format", ["WAV", "WAVEX"])
def test_a_wav_from_a_pipe_declares_no_size_and_is_read_to_its_end(tmp_path: Path, format: str, size: int) -> None:
    data = encode(format)
    expected, _ = decode(clip(data))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    data[4:8] = struct.pack("<I", min(size + 36, 0xFFFFFFFF) if size else 0)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for ref in (clip(data), AudioRef("a", path)):
        assert np.array_equal(decode(ref)[0], expected)
        assert compute_loaded_duration(ref, AudioPolicy()) == 6
    assert len(decode(clip(data[: len(data) // 2 // 4 * 4]))[0]) < len(expected)


def test_an_empty_wav_stays_empty_whatever_follows() -> None:
    data = encode("WAV", samples=NOISE[:0]) + b"LIST\4\0\0\0INFO"
    data[4:8] = struct.pack("<I", len(data) - 8)
    assert "holds no samples" in refusal(clip(data))


def test_a_cut_flac_is_refused_whatever_part_is_heard() -> None:
    whole = encode("FLAC")
    for data in (whole[: len(whole) // 2], whole[:-1]):
        assert "its header declares 264,600 samples, they cannot be read beyond " in refusal(clip(data))
        assert "its header declares 264,600 samples, the last of them is not there" in refusal(
            clip(data), AudioPolicy(44_100, 1.0)
        )
    assert load(clip(whole), AudioPolicy(44_100, 1.0)).seconds == 6


def test_a_cut_mp3_is_refused_where_its_first_frame_declares_its_size() -> None:
    whole = encode("MP3")
    assert load(clip(whole), AudioPolicy(44_100)).touched == ("mixed_down",)
    tag = b"ID3\4\0\0\0\0\2\0" + bytes(256)
    assert load(clip(tag + whole), AudioPolicy(44_100)).touched == ("mixed_down",)
    for data in (whole[: len(whole) // 2], tag + whole[: len(whole) // 2]):
        assert "is cut off" in refusal(clip(data))


def test_an_mp3_without_a_declared_size_ends_early_at_most() -> None:
    data = encode("MP3")[:60_000]
    at = data.index(b"Xing")
    data[at : at + 8] = b"Info\0\0\0\1"  # the number of frames alone
    loaded = load(clip(data), AudioPolicy(44_100))
    assert loaded.touched[0] == "ends_early"
    assert loaded.seconds == loaded.wave.size / 44_100
    assert 2 < loaded.seconds < 4


def test_a_cut_ogg_file_is_refused_or_marked() -> None:
    whole = encode("OGG", "VORBIS")
    assert load(clip(whole), AudioPolicy(44_100)).touched == ("mixed_down",)
    pages = [at for at in range(len(whole)) if whole[at : at + 4] == b"OggS"]
    middle = pages[len(pages) // 2]
    for cut in (middle + 1_000, middle + 10, len(whole) - 1):
        assert "is cut off" in refusal(clip(whole[:cut]))
    loaded = load(clip(whole[:middle]), AudioPolicy(44_100))  # as a recorder leaves it that was stopped
    assert loaded.touched == ("ends_early", "mixed_down")
    assert loaded.seconds < 5


def with_flac_total(data: bytearray, total: int) -> bytearray:
    info = int.from_bytes(data[18:26], "big") >> 36 << 36
    return data[:18] + (info | total).to_bytes(8, "big") + data[26:]


def test_hostile_headers_are_refused_in_one_line() -> None:
    wav, au, rf64, flac = encode("WAV"), encode("AU"), encode("RF64"), encode("FLAC")
    wav[24:28] = bytes(4)
    assert "cannot be decoded" in refusal(clip(wav))  # a rate of 0 Hz
    au[20:24] = struct.pack(">I", 1 << 31)
    assert "cannot be decoded" in refusal(clip(au))  # 2^31 channels
    at = rf64.index(b"ds64")
    rf64[at + 16 : at + 24] = struct.pack("<Q", 4 * 10**12)
    rf64[at + 24 : at + 32] = struct.pack("<Q", 10**12)
    assert "declares 4,000,000,000,000 bytes of sound, 1,058,400 are there" in refusal(clip(rf64))
    most = with_flac_total(flac, (1 << 36) - 1)
    assert "1,558,265 s would be heard, at most 1,521 s at 44100 Hz are possible" in refusal(clip(most))
    assert "cut off or damaged" in refusal(clip(most), AudioPolicy(44_100, 1.0))
    assert "cut off or damaged" in refusal(clip(most), AudioPolicy(44_100, 1.0, "centre"))
    with pytest.raises(AudioError, match="at most 67,108,864 are decoded"):
        decode(clip(most))
    unknown = with_flac_total(flac, 0)
    assert "declares no number of samples" in refusal(clip(unknown))
    assert load(clip(unknown), AudioPolicy(44_100, 1.0)).wave.size == 44_100


def test_damaged_headers_never_end_in_another_error() -> None:
    random = np.random.default_rng(5)
    for format in ("WAV", "W64", "AIFF", "AU", "CAF", "NIST", "OGG", "MP3", "FLAC", "RF64"):
        whole = encode(format, samples=NOISE[:2_000])
        for _ in range(30):
            data = whole.copy()
            for at in random.integers(0, 100, 3):
                data[at] = random.integers(256)
            with contextlib.suppress(AudioError):
                load(clip(data[: random.integers(1, len(data))]), AudioPolicy())


def test_real_clips_are_whole(shared: Path) -> None:
    paths = sorted((shared / "data/mmau_audio").glob("*.wav"))
    assert len(paths) == 60
    for path in paths:
        loaded = load(AudioRef(path.name, path), AudioPolicy())
        assert loaded.wave.size > 16_000
        if path.read_bytes()[:4] == b"RIFF":  # eight are MP3s
            assert "ends_early" not in loaded.touched
