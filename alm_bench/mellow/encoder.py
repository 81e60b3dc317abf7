"""Interface of the audio encoders."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alm_bench.mellow.config import FrontEndConfig
from alm_bench.mellow.logmel import LogMel


class EncoderOutput(NamedTuple):
    """Output of an encoder's network.

    `latent`: features, (B, width) if the encoder describes the whole clip, (B, frames, width) if it describes frames.
    `classes`: scores of the sound classes before the sigmoid, (B, classes, steps), with one step per time step of the
    network's output or a single one for the whole clip.
    """

    latent: Tensor
    classes: Tensor


class EncodedClip(NamedTuple):
    """Output of an encoder with class probabilities.

    `latent`: features as in `EncoderOutput`. `clipwise` (B, classes) and `framewise` (B, frames, classes):
    probabilities of the sound classes, also called the event presence map. `framewise` has a single frame if the
    encoder classifies only whole clips.
    """

    latent: Tensor
    clipwise: Tensor
    framewise: Tensor


class Encoder(nn.Module):
    """Base class of the audio encoders: a log-mel front end and a network over its output. In subclasses, modules have
    the names of the published checkpoints."""

    repeats: int = 1
    """Number of consecutive frames of `EncodedClip.framewise` that are equal."""

    def __init__(self, front: FrontEndConfig) -> None:
        super().__init__()
        self.logmel = LogMel(front)
        self.seconds = front.seconds

    @abstractmethod
    def cast(self, dtype: torch.dtype) -> None:
        """Convert the network to `dtype`. The log-mels in decibels and their normalisation stay in float32, whose
        precision they need."""

    @abstractmethod
    def encode(self, logmel: Tensor) -> EncoderOutput:
        """Encode log-mels (B, frames, mels), float32. Training uses it directly, with cached log-mels."""

    @abstractmethod
    def compute_probabilities(self, encoded: EncoderOutput) -> EncodedClip:
        """Return the features and class probabilities, from an output of `encode`."""

    def forward(self, waves: Tensor) -> EncodedClip:
        """Compute the features and class probabilities of waves (B, config.samples), float32."""
        return self.compute_probabilities(self.encode(self.logmel(waves)))
