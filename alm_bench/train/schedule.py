"""Learning rates and gradient clipping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from alm_bench.train.config import StageConfig

NORM_HISTORY = 100
"""Number of gradient norms over which the published clipping rule averages."""


def compute_learning_rate(stage: StageConfig, step: int, total: int, per_epoch: int) -> float:
    """Return the learning rate of step `step` (from 0) of `total`. `per_epoch`: steps per epoch.

    `cosine` rises linearly over the share `warmup` of the steps and then falls to 0 with every step. `constant` rises
    and then stays. `cosine_epoch`, the published schedule, has no warm-up and falls once per epoch.
    """
    if stage.schedule == "cosine_epoch":
        epochs = max(1, math.ceil(total / per_epoch))
        return stage.lr * 0.5 * (1 + math.cos(math.pi * (step // per_epoch) / epochs))
    warm = max(1, round(stage.warmup * total))
    if step < warm:
        return stage.lr * (step + 1) / warm
    if stage.schedule == "constant":
        return stage.lr
    return stage.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


@dataclass(slots=True)
class GradientClipping:
    """Limit of the gradient norm: constant, or the mean of the last norms."""

    fixed: float
    """Constant limit. 0 for the published rule: the limit starts at 0.5 and is then the mean of the last 100 norms."""

    norms: list[float] = field(default_factory=list)
    """Last gradient norms, at most `NORM_HISTORY`; empty if the limit is constant."""

    @property
    def limit(self) -> float:
        """Maximum gradient norm of the next step."""
        if self.fixed > 0:
            return self.fixed
        return _compute_mean(self.norms) if self.norms else 0.5

    def record_norm(self, norm: float) -> None:
        """Record the gradient norm of a step, before clipping."""
        if self.fixed == 0 and math.isfinite(norm):
            self.norms = [*self.norms, norm][-NORM_HISTORY:]


def _compute_mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
