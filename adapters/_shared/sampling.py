"""Nucleus sampling for transformers' generation loop, with one random generator per item."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from alm_bench.core import Decoding
from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.generate import nucleus


class NucleusSampling(LogitsProcessor):
    """Logits processor that samples the next token with one random generator per item.

    Results therefore do not depend on batches or order. The processor sets the scores of all tokens but the sampled one
    to minus infinity, so that greedy search selects the sampled token.
    """

    def __init__(self, items: Sequence[str], decoding: Decoding) -> None:
        self._generators = [create_item_generator("tokens", decoding.seed, item) for item in items]
        self._decoding = decoding

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        width = scores.shape[1]
        waits = np.stack([one.standard_exponential(width, dtype=np.float32) for one in self._generators])
        chosen = nucleus(
            scores, torch.from_numpy(waits).to(scores.device), self._decoding.top_p, self._decoding.temperature
        )
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)
