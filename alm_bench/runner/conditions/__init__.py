"""Conditions: changes of clips, options or reasoning under which a run is repeated, to test what the model relies on.

A condition is a subclass of `Condition`. The built-in conditions are in the modules of this package, each of which
lists them in a tuple `CONDITIONS`. An installed package adds a condition through the entry point group
`alm_bench.conditions`, whose value is the class. Other code does not depend on the name of a condition.
"""

from functools import cache

from alm_bench.core.errors import UsageError
from alm_bench.core.registry import Registry, load_registry, make_subclass_check
from alm_bench.runner.conditions.base import Change, Condition

__all__ = ["CLEAN", "Change", "Condition", "condition_version", "create_condition", "load_condition_classes"]

CLEAN = "clean"
"""Name of the condition of ordinary runs, which changes nothing."""

GROUP = "alm_bench.conditions"
"""Entry point group of conditions from installed packages."""


@cache
def load_condition_classes() -> Registry[type[Condition]]:
    """Return all condition classes by kind. Raises UsageError if a kind is defined twice."""
    return load_registry(
        "condition", __name__, "CONDITIONS", GROUP, lambda cls: cls.kind, make_subclass_check(Condition)
    )


def get_condition_version(name: str) -> str | None:
    """Return the version of the condition with a name such as `snr:20`; None for a built-in condition without a
    version."""
    return load_condition_classes().versions.get(name.partition(":")[0])


def create_condition(name: str, seed: int = 0, repeat: int = 0) -> Condition:
    """Create the condition with a name such as `silence` or `snr:20`.

    `seed` is the seed of the run, `repeat` the index of the random draw, from 0. Raises UsageError for an unknown name
    or an invalid parameter.
    """
    registry = load_condition_classes()
    cls = registry.entries.get(name.partition(":")[0])
    condition = None if cls is None else cls(name, seed, repeat)
    problem = None if condition is None else condition.problem()
    if condition is None or problem is not None:
        known = [example for one in registry.entries.values() for example in one.examples or (one.kind,)]
        reason = "" if cls is None or problem is None else f" ({cls.kind} {problem})"
        raise UsageError(
            registry.build_unknown_name_message(name, [example for example in known if example != CLEAN]) + reason
        )
    return condition
