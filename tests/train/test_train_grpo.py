"""The objective `grpo` on a tiny network: log-probabilities, seeded draws, exact resume, groundedness, settings."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alm_bench.core import Decoding, UsageError
from alm_bench.mellow.checkpoint import load_folder
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.generate import Context, Engine
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.train import log_probabilities
from alm_bench.train.checkpoint import TrainingFolder
from alm_bench.train.config import TrainConfig
from alm_bench.train.grpo_batch import GrpoBatch, build_token_batch
from alm_bench.train.log_probabilities import compute_log_probs
from alm_bench.train.loop import Stage, Trainer
from alm_bench.train.objectives.grpo import Grpo
from alm_bench.train.rollouts import draw_groups
from alm_bench.train.setup import prepare_training

Recipe = Callable[..., TrainConfig]

STAGE = """
[[stage]]
name = "reinforce"
objective = "grpo"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 3e-3
[stage.grpo]
rewards = {{ length = 1.0 }}
reward_options = {{ length = {{ low = 1, high = 2, part = "text" }} }}
group = 4
max_new_tokens = 6
"""
"""A reward that an untrained network earns at times: the number of words."""


def start(config: TrainConfig, cache: Path, observe: Callable[[dict[str, Any]], None] = lambda _: None) -> Trainer:
    return Trainer(config, prepare_training(config, cache, lambda *_: None), observe)


def log(config: TrainConfig) -> list[dict[str, Any]]:
    lines = (config.out / config.name / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "samples_per_second"} for line in lines]


def complete(trainer: Trainer, step: int = 0) -> tuple[Stage, GrpoBatch]:
    """The stage and the batch of a step with its draws."""
    stage = trainer.set_up_stage(0)
    (batch,) = trainer.build_micro_batches(stage, step)
    assert isinstance(batch, GrpoBatch)
    return stage, batch


# --- log-probabilities ---


@pytest.fixture(scope="module")
def model(network: Path) -> Mellow:
    config = MellowConfig.from_json((network / "config.json").read_text(), network)
    return build_untrained(config, seed=5)


def build_contexts(model: Mellow) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [0.1 * torch.randn(n, model.config.lm.width, generator=generator) for n in (7, 12, 9)]


ANSWERS = [[[5, 6, 7], [9], [4, 4, 4, 4, 0]], [[8, 0]], [[300, 2], [301, 3, 0]]]


@pytest.mark.parametrize("limits", [(512, 16_384, 2**24), (4, 30, 2000)])
def test_packed_answers_have_the_log_probabilities_of_single_ones(
    model: Mellow, limits: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the inference engine, which computes each answer alone; also in many small parts."""
    for name, value in zip(("PACKED_TOKENS", "PASS_TOKENS", "LOGITS"), limits, strict=True):
        monkeypatch.setattr(log_probabilities, name, value)
    contexts = build_contexts(model)
    found = compute_log_probs(model, contexts, ANSWERS, temperature=1.0)
    parts = iter(torch.split(found.values, [len(answer) for group in ANSWERS for answer in group]))
    expected = Engine(model).compute_answer_likelihoods([Context(None, context) for context in contexts], ANSWERS)
    for group in expected:
        for likelihood in group:
            assert float(next(parts).detach().sum()) == pytest.approx(likelihood.total, abs=1e-4)
    assert (found.entropies > 0).all()
    found.values.sum().backward()
    gradient = model.lm.get_input_embeddings().weight.grad  # type: ignore[operator]
    assert gradient is not None
    total = float(gradient.norm())
    model.zero_grad()
    sequences = [context for context, group in zip(contexts, ANSWERS, strict=True) for _ in group]
    loss, _ = model.compute_answer_loss(sequences, [answer for group in ANSWERS for answer in group])
    loss.backward()
    assert float(gradient.norm()) == 0 or total == pytest.approx(
        float(model.lm.get_input_embeddings().weight.grad.norm()),
        rel=1e-4,  # type: ignore[operator,union-attr]
    )
    model.zero_grad()


