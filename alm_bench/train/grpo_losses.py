"""Losses and advantages of group relative policy optimisation (GRPO), as pure functions of tensors.

Sources: GRPO (arXiv 2402.03300), Dr. GRPO (arXiv 2503.20783), DAPO (arXiv 2503.14476), R1-AQA (arXiv 2503.11197).
Tokens of all answers are concatenated: a tensor of shape (tokens,) has one value per token, and `owners` (tokens,) has
the index of each token's answer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from alm_bench.train.grpo_config import GrpoConfig, LossKind

EPSILON = 1e-4
"""Added to the standard deviation by which advantages are divided, as in R1-AQA and TRL."""


def compute_advantages(rewards: Tensor, kind: LossKind) -> Tensor:
    """Return the advantage of each answer in its group, (groups, answers), for rewards of the same shape.

    It is (reward - mean) / (standard deviation + 1e-4) with the unbiased deviation of the group; for `dr-grpo` it is
    reward - mean.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred if kind == "dr-grpo" else centred / (rewards.std(dim=1, keepdim=True) + EPSILON)


def compute_divergences(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Return the k3 estimate of the divergence from the reference, (tokens,), in nats: r - log r - 1, where r is the
    ratio of the reference's probability to the current one. It is never negative.

    `log_probs`, `reference` (tokens,): log-probabilities of the drawn tokens.
    """
    difference = reference - log_probs
    return difference.exp() - difference - 1


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Drawn answers whose loss is computed."""

    owners: Tensor
    """Index of the answer of each token, (tokens,)."""

    lengths: Tensor
    """Number of tokens of each answer, (answers,); all above 0."""

    advantages: Tensor
    """Advantage of each answer, (answers,)."""

    old: Tensor | None
    """Log-probabilities of the tokens under the weights that drew them, (tokens,). None if these are the current
    weights, so that the ratio is 1."""

    reference: Tensor | None
    """Log-probabilities of the tokens under the reference weights, (tokens,), None without a reference."""


def compute_loss(log_probs: Tensor, batch: TokenBatch, config: GrpoConfig) -> Tensor:
    """Return the loss summed over units (see `count_units`), as a scalar. `log_probs` (tokens,): log-probabilities of
    the drawn tokens under the current weights, with gradient."""
    losses = compute_token_losses(log_probs, batch, config)
    if config.loss == "dapo":
        return losses.sum()
    if config.loss == "dr-grpo":
        return losses.sum() / config.max_new_tokens
    return (losses / batch.lengths[batch.owners]).sum()


def count_units(answers: int, tokens: int, kind: LossKind) -> int:
    """Return the number of units over which the loss of a step is averaged: all tokens for `dapo`, else all answers."""
    return tokens if kind == "dapo" else answers


def compute_token_losses(log_probs: Tensor, batch: TokenBatch, config: GrpoConfig) -> Tensor:
    """Return the loss of each token, (tokens,): minus the (clipped) ratio times the advantage, plus `beta` times the
    divergence from the reference. Arguments as in `compute_loss`."""
    advantages = batch.advantages[batch.owners]
    ratios = compute_ratios(log_probs, batch)
    gains = ratios * advantages
    if config.loss != "r1-aqa":
        clipped = ratios.clamp(1 - config.clip_low, 1 + config.clip_high)
        gains = torch.minimum(gains, clipped * advantages)
    if config.beta and batch.reference is not None:
        return config.beta * compute_divergences(log_probs, batch.reference) - gains
    return -gains


def compute_ratios(log_probs: Tensor, batch: TokenBatch) -> Tensor:
    """Return the ratio of each token's probability under the current weights to that under the weights that drew it,
    (tokens,)."""
    old = log_probs.detach() if batch.old is None else batch.old
    return (log_probs - old).exp()


def count_clipped_tokens(log_probs: Tensor, batch: TokenBatch, config: GrpoConfig) -> int:
    """Return the number of tokens whose ratio is clipped, so that they have no gradient."""
    if config.loss == "r1-aqa":
        return 0
    ratios, positive = compute_ratios(log_probs, batch), batch.advantages[batch.owners] > 0
    negative = batch.advantages[batch.owners] < 0
    return int(((ratios > 1 + config.clip_high) & positive | (ratios < 1 - config.clip_low) & negative).sum())
