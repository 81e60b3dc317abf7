"""Log-mel spectrogram of a waveform, computed with torch.stft. The published model uses fixed convolution kernels
instead."""

import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from alm_bench.mellow.config import FrontEndConfig

AMIN = 1e-10
"""Lower limit of the power, which corresponds to -100 dB."""
FRAMES_AT_ONCE = 64
"""Number of frames that are transformed at once on CPUs. It is small, so that the spectra fit in the processor's cache
and reuse allocated memory."""


class LogMel(nn.Module):
    """Log-mel front end: (B, samples) float32 in -1..1 -> (B, frames, mels) in dB. A clip of 10 s has 1,001 frames at
    the published settings."""

    window: Tensor
    mel: Tensor

    def __init__(self, config: FrontEndConfig) -> None:
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
        around = self.n_fft // 2
        padded = torch.cat([waves[:, 1 : around + 1].flip(1), waves, waves[:, -around - 1 : -1].flip(1)], dim=1)
        frames = 1 + waves.shape[1] // self.hop
        step = frames if waves.is_cuda else max(1, FRAMES_AT_ONCE // len(waves))
        mel = [
            self._compute_mel(padded[:, start * self.hop : (min(start + step, frames) - 1) * self.hop + self.n_fft])
            for start in range(0, frames, step)
        ]
        return 10.0 * torch.log10(torch.cat(mel, dim=1).clamp(min=AMIN))

    def _compute_mel(self, waves: Tensor) -> Tensor:
        """Return the power in the mel bands, (B, frames, mels), for all frames that fit completely into `waves` (B,
        samples)."""
        spectrum = torch.stft(waves, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return power.transpose(1, 2) @ self.mel