def test_temperature_divides_the_logits(model: Mellow) -> None:
    contexts = build_contexts(model)[:1]
    cold, hot = (compute_log_probs(model, contexts, ANSWERS[:1], t) for t in (0.5, 5.0))
    assert (hot.entropies > cold.entropies).all()


def test_draws_depend_on_their_ids_alone(model: Mellow) -> None:
    """Neither on the size of the batch, nor on the other draws of the group."""
    contexts = build_contexts(model)
    items = [[f"0/{row}/{draw}" for draw in range(3)] for row in range(3)]
    decoding = Decoding("nucleus", 5, 1.0, 1.0, seed=4)
    together = draw_groups(model, contexts, items, decoding)
    assert draw_groups(model, contexts[1:2], [items[1][1:]], decoding) == [together[1][1:]]
    other = draw_groups(model, contexts, items, replace(decoding, seed=5))
    assert other != together
    alone = Engine(model).generate([Context(None, contexts[2])], [items[2][0]], decoding)
    assert alone == together[2][:1]


# --- training ---


class NoLetters:
    """A reward that an untrained network earns in part: the share of other characters than letters."""

    def compute(self, question: Any, answers: Sequence[str]) -> list[float]:
        return [1 - sum(map(str.isalpha, answer)) / max(1, len(answer)) for answer in answers]


def use_reward(monkeypatch: pytest.MonkeyPatch, reward: Any) -> dict[str, str]:
    """Let the only reward be this one. Returns the settings of a recipe for it."""
    monkeypatch.setattr("alm_bench.train.objectives.grpo.find_reward_problem", lambda settings: None)
    monkeypatch.setattr("alm_bench.train.objectives.grpo.prepare_rewards", lambda *_: {"own": reward})
    return {"stage__0__grpo__rewards": "{ own = 1.0 }", "stage__0__grpo__reward_options": "{}"}


