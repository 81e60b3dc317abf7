"""Sampling with transformers' own loop, one item at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from alm_bench.core import Decoding
from alm_bench.core.rng import item_generator
from alm_bench.mellow.generate import nucleus


class NucleusSampling(LogitsProcessor):
    """Nucleus sampling with a random generator per item, so that results do not depend on batch or order.

    It leaves the token that was drawn as the only possible one, for a greedy search to take.
    """

    def __init__(self, items: Sequence[str], decoding: Decoding) -> None:
        self._generators = [item_generator("tokens", decoding.seed, item) for item in items]
        self._decoding = decoding

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        width = scores.shape[1]
        waits = np.stack([one.standard_exponential(width, dtype=np.float32) for one in self._generators])
        chosen = nucleus(
            scores, torch.from_numpy(waits).to(scores.device), self._decoding.top_p, self._decoding.temperature
        )
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)
