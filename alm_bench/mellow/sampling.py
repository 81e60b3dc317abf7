"""Sampling of tokens with one random generator per item, so that results do not depend on batches or their order."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from alm_bench.core.types import Decoding

NUCLEUS_CANDIDATES = (64, 512, 4096)
"""Numbers of most likely tokens that are tried, in order, to find the nucleus in sampling. A sort of the whole
vocabulary would take as long as a generation step."""


def sample_tokens(logits: Tensor, generators: Sequence[np.random.Generator], decoding: Decoding) -> Tensor:
    """Sample the next token of each row from logits (B, vocabulary), by nucleus or top-k sampling (`decoding.method`).
    Return token ids, (B,).

    `generators`: one random generator per row, from which one random number per token of the vocabulary is drawn.
    """
    waits = np.stack([one.standard_exponential(logits.shape[1], dtype=np.float32) for one in generators])
    exponentials = torch.from_numpy(waits).to(logits.device)
    if decoding.method == "top-k":
        return sample_top_k(logits, exponentials, decoding.top_k, decoding.temperature)
    return sample_nucleus(logits, exponentials, decoding.top_p, decoding.temperature)


def sample_nucleus(logits: Tensor, exponentials: Tensor, top_p: float, temperature: float) -> Tensor:
    """Sample a token per row, (B,), from the smallest set of most likely tokens whose total probability reaches `top_p`
    (nucleus sampling, arXiv 1904.09751).

    `exponentials` (B, vocabulary) are standard exponential random numbers, which act as waiting times: the token with
    the smallest ratio of random number to probability is selected. This samples in proportion to the probabilities.
    Rounding errors of the logits, which depend on the batch size, almost never change the selected token. If the
    cumulative distribution were inverted instead, the order of two almost equally likely tokens could change it.
    """
    probabilities = (logits.double() / temperature).softmax(dim=-1)
    return _select_smallest_ratio(
        probabilities, probabilities >= _compute_nucleus_threshold(probabilities, top_p), exponentials
    )


def sample_top_k(logits: Tensor, exponentials: Tensor, k: int, temperature: float) -> Tensor:
    """Sample a token per row, (B,), from its `k` most likely tokens. Arguments as in `sample_nucleus`. Tokens that are
    as likely as the k-th one can be drawn, too."""
    probabilities = (logits.double() / temperature).softmax(dim=-1)
    smallest = probabilities.topk(min(k, probabilities.shape[-1])).values[:, -1:]
    return _select_smallest_ratio(probabilities, probabilities >= smallest, exponentials)


def _select_smallest_ratio(probabilities: Tensor, candidates: Tensor, exponentials: Tensor) -> Tensor:
    """Select, in each row, the token with the smallest value of `exponentials` / `probabilities`. Return token ids,
    (B,).

    `exponentials` holds exponential random numbers. Only tokens for which `candidates` is True can be selected. All
    arguments have the shape (B, vocabulary).
    """
    return torch.where(candidates, probabilities / exponentials.clamp(min=1e-30), 0.0).argmax(dim=-1)


def _compute_nucleus_threshold(probabilities: Tensor, top_p: float) -> Tensor:
    """Return the smallest probability in the nucleus of each row, (B, 1)."""
    if top_p == 1:
        return probabilities.min(dim=-1, keepdim=True).values
    vocabulary = probabilities.shape[-1]
    for count in (*(few for few in NUCLEUS_CANDIDATES if few < vocabulary), vocabulary):
        ranked = probabilities.topk(count).values
        cumulative = ranked.cumsum(dim=-1)
        if (cumulative[:, -1] >= top_p).all():
            break
    last = (cumulative < top_p).sum(dim=-1, keepdim=True).clamp(max=count - 1)
    return ranked.gather(1, last)
