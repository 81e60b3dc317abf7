"""Waveform to log-mel spectrogram, with torch.stft instead of the published model's fixed convolution kernels."""

import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from alm_bench.mellow.config import FrontConfig

AMIN = 1e-10
"""Power below which the decibels stop falling (-100 dB)."""


class LogMel(nn.Module):
    """(B, samples) float32 in -1..1 -> (B, frames, mels) in dB; 1,001 frames for 10 s at the published settings."""

    window: Tensor
    mel: Tensor

    def __init__(self, config: FrontConfig) -> None:
        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.hop
        mel = mel_filter_bank(
            num_frequency_bins=config.n_fft // 2 + 1,
            num_mel_filters=config.mels,
            min_frequency=config.low_hz,
            max_frequency=config.high_hz,
            sampling_rate=config.rate,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("window", torch.hann_window(config.n_fft, periodic=True), persistent=False)
        self.register_buffer("mel", torch.from_numpy(mel).float(), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        spectrum = torch.stft(
            waves, self.n_fft, self.hop, window=self.window, center=True, pad_mode="reflect", return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        mel = power.transpose(1, 2) @ self.mel
        return 10.0 * torch.log10(mel.clamp(min=AMIN))
