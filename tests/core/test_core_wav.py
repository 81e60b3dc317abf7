"""The one WAV encoder, against libsndfile."""

import io
import struct

import numpy as np
import pytest
import soundfile

from alm_bench.core.wav import encode_wav


def wave(*beyond: float) -> np.ndarray:
    draw = np.random.default_rng(0).uniform(-1, 1, 4001).astype(np.float32)
    close = np.nextafter(np.arange(-9, 9, dtype=np.float32) / 32768, np.float32(-1))  # just below a 16-bit value
    return np.concatenate([draw, close, np.array([-1.0, 0.0, 1.0, *beyond], dtype=np.float32)])


def test_16_bit_files_are_those_of_libsndfile_byte_for_byte() -> None:
    theirs = io.BytesIO()
    soundfile.write(theirs, wave(1.5, -7.0), 16_000, format="WAV", subtype="PCM_16")
    assert encode_wav(wave(1.5, -7.0), 16_000) == theirs.getvalue()


def test_samples_beyond_full_scale_are_clipped() -> None:
    samples, rate = soundfile.read(io.BytesIO(encode_wav(wave(1.5, -7.0), 8_000)), dtype="int16")
    assert (rate, samples[-2:].tolist()) == (8_000, [32767, -32768])


def test_float_files_keep_every_bit() -> None:
    samples, rate = soundfile.read(io.BytesIO(encode_wav(wave(1.5), 22_050, "float32")), dtype="float32")
    assert rate == 22_050
    assert samples.tobytes() == wave(1.5).tobytes()


@pytest.mark.parametrize(("samples", "kind"), [("int16", "<i2"), ("float32", "<f4")])
def test_samples_begin_at_byte_44(samples: str, kind: str) -> None:
    content = encode_wav(wave(), 16_000, samples)  # type: ignore[arg-type]
    assert struct.unpack("<I", content[40:44])[0] == len(content) - 44
    assert np.frombuffer(content[44:], kind).shape == wave().shape
