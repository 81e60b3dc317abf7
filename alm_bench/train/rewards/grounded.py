"""Two uses of answers that are drawn on a changed clip (noise, silence, another clip): a reward of these answers, and
factors for the advantages of the answers on the right clip.

A model that answers from the text alone gives the same answer on a changed clip. Subtracting the accuracy on changed
clips from the rewards would have no effect: it is a constant per question, and advantages do not depend on constants.
`compute_grounding_weights` and the reward `grounded` therefore act on single answers.
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from alm_bench.train.rewards.base import Question, Reward, find_selected_option


def compute_grounding_weights(
    question: Question, answers: Sequence[str], changed_answers: Sequence[str]
) -> list[float]:
    """Return the factor of each answer's advantage, 0 to 1: 1 - the share of the draws on the changed clip that select
    the same option. An answer that selects nothing has the factor 1.

    `answers`: draws on the question's clip. `changed_answers`: draws on the changed clip, at least one.
    """
    counts = Counter(find_selected_option(question, answer) for answer in changed_answers)
    selected = [find_selected_option(question, answer) for answer in answers]
    return [1.0 if option is None else 1 - counts[option] / len(changed_answers) for option in selected]


class Grounded(Reward):
    """Reward of answers that are drawn on a changed clip, higher if the answers do not favour any option. The reward of
    an answer is minus the share of the *other* answers of its group that select the same option.

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
