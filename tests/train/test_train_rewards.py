"""Rewards of drawn answers: R1-AQA's with its published faults, and ours without them."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from alm_bench.core import UsageError
from alm_bench.train import rewards
from alm_bench.train.grpo_config import GrpoConfig
from alm_bench.train.rewards import (
    Question,
    Reward,
    build_question,
    combine_rewards,
    create_reward,
    create_rewards,
    describe_reward_versions,
)
from alm_bench.train.rewards.grounded import compute_grounding_weights

DOG = build_question("What is heard? a) dog b) cat c) owl d) bell", "a) dog")


def score(name: str, answer: str, question: Question = DOG, **options: Any) -> float:
    return float(create_reward(name, options).compute(question, [answer])[0])


@pytest.mark.parametrize(
    ("answer", "accuracy", "form", "parsed"),
    [
        ("<answer>dog</answer>", 1, 1, 1),
        ("dog", 1, 0, 1),
        ("Dog", 0, 0, 1),  # case-sensitive
        ("a) dog", 0, 0, 1),  # the text of the option alone counts
        ("<answer>Dog</answer>", 0, 1, 1),
        ("<answer>a) dog</answer>", 0, 1, 1),
        ("<answer>\ndog\n</answer>", 0, 1, 1),  # a line of its own is not matched
        ("<answer> dog </answer>", 1, 1, 1),
        ("<answer>dog</answer> or <answer>cat</answer>", 1, 1, 0),  # the first element decides, and the last ends it
        ("<answer>cat</answer>", 0, 1, 0),
        ("<think>it barks</think> <answer>dog</answer>", 1, 0, 1),  # thinking forfeits the format
        ("<answer>dog</answer>.", 1, 0, 1),
        ("", 0, 0, 0),
    ],
)
def test_r1_aqa_row_by_row_beside_the_parser(answer: str, accuracy: int, form: int, parsed: int) -> None:
    assert score("r1-aqa", answer, format=0.0) == accuracy
    assert score("r1-aqa", answer, accuracy=0.0) == form
    assert score("r1-aqa", answer) == accuracy + form
    assert score("parsed", answer) == parsed


def test_r1_aqa_thinks_in_its_variant() -> None:
    assert score("r1-aqa", "<think>it barks</think>\n<answer>dog</answer>", think=True) == 2
    assert score("r1-aqa", "<answer>dog</answer>", think=True) == 1


@pytest.mark.parametrize(
    ("prompt", "reference", "right", "wrong"),
    [
        ("is there a sound of a bell?", "yes", "Yes, a bell rings.", "no"),
        ("does it bark?", "No", "It does not bark.", "yes"),
        ("does the audio entail that a dog barks?", "neutral", "It is plausible.", "entailment"),
        ("how many beeps are there?", "three", "There are 3 beeps.", "four"),
        ("what makes the first sound?", "siren", "A siren.", "a bell"),
        ("which sounds are heard? a) dog b) cat c) owl", "a) dog, c) owl", "a) dog, c) owl", "a) dog"),
        ("which sounds are heard? a) dog b) cat c) owl", "a) dog, c) owl", "owl and dog", "a) dog, b) cat, c) owl"),
    ],
)
def test_parsed_grades_every_kind_of_question(prompt: str, reference: str, right: str, wrong: str) -> None:
    question = build_question(prompt, reference)
    assert create_reward("parsed").compute(question, [right, wrong]) == [1, 0]


def test_a_question_is_built_from_a_training_row() -> None:
    assert Question("What is heard?", "dog", ("dog", "cat", "owl", "bell"), 0) == DOG
    several = build_question("which? a) dog b) cat c) owl", "a) dog, c) owl")
    assert (several.target, several.targets) == (None, (0, 2))
    assert build_question("what is heard?", " a dog ") == Question("what is heard?", "a dog")


@pytest.mark.parametrize(
    ("style", "answer", "kept"),
    [
        ("answer", " <answer>dog</answer>\n", True),
        ("answer", "<answer>dog</answer><answer>cat</answer>", False),
        ("think", "<think>it barks</think><answer>dog</answer>", True),
        ("think", "<think> </think><answer>dog</answer>", False),
        ("think", "so <think>it barks</think><answer>dog</answer>", False),
        ("think", "<think>a</think><think>b</think><answer>dog</answer>", False),
        (
            "structured",
            "<planning>a</planning><caption>b</caption><reasoning>c</reasoning><summary>d</summary><answer>e</answer>",
            True,
        ),
        (
            "structured",
            "<THINK><PLANNING>a</PLANNING>\n<CAPTION>b</CAPTION><REASONING>c</REASONING>\n<SUMMARY>d</SUMMARY></THINK>\n<ANSWER>e</ANSWER>",
            True,
        ),
        (
            "structured",
            "<caption>b</caption><planning>a</planning><reasoning>c</reasoning><summary>d</summary><answer>e</answer>",
            False,
        ),
    ],
)
def test_format_requires_each_element_once_and_nothing_else(style: str, answer: str, kept: bool) -> None:
    assert score("format", answer, style=style) == kept


def test_length_counts_the_words_of_the_reasoning() -> None:
    def thinking(words: int) -> str:
        return f"<think>{'bark ' * words}</think><answer>a much longer answer than that</answer>"

    values = [score("length", thinking(words), low=4, high=6) for words in (0, 2, 4, 6, 9, 12, 20)]
    assert values == [0, 0.5, 1, 1, 0.5, 0, 0]
    assert score("length", "one two three", low=3, high=3, part="text") == 1
    with pytest.raises(UsageError, match="0 <= low <= high, found low 7, high 6"):
        create_reward("length", {"low": 7, "high": 6})


def test_caption_rewards_rare_words_of_the_reference() -> None:
    reward = create_reward("caption")
    with pytest.raises(UsageError, match="needs prepare"):
        reward.compute(DOG, ["a dog"])
    captions = ["a dog barks loudly", "a cat meows softly", "a dog howls at night", "rain falls on a roof"]
    questions = [build_question("caption the audio", text) for text in captions]
    reward.prepare(questions)
    values = reward.compute(questions[0], ["a dog barks loudly", "A dog barks.", "a dog", "a cat meows softly"])
    assert values[0] == pytest.approx(10.0)
    assert list(values) == sorted(values, reverse=True)
    assert values[1] > values[3]


def test_grounded_rewards_draws_that_favour_no_option() -> None:
    reward = create_reward("grounded")
    assert len(set(reward.compute(DOG, ["a) dog", "b) cat", "c) owl", "d) bell"]))) == 1, "nothing is left to learn"
    favoured = reward.compute(DOG, ["a) dog", "dog", "<answer>dog</answer>", "b) cat"])
    assert list(favoured) == pytest.approx([-2 / 3, -2 / 3, -2 / 3, 0])
    assert list(reward.compute(DOG, ["a) dog", "b) cat", "hm", "hm"])) == [0, 0, -1, -1], "an answer is still expected"


def test_the_weight_is_what_the_draws_on_the_changed_clip_leave() -> None:
    answers = ["a) dog", "b) cat", "c) owl", "no idea"]
    changed = ["dog", "dog", "dog", "b) cat"]
    assert compute_grounding_weights(DOG, answers, changed) == [0.25, 0.75, 1.0, 1.0]


class Shout(Reward):
    """A reward of an installed package."""

    name: ClassVar = "shout"

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        return [float(answer.isupper()) for answer in answers]


def test_an_installed_package_adds_a_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from alm_bench.core import registry

    point = EntryPoint("shout", f"{__name__}:Shout", "alm_bench.rewards")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "alm_bench.rewards" else [])
    rewards.load_reward_classes.cache_clear()
    try:
        config = GrpoConfig(rewards={"shout": 2.0, "parsed": 1.0, "format": 0.0})
        created = create_rewards(config)
        sums, values = combine_rewards(created, config.rewards, DOG, ["DOG", "cat"])
        assert (sums, values) == ([3.0, 0.0], {"shout": [1.0, 0.0], "parsed": [1.0, 0.0]})
        assert describe_reward_versions(config).startswith("shout@")
        assert describe_reward_versions(config).endswith("parsed@1")
    finally:
        rewards.load_reward_classes.cache_clear()


def test_an_unknown_reward_or_option_is_one_line() -> None:
    with pytest.raises(UsageError, match="unknown reward 'pased'; known: parsed"):
        create_reward("pased")
    with pytest.raises(UsageError, match="options of the reward format: style takes one of answer, think, structured"):
        create_reward("format", {"style": "loose"})


def test_rewards_need_no_torch() -> None:
    code = (
        "import sys; from alm_bench.train.rewards import create_reward, build_question\n"
        "question = build_question('what? a) dog b) cat', 'a) dog')\n"
        "print(create_reward('parsed').compute(question, ['dog']), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[1.0]", "False"]
