"""Training objectives: what the steps of a stage minimise.

An objective is a subclass of `Objective`. Those of this package are in its modules, each in a tuple `OBJECTIVES`; an
installed package adds one through the entry point group `alm_bench.objectives`, whose value is such a class. The
training loop knows none by name.
"""

from functools import cache

from alm_bench.core.errors import UsageError
from alm_bench.core.registry import Registry, check_subclass, load_registry
from alm_bench.train.config import TrainConfig
from alm_bench.train.objectives.base import Batch, ClipBatch, Objective

__all__ = ["Batch", "ClipBatch", "Objective", "check_objectives", "objective_classes"]

GROUP = "alm_bench.objectives"


@cache
def objective_classes() -> Registry[type[Objective]]:
    """Return all objectives by name. Raises UsageError for a name that is defined twice."""
    check = check_subclass(Objective)
    return load_registry("objective", __name__, "OBJECTIVES", GROUP, lambda cls: cls.name, check)


def check_objectives(config: TrainConfig) -> None:
    """Raises UsageError for a stage whose objective is unknown, or does not fit its other settings."""
    for number, stage in enumerate(config.stage):
        if (problem := objective_classes().get(stage.objective).problem(stage)) is not None:
            raise UsageError(f"stage.{number} of {config.name}: {problem}")
