"""Losses of GRPO against numpy transcriptions of the papers' formulas, finite differences, and TRL."""

import importlib.util
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from alm_bench.train.grpo_config import GrpoConfig
from alm_bench.train.grpo_losses import (
    TokenBatch,
    compute_advantages,
    compute_divergences,
    compute_loss,
    count_clipped_tokens,
    count_units,
)

KINDS = ("r1-aqa", "grpo", "dr-grpo", "dapo")
LENGTHS = [[3, 1, 5, 2], [4, 4, 1, 6]]
MOST = 8


def batch(kind: str, old: bool = True, reference: bool = True) -> tuple[np.ndarray, np.ndarray, TokenBatch, Any]:
    """Log-probabilities, rewards and the batch of two groups of four answers, the same at every call."""
    generator = np.random.default_rng(3)
    lengths = np.array(LENGTHS).ravel()
    count = int(lengths.sum())
    log_probs = -generator.exponential(1.0, count)
    fixed = {
        "old": log_probs + generator.normal(0, 0.4, count),
        "reference": log_probs + generator.normal(0, 0.5, count),
    }
    rewards = np.array([[1.0, 0.0, 0.0, 2.0], [1.0, 1.0, 0.0, 0.5]])
    tokens = TokenBatch(
        torch.repeat_interleave(torch.arange(8), torch.tensor(lengths)),
        torch.tensor(lengths),
        compute_advantages(torch.tensor(rewards), kind).ravel(),  # type: ignore[arg-type]
        torch.tensor(fixed["old"]) if old else None,
        torch.tensor(fixed["reference"]) if reference else None,
    )
    return log_probs, rewards, tokens, fixed


def settings(kind: str, **changes: Any) -> GrpoConfig:
    return GrpoConfig(loss=kind, max_new_tokens=MOST, **changes)  # type: ignore[arg-type]


def transcribe(
    kind: str, log_probs: np.ndarray, rewards: np.ndarray, fixed: Any, beta: float, low: float, high: float
) -> float:
    """The mean loss of a step, written answer by answer and token by token from the papers."""
    sums, tokens, start = [], 0, 0
    for group, lengths in enumerate(LENGTHS):
        row = rewards[group]
        deviation = np.sqrt(((row - row.mean()) ** 2).sum() / (len(row) - 1))
        for answer, length in enumerate(lengths):
            advantage = row[answer] - row.mean()
            if kind != "dr-grpo":
                advantage /= deviation + 1e-4
            losses = []
            for t in range(start, start + length):
                ratio = 1.0 if kind == "r1-aqa" else np.exp(log_probs[t] - fixed["old"][t])
                gain = ratio * advantage
                if kind != "r1-aqa":
                    gain = min(gain, min(max(ratio, 1 - low), 1 + high) * advantage)
                away = fixed["reference"][t] - log_probs[t]
                losses.append(-gain + beta * (np.exp(away) - away - 1))
            start, tokens = start + length, tokens + length
            sums.append({"r1-aqa": np.mean, "grpo": np.mean, "dapo": np.sum, "dr-grpo": np.sum}[kind](losses))
    total = float(np.sum(sums))
    return {"r1-aqa": total / 8, "grpo": total / 8, "dapo": total / tokens, "dr-grpo": total / (8 * MOST)}[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.1, 0.28)])
