"""Reward of draws on a changed clip (noise, silence, another clip), and weights of advantages by such draws.

What a model can answer from the text alone, it also answers on a changed clip. A plain difference of rewards would not
remove this: the accuracy on changed clips is a constant per question, which the mean of the group removes again. Two
forms act on single draws instead: `compute_grounding_weights`, and the reward `grounded`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from alm_bench.train.rewards.base import Question, Reward, find_selected_option


def compute_grounding_weights(question: Question, answers: Sequence[str], changed: Sequence[str]) -> list[float]:
    """Return the factor of each answer's advantage, 0 to 1: 1 - the share of the draws on the changed clip that select
    the same option. An answer that selects nothing has the factor 1.

    `answers`: draws on the question's clip. `changed`: draws on the changed clip, at least one.
    """
    counts = Counter(find_selected_option(question, answer) for answer in changed)
    selected = [find_selected_option(question, answer) for answer in answers]
    return [1.0 if option is None else 1 - counts[option] / len(changed) for option in selected]


class Grounded(Reward):
    """Reward of draws on a changed clip for not favouring any option: minus the share of the *other* draws of the group
    that select the same option.

    Its expected value is minus the sum of the squared probabilities of the options, which is highest if all options are
    equally likely. A draw that selects no option gets -1, so that the model goes on answering. If all options are drawn
    equally often, all rewards are equal, and nothing is learned.
    """

    name: ClassVar = "grounded"
    title: ClassVar = "Minus the share of the group's other draws with the same option (-1 to 0), on changed clips."
    version: ClassVar = 1

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        selected = [find_selected_option(question, answer) for answer in answers]
        counts = Counter(selected)
        others = max(1, len(answers) - 1)
        return [-1.0 if option is None else -(counts[option] - 1) / others for option in selected]


REWARDS = (Grounded,)
