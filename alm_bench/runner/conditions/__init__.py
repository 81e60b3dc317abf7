"""Conditions under which a run is repeated to see whether its model listens: noise, silence, other clips or options.

A condition is a subclass of `Condition`. Those of this package are in its modules, each in a tuple `CONDITIONS`; an
installed package adds one through the entry point group `alm_bench.conditions`, whose value is such a class. No other
code knows a condition by its name.
"""

from functools import cache

from alm_bench.core.errors import UsageError
from alm_bench.core.registry import Registry, check_subclass, load_registry
from alm_bench.runner.conditions.base import Change, Condition

__all__ = ["CLEAN", "Change", "Condition", "condition_classes", "condition_version", "read_condition"]

CLEAN = "clean"
"""The condition of ordinary runs, which changes nothing."""

GROUP = "alm_bench.conditions"


@cache
def condition_classes() -> Registry[type[Condition]]:
    """Return all conditions by kind. Raises UsageError for a kind that is defined twice."""
    return load_registry("condition", __name__, "CONDITIONS", GROUP, lambda cls: cls.kind, check_subclass(Condition))


def condition_version(name: str) -> str | None:
    """Return the version of the condition of a name such as `snr:20`; None for one of this package that declares
    none."""
    return condition_classes().versions.get(name.partition(":")[0])


def read_condition(name: str, seed: int = 0, repeat: int = 0) -> Condition:
    """Return the condition of a name such as `silence` or `snr:20`. Raises UsageError for an unknown one."""
    registry = condition_classes()
    cls = registry.entries.get(name.partition(":")[0])
    condition = None if cls is None else cls(name, seed, repeat)
    problem = None if condition is None else condition.problem()
    if condition is None or problem is not None:
        known = [example for one in registry.entries.values() for example in one.examples or (one.kind,)]
        reason = "" if cls is None or problem is None else f" ({cls.kind} {problem})"
        raise UsageError(registry.unknown(name, [example for example in known if example != CLEAN]) + reason)
    return condition
