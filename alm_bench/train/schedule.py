"""Learning rates and gradient clipping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from alm_bench.train.config import StageConfig

HISTORY = 100


def rate(stage: StageConfig, step: int, total: int, per_epoch: int) -> float:
    """The learning rate of `step` (0-based) of `total`.

    `cosine` warms up linearly over the first `warmup` share and falls to 0 step by step, `constant` warms up and stays.
    `cosine_epoch`, as published, has no warm-up and falls from epoch to epoch.
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
class Clipping:
    """Gradient norm to clip to."""

    fixed: float
    """Constant norm; 0 for the published rule, which starts at 0.5 and then takes the mean of the last norms."""

    norms: list[float] = field(default_factory=list)
    """Last gradient norms."""

    @property
    def limit(self) -> float:
        if self.fixed > 0:
            return self.fixed
        return _mean(self.norms) if self.norms else 0.5

    def saw(self, norm: float) -> None:
        if self.fixed == 0 and math.isfinite(norm):
            self.norms = [*self.norms, norm][-HISTORY:]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