@pytest.mark.parametrize("loss", ["r1-aqa", "grpo", "dr-grpo", "dapo"])
def test_a_step_makes_answers_more_likely_that_earned_more(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    changes = {**use_reward(monkeypatch, NoLetters()), "stage__0__grpo__beta": "0.0", "stage__0__grpo__loss": loss}
    trainer = start(recipe(steps=5, stages=STAGE, stage__0__lr="1e-3", **changes), tmp_path)
    stage, batch = complete(trainer)
    assert batch.draws is not None
    assert batch.draws.advantages.abs().max() > 0

    @torch.no_grad()
    def compute_gain() -> float:
        """The mean over all tokens of log-probability times advantage."""
        log_probs = stage.unwrapped_objective._compute_log_probs(batch, batch.draws)  # type: ignore[operator]
        tokens = build_token_batch(batch.draws, torch.device("cpu"))
        return float((log_probs.values * tokens.advantages[tokens.owners]).mean())

    before = compute_gain()
    entry = trainer.step(stage, 0)
    assert compute_gain() > before
    assert {"reward", "reward_own", "entropy", "answer_tokens", "equal_rewards", "truncated"} <= set(entry)


class StopError(Exception):
    pass


@pytest.mark.parametrize(
    "changes",
    [
        {"stage__0__grpo__updates": "2", "stage__0__grpo__loss": "dapo", "stage__0__grpo__reference_every": "4"},
        {"stage__0__grpo__loss": "r1-aqa", "stage__0__grpo__grounded": '{form = "both", draws = 3}'},
    ],
)
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(
    recipe: Recipe, tmp_path: Path, changes: dict[str, str]
) -> None:
    """To the bit: the draws, the reference weights and the rows are those of the uninterrupted run. With two updates
    per draw, the state that is due after step 2 is saved after the second update."""
    whole = recipe(steps=7, stages=STAGE, name="whole", save_every="3", **changes)
    start(whole, tmp_path).run()
    parts = replace(whole, name="parts")

    def stop(entry: dict[str, Any]) -> None:
        if entry["step"] == 5:
            raise StopError

    with pytest.raises(StopError):
        start(parts, tmp_path, stop).run()
    state = TrainingFolder(parts.out / "parts").load_state()
    assert state is not None
    assert state[0].step == (4 if "stage__0__grpo__updates" in changes else 3)
    start(parts, tmp_path).run()
    assert log(parts) == log(whole)
    weights = [(config.out / config.name / "last/model.safetensors").read_bytes() for config in (whole, parts)]
    assert weights[0] == weights[1]


def test_micro_batches_take_the_step_of_the_whole_batch(recipe: Recipe, tmp_path: Path) -> None:
    entries = []
    for parts in ("1", "3"):
        changes = {"stage__0__accumulate": parts, "stage__0__grpo__loss": "dapo"}
        config = recipe(steps=2, stages=STAGE, name=f"parts{parts}", **changes)
        start(config, tmp_path).run()
        entries.append([(entry["norm"], entry["reward"], entry["entropy"]) for entry in log(config)])
    assert entries[0] == [pytest.approx(each, rel=1e-4) for each in entries[1]]
    assert max(norm for norm, *_ in entries[0]) > 0


def test_lora_trains_against_a_frozen_reference(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(steps=3, stages=STAGE.replace('"mapper", "lm"', ""), lora="{r = 2, alpha = 4, dropout = 0.5}")
    trainer = start(config, tmp_path)
    trainer.run()
    entries = log(config)
    assert entries[0]["kl"] == pytest.approx(0, abs=1e-9), "dropout is off"
    assert entries[-1]["kl"] > 0
    assert (config.out / config.name / "last").is_dir()


def test_the_reference_moves_when_it_is_due(recipe: Recipe, tmp_path: Path) -> None:
    changes = {"stage__0__grpo__reference_every": "3"}
    config = recipe(steps=4, stages=STAGE, **changes)
    start(config, tmp_path).run()
    divergences = [entry["kl"] for entry in log(config)]
    assert divergences[0] == pytest.approx(0, abs=1e-9)
    assert divergences[3] == pytest.approx(0, abs=1e-9)
    assert min(divergences[1:3]) > 0


def test_validation_is_minus_the_reward_of_greedy_answers(recipe: Recipe, reasonaqa: Path, tmp_path: Path) -> None:
    source = f'file = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
    config = recipe(steps=2, stages=STAGE, data=f"[[data]]\n{source}[[validation]]\n{source}", answer_every="1")
    start(config, tmp_path).run()
    last = log(config)[-1]
    assert -1 <= last["validation_loss"] <= 0
    assert set(last["answered"]) == {"acd-1", "audiocaps_mcq"}
    load_folder(config.out / config.name / "best")


# --- draws on changed clips ---


def fill_answers(monkeypatch: pytest.MonkeyPatch, own: Sequence[str], changed: Sequence[str]) -> None:
    """Let the decoded texts of every group be these."""
    texts = iter(())

    def decode(self: Grpo, tokens: Sequence[int]) -> str:
        nonlocal texts
        found = next(texts, None)
        if found is None:
            texts = iter([*own * 4, *changed * 4])
            found = next(texts)
        return found

    monkeypatch.setattr(Grpo, "_decode", decode)


def compute_gradient(trainer: Trainer) -> float:
    stage, batch = complete(trainer)
    stage.objective(batch).backward()
    return sum(float(each.grad.abs().sum()) for each in stage.parameters if each.grad is not None)


@pytest.mark.parametrize(("changed", "is_zero"), [(["tone number 1"] * 4, True), (["a", "b", "c", "d"], False)])
def test_no_gradient_where_answers_on_noise_and_on_the_clip_are_equal(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: list[str], is_zero: bool
) -> None:
    """All draws select the same, with rewards that differ by the format alone, which the clip has not earned."""
    own = ["tone number 1", "Tone number 1", "tone  number 1", "tone number 1 "]
    fill_answers(monkeypatch, own, changed)
    changes = {"stage__0__grpo__grounded": '{form = "weight", draws = 4}', "stage__0__grpo__beta": "0.0"}
    changes |= use_reward(monkeypatch, Upper())
    gradient = compute_gradient(start(recipe(stages=STAGE, **changes), tmp_path))
    assert (gradient == 0) is is_zero


class Upper:
    """A reward that is not about the answer: its first letter is a capital."""

    def compute(self, question: Any, answers: Sequence[str]) -> list[float]:
        return [float(answer[0].isupper()) for answer in answers]


@pytest.mark.parametrize("clip", ["noise", "silence", "other"])
def test_draws_on_changed_clips_train_as_a_group_of_their_own(recipe: Recipe, tmp_path: Path, clip: str) -> None:
    grounded = f'{{form = "group", clip = "{clip}", draws = 3}}'
    config = recipe(stages=STAGE, name=clip, stage__0__grpo__grounded=grounded)
    _, batch = complete(start(config, tmp_path))
    assert batch.draws is not None
    assert [len(group) for group in batch.draws.answers] == [4] * 4 + [3] * 4
    assert batch.units == 16, "the loss is a mean over the draws on the rows' own clips"
    assert len(batch.draws.advantages) == 28


def test_another_clip_is_never_the_own_one() -> None:
    from alm_bench.train.changed_clips import _draw_other_clip

    generator = np.random.default_rng(3)
    assert {_draw_other_clip(generator, 5, [1, 3]) for _ in range(60)} == {0, 2, 4}
    with pytest.raises(UsageError, match="the data has 2 clips, expected more than a question's own"):
        _draw_other_clip(generator, 2, [0, 1])


# --- settings ---


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("group", "1", "grpo.group takes at least 2 draws, found 1"),
        ("top_p", "0.0", "grpo.top_p takes a number above 0, up to 1, found 0"),
        ("loss", '"ppo"', "grpo: loss takes one of r1-aqa, grpo, dr-grpo, dapo, found 'ppo'"),
        ("rewards", "{}", "grpo.rewards has no reward with a weight other than 0"),
        ("prompt", '"{questions}"', "grpo.prompt has an invalid field"),
        ("reward_options", "{ format = {} }", "grpo.reward_options names 'format', which is not among grpo.rewards"),
        ("grounded", '{ form = "half" }', "form takes one of weight, group, both, found 'half'"),
    ],
)
def test_an_invalid_setting_is_one_line(recipe: Recipe, key: str, value: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(stages=STAGE, **{f"stage__0__grpo__{key}": value})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_reference_moves_between_draws(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"reference_every takes a multiple of updates \(2\), found 3"):
        recipe(stages=STAGE, stage__0__grpo__reference_every="3", stage__0__grpo__updates="2")


def test_r1_aqa_takes_one_update(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="one update per draw, found updates = 2"):
        recipe(stages=STAGE, stage__0__grpo__loss='"r1-aqa"', stage__0__grpo__updates="2")


def test_a_table_grpo_of_another_objective_is_refused(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="for the objective grpo, not answers"):
        recipe(stages=STAGE, stage__0__objective='"answers"')


def test_the_prompt_can_be_r1_aqas(recipe: Recipe, tmp_path: Path) -> None:
    from alm_bench.train.objectives.grpo import format_prompt
    from alm_bench.train.rewards import build_question

    template = "{question} Please choose the answer from the following options: {options}."
    question = build_question("what is heard? a) dog b) cat", "a) dog")
    expected = "what is heard? Please choose the answer from the following options: ['dog', 'cat']."
    assert format_prompt(template, "what is heard? a) dog b) cat", question) == expected
    assert format_prompt("{question} {lettered}", "", question) == "what is heard? a) dog b) cat"
    assert format_prompt("", "as it is", question) == "as it is"
