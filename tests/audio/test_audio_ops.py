"""The sounds of the noise tests: levels, ratios and reproducibility."""

import numpy as np
import pytest

from alm_bench.audio import compute_rms, make_noise_like, make_silence_like, mix_at_snr
from alm_bench.core.rng import create_item_generator, derive_integer

WAVE = (0.3 * np.sin(np.arange(48_000) / 7)).astype(np.float32)


def test_noise_has_the_waves_level_and_length_and_a_flat_spectrum() -> None:
    noise = make_noise_like(WAVE, "noise", 1, "clip.wav")
    assert noise.dtype == np.float32
    assert noise.shape == WAVE.shape
    assert compute_rms(noise) == pytest.approx(compute_rms(WAVE), rel=1e-6)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[1:12_000].mean(), power[12_000:24_000].mean()
    assert low == pytest.approx(high, rel=0.05)
    assert abs(np.corrcoef(noise, WAVE)[0, 1]) < 0.02
    assert 2.9 < np.mean(noise.astype(np.float64) ** 4) / compute_rms(noise) ** 4 < 3.1  # the kurtosis of a Gaussian


def test_noise_depends_on_its_key_alone() -> None:
    assert np.array_equal(make_noise_like(WAVE, 1, "a"), make_noise_like(WAVE, 1, "a"))
    assert not np.array_equal(make_noise_like(WAVE, 1, "a"), make_noise_like(WAVE, 1, "b"))
    assert not np.array_equal(make_noise_like(WAVE, 1, "a"), make_noise_like(WAVE, 2, "a"))
    assert create_item_generator("a", 1).integers(1 << 40) == create_item_generator("a", 1).integers(1 << 40)


def test_the_stable_number_is_the_first_64_bits_of_sha256() -> None:
    assert derive_integer("abc") == 0xBA7816BF8F01CFEA  # FIPS 180-2, appendix B.1
    assert derive_integer("a", "b") != derive_integer("ab")


@pytest.mark.parametrize("snr", [-20.0, -3.0, 0.0, 10.0, 40.0])
def test_the_mix_has_the_ratio_asked_for(snr: float) -> None:
    added = mix_at_snr(WAVE, snr, "mix", "clip") - WAVE
    assert 20 * np.log10(compute_rms(WAVE) / compute_rms(added)) == pytest.approx(snr, abs=0.01)


def test_silence() -> None:
    silence = make_silence_like(WAVE)
    assert silence.shape == WAVE.shape
    assert not silence.any()
    assert compute_rms(silence) == 0
    assert not make_noise_like(silence, "a").any()
    assert np.array_equal(mix_at_snr(silence, 10, "a"), silence)
    assert make_noise_like(WAVE[:0], "a").size == 0
