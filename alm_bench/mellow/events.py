"""Event head of the encoder: probabilities of sound events over time (the event presence map)."""

import torch
from torch import Tensor

from alm_bench.core.types import EventPresence
from alm_bench.mellow.encoder import Encoder


@torch.inference_mode()
def compute_event_presence(
    encoder: Encoder, logmel: Tensor, names: tuple[str | None, ...] | None = None
) -> EventPresence:
    """Return the framewise class probabilities of one clip, whose log-mel has shape (frames, mels), on the CPU.

    `names`: names of the classes, if they are known.
    """
    framewise = encoder.compute_probabilities(encoder.encode(logmel[None])).framewise[0]
    return EventPresence(
        probabilities=framewise.float().cpu().numpy(),
        logmel=logmel.float().cpu().numpy(),
        seconds=encoder.seconds,
        names=names,
    )
