"""Decoding by `generate` of transformers: greedy, beam search, and sampling with one random generator per item."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from alm_bench.core import Decoding
from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.sampling import sample_tokens


class ItemSampling(LogitsProcessor):
    """Logits processor that samples the next token with one random generator per item.

    Results therefore do not depend on batches or order. The processor sets the scores of all tokens but the sampled one
    to minus infinity, so that greedy search selects the sampled token.
    """

    def __init__(self, items: Sequence[str], decoding: Decoding) -> None:
        self._generators = [create_item_generator("tokens", decoding.seed, item) for item in items]
        self._decoding = decoding

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen = sample_tokens(scores, self._generators, self._decoding)
        return torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)


def build_generate_arguments(items: Sequence[str], decoding: Decoding) -> dict[str, Any]:
    """Return the arguments of `generate` for a batch. `items` are the ids of the rows; they seed the sampling.
    Raises UsageError for values that the decoding method does not support."""
    decoding.check()
    arguments: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens, "do_sample": False}
    if decoding.is_sampled:
        arguments["logits_processor"] = LogitsProcessorList([ItemSampling(items, decoding)])
    if decoding.method == "beam":
        arguments |= {"num_beams": decoding.beams, "length_penalty": decoding.length_penalty, "early_stopping": False}
    return arguments
