"""CNN14 of PANNs (arXiv 1912.10211): six convolutional blocks over the log-mel spectrogram.

Modules have the names of the published checkpoint.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.mellow.config import CNN14Config
from alm_bench.mellow.encoder import EncodedClip, Encoder, EncoderOutput


class ConvBlock(nn.Module):
    """Two convolutions, (B, narrow, frames, bands) -> (B, wide, frames, bands)."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x))))))


class CNN14(Encoder):
    """CNN14 encoder. Unlike in the training of PANNs, it has no dropout, which is not needed because training starts
    from AudioSet weights."""

    def __init__(self, config: CNN14Config) -> None:
        super().__init__(config)
        self.bn0 = nn.BatchNorm1d(config.mels)
        self.names = [f"conv_block{number}" for number in range(1, len(config.channels) + 1)]
        for name, narrow, wide in zip(self.names, (1, *config.channels), config.channels, strict=False):
            self.add_module(name, ConvBlock(narrow, wide))
        self.fc1 = nn.Linear(config.width, config.width)
        self.fc_audioset = nn.Linear(config.width, config.classes)

    def cast(self, dtype: torch.dtype) -> None:
        for name in (*self.names, "fc1", "fc_audioset"):
            self.get_submodule(name).to(dtype)

    def encode(self, logmel: Tensor) -> EncoderOutput:
        """Encode log-mels (B, frames, mels). `latent` is (B, frames, width). `classes` is (B, classes, 1), one score
        per class for the whole clip."""
        x = self.bn0(logmel.transpose(1, 2)).transpose(1, 2)[:, None].to(self.fc1.weight.dtype)
        for name in self.names:
            x = self.get_submodule(name)(x)
            if name != self.names[-1]:
                x = functional.avg_pool2d(x, kernel_size=2)
        frames = x.mean(dim=3).transpose(1, 2)
        clip = functional.relu(self.fc1(frames.amax(dim=1) + frames.mean(dim=1)))
        return EncoderOutput(latent=frames, classes=self.fc_audioset(clip)[:, :, None])

    def compute_probabilities(self, encoded: EncoderOutput) -> EncodedClip:
        tags = encoded.classes.sigmoid()
        return EncodedClip(latent=encoded.latent, clipwise=tags[:, :, 0], framewise=tags.transpose(1, 2))
