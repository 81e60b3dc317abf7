"""Rewards as functions that TRL's `GRPOTrainer` calls, and trainers that take functions of the same form.

A function gets the completions of a batch and the columns of their rows, and returns one number per completion. This
module imports no torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alm_bench.core.errors import UsageError
from alm_bench.train.rewards import Question, build_question, create_reward

RewardFunction = Callable[..., list[float]]
"""Function from completions, and columns as keyword arguments, to one reward per completion."""


def make_reward_function(
    name: str, options: Mapping[str, Any] | None = None, questions: Sequence[tuple[str, str]] = ()
) -> RewardFunction:
    """Return a reward of this package as a function for TRL. Raises UsageError for an unknown reward or option.

    The function needs the columns `question_prompt` (prompt as in the training rows, with its options) and `solution`
    (reference answer) of the rows that `alm-bench train export-rl` writes. `questions`:
    pairs of a prompt and a reference answer, needed only for rewards that are prepared with all questions. The
    completions of a batch that have the same question are passed to the reward as one group.
    """
    reward = create_reward(name, options)
    if questions:
        reward.prepare([build_question(prompt, answer) for prompt, answer in questions])

    def compute(
        completions: Sequence[Any], question_prompt: Sequence[str], solution: Sequence[str], **columns: Any
    ) -> list[float]:
        groups: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(zip(question_prompt, solution, strict=True)):
            groups.setdefault(key, []).append(index)
        values = [0.0] * len(completions)
        for (prompt, answer), members in groups.items():
            question: Question = build_question(prompt, answer)
            texts = [extract_text(completions[index]) for index in members]
            for index, value in zip(members, reward.compute(question, texts), strict=True):
                values[index] = float(value)
        return values

    compute.__name__ = name.replace("-", "_")
    return compute


def extract_text(completion: Any) -> str:
    """Return the text of a completion: a text, or a list of messages whose last one is the model's. Raises UsageError
    for another form."""
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Sequence) and completion and isinstance(completion[-1], Mapping):
        content = completion[-1].get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, Sequence):
            return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    raise UsageError(f"a completion is {completion!r:.80}, expected a text or a list of messages")