def test_every_loss_equals_its_transcription(kind: str, low: float, high: float) -> None:
    log_probs, rewards, tokens, fixed = batch(kind, old=kind != "r1-aqa")
    config = settings(kind, beta=0.04, clip_low=low, clip_high=high)
    loss = compute_loss(torch.tensor(log_probs), tokens, config)
    mean = float(loss) / count_units(8, int(tokens.lengths.sum()), config.loss)
    assert mean == pytest.approx(transcribe(kind, log_probs, rewards, fixed, 0.04, low, high), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind: str) -> None:
    """For r1-aqa the weights that drew are the current ones: its ratio is exp(lp - lp') with lp' held fixed."""
    log_probs, _, tokens, _ = batch(kind)
    if kind == "r1-aqa":
        tokens = TokenBatch(tokens.owners, tokens.lengths, tokens.advantages, torch.tensor(log_probs), tokens.reference)
    config = settings(kind, beta=0.1)
    current = torch.tensor(log_probs, requires_grad=True)
    compute_loss(current, tokens, config).backward()
    step = 1e-6
    for t in range(len(log_probs)):
        moved = [
            torch.tensor(log_probs) + sign * step * torch.eye(len(log_probs), dtype=torch.float64)[t]
            for sign in (1, -1)
        ]
        up, down = (float(compute_loss(each, tokens, config)) for each in moved)
        assert current.grad is not None
        assert float(current.grad[t]) == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_on_policy_the_gradient_is_that_of_the_old_weights() -> None:
    """Without old log-probabilities the ratio is 1, with a gradient."""
    log_probs, _, tokens, _ = batch("grpo", old=False, reference=False)
    same = TokenBatch(tokens.owners, tokens.lengths, tokens.advantages, torch.tensor(log_probs), None)
    gradients = []
    for each in (tokens, same):
        current = torch.tensor(log_probs, requires_grad=True)
        compute_loss(current, each, settings("grpo", beta=0.0)).backward()
        gradients.append(current.grad)
    assert gradients[0] is not None
    assert torch.equal(gradients[0], gradients[1])  # type: ignore[arg-type]
    assert float(gradients[0].abs().sum()) > 0


def test_divergence_is_zero_at_the_reference_and_positive_elsewhere() -> None:
    values = compute_divergences(torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.0, -1.0, -3.0]))
    assert values[0] == 0
    assert (values[1:] > 0).all()


def test_equal_rewards_have_no_advantage() -> None:
    for kind in KINDS:
        assert compute_advantages(torch.tensor([[1.0, 1.0, 1.0]]), kind).abs().max() == 0  # type: ignore[arg-type]


def test_only_tokens_without_gradient_count_as_clipped() -> None:
    log_probs, _, tokens, _ = batch("grpo", reference=False)
    current = torch.tensor(log_probs, requires_grad=True)
    config = settings("grpo", beta=0.0)
    compute_loss(current, tokens, config).backward()
    assert current.grad is not None
    assert count_clipped_tokens(current.detach(), tokens, config) == int((current.grad == 0).sum())
    assert 0 < count_clipped_tokens(current.detach(), tokens, config) < len(log_probs)


def compute_trl_loss(kind: str, log_probs: np.ndarray, tokens: TokenBatch, config: GrpoConfig) -> float:
    """The loss that TRL's trainer computes when its model gives these log-probabilities."""
    from trl import GRPOTrainer

    def pad(values: Any) -> torch.Tensor:
        parts = torch.split(torch.as_tensor(values), tokens.lengths.tolist())
        return torch.stack([torch.nn.functional.pad(part, (0, MOST - len(part))) for part in parts])

    mask = pad(torch.ones(len(log_probs))).long()
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (pad(log_probs), pad(torch.ones(len(log_probs))), None),
        loss_type=kind.replace("-", "_"),
        beta=config.beta,
        epsilon_low=config.clip_low,
        epsilon_high=config.clip_high,
        max_completion_length=MOST,
        model=SimpleNamespace(training=False),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        current_gradient_accumulation_steps=1,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=False,
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
    )
    inputs = {
        "prompt_ids": torch.zeros(8, 1, dtype=torch.long),
        "prompt_mask": torch.ones(8, 1, dtype=torch.long),
        "completion_ids": torch.zeros(8, MOST, dtype=torch.long),
        "completion_mask": mask,
        "advantages": tokens.advantages,
        "old_per_token_logps": pad(tokens.old),
        "ref_per_token_logps": pad(tokens.reference),
        "num_items_in_batch": mask.sum(),
    }
    return float(GRPOTrainer._compute_loss(trainer, None, inputs))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")
@pytest.mark.parametrize("kind", ["grpo", "dr-grpo", "dapo"])
def test_losses_equal_those_of_trl(kind: str) -> None:
    log_probs, _, tokens, _ = batch(kind)
    config = settings(kind, beta=0.04)
    loss = float(compute_loss(torch.tensor(log_probs), tokens, config))
    mean = loss / count_units(8, len(log_probs), config.loss)
    assert mean == pytest.approx(compute_trl_loss(kind, log_probs, tokens, config), abs=1e-6)
