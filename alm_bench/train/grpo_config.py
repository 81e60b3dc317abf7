"""Settings of the objective `grpo`: the table `[stage.grpo]` of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LossKind = Literal["r1-aqa", "grpo", "dr-grpo", "dapo"]
"""Name of a loss, see `alm_bench.train.grpo_losses`."""

REWARD_BY_DEFAULT = {"parsed": 1.0}
"""Rewards of a recipe that names none."""


@dataclass(frozen=True, slots=True)
class GroundedConfig:
    """Settings of draws (sampled answers) on changed clips: the table `[stage.grpo.grounded]`. With such draws, answers
    that the model also finds without the right clip are not rewarded."""

    form: Literal["weight", "group", "both"] = "group"
    """`weight`: the advantage of a draw is multiplied by 1 - the share of the draws on the changed clip that select the
    same option. `group`: the draws on the changed clip are trained as a group of their own with the reward `grounded`,
    which is higher the fewer of them select the same option. `both`: both."""

    clip: Literal["noise", "silence", "other"] = "noise"
    """Clips that replace the clips of a question: noise, silence, or random other clips of the data (`other`)."""

    draws: int = 8
    """Number of draws on changed clips per question."""

    strength: float = 1.0
    """Factor of the loss of the group of draws on changed clips (`group`, `both`)."""


@dataclass(frozen=True, slots=True)
class GrpoConfig:
    """Settings of a stage with the objective `grpo` (group relative policy optimisation, arXiv 2402.03300)."""

    rewards: Mapping[str, float] = field(default_factory=lambda: dict(REWARD_BY_DEFAULT))
    """Weights of the rewards by name. The reward of an answer is the weighted sum."""

    reward_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of the rewards, by the reward's name."""

    loss: LossKind = "grpo"
    """Loss: `r1-aqa` (one on-policy update, no clipping, mean of the means over the tokens of an answer), `grpo` (the
    same mean with a clipped ratio), `dr-grpo` (sum over tokens divided by `max_new_tokens`; advantages are not divided
    by the standard deviation) or `dapo` (mean over all tokens of the step)."""

    group: int = 8
    """Number of answers that are drawn to each question."""

    max_new_tokens: int = 64
    """Token limit of a drawn answer."""

    temperature: float = 1.0
    """Temperature of the draws. Log-probabilities are computed at this temperature, too."""

    top_p: float = 1.0
    """Probability mass of nucleus sampling, above 0 to 1."""

    beta: float = 0.04
    """Weight of the divergence from the reference weights (k3 estimator). 0: no reference weights are kept."""

    reference_every: int = 0
    """Number of steps after which the reference weights are replaced by the current ones. 0: they stay those of the
    start of the stage."""

    clip_low: float = 0.2
    """The probability ratio to the weights that drew the answer is clipped below 1 - `clip_low`."""

    clip_high: float = 0.2
    """The probability ratio is clipped above 1 + `clip_high`. DAPO uses 0.28."""

    updates: int = 1
    """Number of optimiser steps on the same draws."""

    prompt: str = ""
    """Template of the prompt with the fields {prompt} (as in the data), {question} (without its options), {options}
    (a list such as ['a', 'b']) and {lettered} (`a) x b) y`). Empty: the prompt as in the data."""

    grounded: GroundedConfig | None = None
    """Draws on changed clips. Default: none."""


PROMPT_FIELDS = ("prompt", "question", "options", "lettered")
"""Fields of the template `prompt`."""


def find_grpo_problem(config: GrpoConfig) -> str | None:
    """Return the reason why the settings are invalid, None if they are valid. Names of rewards are not checked."""
    grounded = config.grounded or GroundedConfig()
    ranges: list[tuple[str, float, bool, str]] = [
        ("group", config.group, config.group >= 2, "at least 2 draws"),
        ("max_new_tokens", config.max_new_tokens, config.max_new_tokens >= 1, "at least 1"),
        ("temperature", config.temperature, config.temperature > 0, "a number above 0"),
        ("top_p", config.top_p, 0 < config.top_p <= 1, "a number above 0, up to 1"),
        ("beta", config.beta, config.beta >= 0, "a number from 0"),
        ("reference_every", config.reference_every, config.reference_every >= 0, "a number of steps, 0 for never"),
        # within the updates on one draw, the log-probabilities under the reference are not computed again
        (
            "reference_every",
            config.reference_every,
            config.updates < 1 or config.reference_every % config.updates == 0,
            f"a multiple of updates ({config.updates})",
        ),
        ("clip_low", config.clip_low, 0 < config.clip_low < 1, "a number between 0 and 1"),
        ("clip_high", config.clip_high, config.clip_high > 0, "a number above 0"),
        ("updates", config.updates, config.updates >= 1, "at least 1"),
        ("grounded.draws", grounded.draws, grounded.draws >= 2, "at least 2 draws"),
        ("grounded.strength", grounded.strength, grounded.strength > 0, "a number above 0"),
    ]
    for name, value, fits, expected in ranges:
        if not fits:
            return f"grpo.{name} takes {expected}, found {value:g}"
    if config.loss == "r1-aqa" and config.updates > 1:
        return f"grpo.loss r1-aqa is on-policy and takes one update per draw, found updates = {config.updates}"
    return _find_reward_weight_problem(config) or _find_prompt_problem(config)


def _find_reward_weight_problem(config: GrpoConfig) -> str | None:
    """Return the reason why the weights of the rewards are invalid, None if they are valid."""
    for name, weight in config.rewards.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            return f"grpo.rewards takes a weight per reward, found {name} = {weight!r}"
    if not any(config.rewards.values()):
        return "grpo.rewards has no reward with a weight other than 0"
    for name, options in config.reward_options.items():
        if name not in config.rewards:
            return f"grpo.reward_options names {name!r}, which is not among grpo.rewards"
        if not isinstance(options, Mapping):
            return f"grpo.reward_options.{name} takes a table of options, found {options!r}"
    return None


def _find_prompt_problem(config: GrpoConfig) -> str | None:
    """Return the reason why the template of the prompt is invalid, None if it is valid."""
    try:
        config.prompt.format(**dict.fromkeys(PROMPT_FIELDS, ""))
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        return f"grpo.prompt has an invalid field ({error}); known: {', '.join(PROMPT_FIELDS)}"
    return None
