"""Rewards of drawn answers, for training by reinforcement learning.

A reward is a subclass of `Reward`. Each module of this package lists its rewards in the tuple `REWARDS`. An installed
package adds a reward by an entry point of the group `alm_bench.rewards`, whose value is the class. No module of this
package imports torch, so that trainers of other programs can call the rewards.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from alm_bench.core.errors import UsageError
from alm_bench.core.registry import Registry, load_registry, make_subclass_check
from alm_bench.train.config import build_dataclass
from alm_bench.train.grpo_config import GrpoConfig
from alm_bench.train.rewards.base import Question, Reward, build_question, combine_rewards

__all__ = [
    "Question",
    "Reward",
    "build_question",
    "combine_rewards",
    "create_reward",
    "create_rewards",
    "describe_reward_versions",
    "load_reward_classes",
]

GROUP = "alm_bench.rewards"
"""Entry point group of rewards in installed packages."""


@cache
def load_reward_classes() -> Registry[type[Reward]]:
    """Return all rewards by name. Raises UsageError if a name is defined twice."""
    return load_registry("reward", __name__, "REWARDS", GROUP, lambda cls: cls.name, make_subclass_check(Reward))


def create_reward(name: str, options: Mapping[str, Any] | None = None) -> Reward:
    """Create a reward with options by name. Raises UsageError for an unknown reward or an invalid option."""
    cls = load_reward_classes().get(name)
    return cls(build_dataclass(cls.Options, options or {}, f"options of the reward {name}"))


def create_rewards(config: GrpoConfig) -> dict[str, Reward]:
    """Create the rewards of a stage that have a weight other than 0, by name. Raises UsageError."""
    return {
        name: create_reward(name, config.reward_options.get(name)) for name, weight in config.rewards.items() if weight
    }


def find_reward_problem(config: GrpoConfig) -> str | None:
    """Return the reason why the rewards of a stage cannot be created, None if they can."""
    try:
        create_rewards(config)
    except UsageError as error:
        return str(error)
    return None


def describe_reward_versions(config: GrpoConfig) -> str:
    """Return the versions of a stage's rewards as one text (`parsed@1, format@1`), which is stored with a run."""
    versions = load_reward_classes().versions
    used = [name for name, weight in config.rewards.items() if weight]
    return ", ".join(f"{name}@{versions.get(name, '')}".rstrip("@") for name in used)
