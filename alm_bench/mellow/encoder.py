"""Interface of the audio encoders."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alm_bench.mellow.config import FrontConfig
from alm_bench.mellow.logmel import LogMel


class EncoderOutput(NamedTuple):
    """Raw output of the encoder network: `classes` (B, classes, steps), scores before the sigmoid.

    `latent` is (B, width) for an encoder that describes the whole clip, (B, frames, width) for one that describes
    frames.
    """

    latent: Tensor
    classes: Tensor


class EncodedClip(NamedTuple):
    """Output of an encoder: `latent` as in EncoderOutput, `clipwise` (B, classes), `framewise` (B, frames, classes).

    `clipwise` and `framewise` are probabilities of sound classes (the event presence map). An encoder that knows them
    of the whole clip only has one frame of them.
    """

    latent: Tensor
    clipwise: Tensor
    framewise: Tensor


class Encoder(nn.Module):
    """A waveform's log-mel, and a network over it. Subclasses carry the names of published checkpoints.

    `repeats`: how many frames of `Heard.framewise` in a row are the same.
    """

    repeats: int = 1

    def __init__(self, front: FrontConfig) -> None:
        super().__init__()
        self.logmel = LogMel(front)

    @abstractmethod
    def cast(self, dtype: torch.dtype) -> None:
        """Compute in `dtype`, but for the decibels and their normalisation, which need float32's precision."""

    @abstractmethod
    def encode(self, logmel: Tensor) -> EncoderOutput:
        """Encode log-mels (B, frames, mels), float32, for training and caches."""

    @abstractmethod
    def to_probabilities(self, encoded: EncoderOutput) -> EncodedClip:
        """Convert class scores to probabilities."""

    def forward(self, waves: Tensor) -> EncodedClip:
        """`waves` (B, config.samples), float32."""
        return self.to_probabilities(self.encode(self.logmel(waves)))
