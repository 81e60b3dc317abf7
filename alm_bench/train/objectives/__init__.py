"""Training objectives: the losses that the stages of a recipe minimise.

An objective is a subclass of `Objective`. Each module of this package lists its objectives in the tuple `OBJECTIVES`.
An installed package adds an objective by an entry point of the group `alm_bench.objectives`, whose value is the class.
The training loop does not depend on any particular objective.
"""

from functools import cache

from alm_bench.core.errors import UsageError
from alm_bench.core.registry import Registry, load_registry, make_subclass_check
from alm_bench.train.config import TrainConfig
from alm_bench.train.objectives.base import Batch, ClipBatch, Objective

__all__ = ["Batch", "ClipBatch", "Objective", "check_objectives", "load_objective_classes"]

GROUP = "alm_bench.objectives"
"""Entry point group of objectives in installed packages."""


@cache
def load_objective_classes() -> Registry[type[Objective]]:
    """Return all objectives by name. Raises UsageError if a name is defined twice."""
    check = make_subclass_check(Objective)
    return load_registry("objective", __name__, "OBJECTIVES", GROUP, lambda cls: cls.name, check)


def check_objectives(config: TrainConfig) -> None:
    """Check the objective of every stage. Raises UsageError if it is unknown or does not fit the stage's other
    settings."""
    for number, stage in enumerate(config.stage):
        if (problem := load_objective_classes().get(stage.objective).problem(stage)) is not None:
            raise UsageError(f"stage.{number} of {config.name}: {problem}")
