"""How likely a network finds given answers: options scored instead of read."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from alm_bench.core.errors import UsageError
from alm_bench.mellow.generate import step
from alm_bench.mellow.model import Mellow


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Natural logarithm of an answer's probability, a sum over its `tokens`."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Per token: what longer answers are not worse by for their length alone."""
        return self.total / self.tokens


@torch.inference_mode()
def log_likelihoods(model: Mellow, sequence: Tensor, answers: Sequence[Sequence[int]]) -> list[Likelihood]:
    """Of each of `answers` (token ids) after what it follows, `sequence` (n, D).

    The sequence is computed once; all answers are one batch that goes on from it. Raises UsageError for an empty one.
    """
    if not answers or not all(answers):
        raise UsageError(f"likelihoods are of answers with tokens, found {[len(answer) for answer in answers]}")
    cache = DynamicCache(config=model.lm.config)
    first = step(model.lm, sequence[None], cache, None)
    ids = [torch.tensor(answer, device=sequence.device) for answer in answers]
    longest = max(map(len, ids))
    logits = first[:, None].expand(len(ids), 1, -1)
    if longest > 1:
        cache.batch_repeat_interleave(len(ids))
        # What is padded stands behind the answer's end, where causal attention never looks.
        inputs = pad_sequence([model.embed(answer[:-1]) for answer in ids], batch_first=True)
        rest = model.lm(inputs_embeds=inputs, past_key_values=cache, use_cache=True).logits
        logits = torch.cat([logits, rest], dim=1)
    scores = logits.double().log_softmax(dim=-1)
    return [
        Likelihood(float(row[: len(answer)].gather(1, answer[:, None]).sum()), len(answer))
        for row, answer in zip(scores, ids, strict=True)
    ]
