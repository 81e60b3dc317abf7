"""Stages of reinforcement learning as files for TRL, and the reward functions that other trainers call."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alm_bench.core import UsageError
from alm_bench.train.config import CONFIGS, TrainConfig, load_config
from alm_bench.train.export_rl import export_stage
from alm_bench.train.trl_rewards import make_reward_function

GRPO = """
[[stage]]
name = "rl"
objective = "grpo"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 1e-4
drop = ["never"]
order = "easy_to_hard"
mix = {{audiocaps_mcq = 1}}

[stage.grpo]
loss = "dr-grpo"
group = 6
max_new_tokens = 20
beta = 0.01
clip_high = 0.28
updates = 2
reference_every = 50
prompt = "{{question}} Choose from {{options}}."

[stage.grpo.rewards]
parsed = 0.8
format = 0.2

[stage.grpo.reward_options.format]
style = "answer"
"""


@pytest.fixture
def exported(recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path) -> Path:
    rows = json.loads((reasonaqa / "train.json").read_text())
    for number, row in enumerate(rows[2:]):
        row |= {"input": f"how high is tone {number}? a) high b) low", "answer": "b) low", "pass_rate": number % 5 / 4}
    (tmp_path / "measured.json").write_text(json.dumps(rows))
    data = f'[[data]]\nfile = "{tmp_path}/measured.json"\nroot = "{reasonaqa}"\n'
    found = export_stage(recipe(steps=30, stages=GRPO, data=data), tmp_path / "trl")
    assert (found.rows, found.left_out_rows) == (8, 4)
    return tmp_path / "trl"


def test_rows_are_messages_with_clips_in_the_order_of_the_stage(exported: Path) -> None:
    rows = [json.loads(line) for line in (exported / "data/train.jsonl").read_text().splitlines()]
    assert [row["pass_rate"] for row in rows] == [1.0, 1.0, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    audio, text = rows[0]["prompt"][0]["content"]
    assert audio == {"type": "audio", "audio": rows[0]["audios"][0]}
    assert Path(audio["audio"]).is_file()
    assert text == {"type": "text", "text": "how high is tone 4? Choose from ['high', 'low']."}
    assert (rows[0]["question_prompt"], rows[0]["solution"]) == ("how high is tone 4? a) high b) low", "b) low")


def test_settings_are_those_of_the_stage_in_the_words_of_trl(exported: Path) -> None:
    lines = (line.split(": ", 1) for line in (exported / "grpo.yaml").read_text().splitlines()[1:])
    settings = {key: json.loads(value) for key, value in lines}
    expected = {
        "dataset_name": "data",
        "reward_funcs": ["rewards.parsed_reward", "rewards.format_reward"],
        "reward_weights": [0.8, 0.2],
        "num_generations": 6,
        "max_completion_length": 20,
        "beta": 0.01,
        "epsilon": 0.2,
        "epsilon_high": 0.28,
        "num_iterations": 2,
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "shuffle_dataset": False,
        "max_steps": 30,
        "ref_model_sync_steps": 50,
    }
    assert {key: settings[key] for key in expected} == expected


def test_the_reward_file_runs_in_a_process_of_its_own_without_torch(exported: Path) -> None:
    code = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["trl"] = None  # importing them fails
import rewards
row = json.loads(open("data/train.jsonl").readline())
texts = ["<answer>low</answer>", "b) low", "a) high", "<answer>a) high</answer>"]
messages = [[{"role": "assistant", "content": text}] for text in texts]
columns = {key: [value] * 4 for key, value in row.items()}
columns |= {"prompts": columns.pop("prompt"), "trainer_state": None}
print(json.dumps([[name.__name__ for name in rewards.REWARDS], rewards.WEIGHTS,
    [reward(completions=messages, **columns) for reward in rewards.REWARDS],
    rewards.parsed_reward(completions=texts, **columns)]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=exported, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names, weights, values, plain = json.loads(done.stdout)
    assert (names, weights) == (["parsed", "format"], [0.8, 0.2])
    assert values == [[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    assert plain == values[0]
    head = (exported / "rewards.py").read_text()
    assert "Needs: Python 3.11 or later and alm-bench " in head
    assert "no torch" in head


def test_a_function_groups_the_completions_of_equal_questions() -> None:
    grounded = make_reward_function("grounded")
    questions = ["is it up? a) up b) down", "is it low? a) low b) high"] * 2
    values = grounded(
        ["a) up", "a) low", "b) down", "a) low"], question_prompt=questions, solution=["a) up", "a) low"] * 2
    )
    assert values == [0.0, -1.0, 0.0, -1.0]
    with pytest.raises(UsageError, match="a completion is 3, expected a text or a list of messages"):
        grounded([3], question_prompt=questions[:1], solution=["a) up"])


def test_stages_that_have_no_equal_in_trl_are_refused(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no stage with the objective grpo"):
        export_stage(recipe(), tmp_path)
    with pytest.raises(UsageError, match="draws on changed clips"):
        export_stage(load_config("grounded"), tmp_path)
    with pytest.raises(UsageError, match="no row is about a clip that is a file"):
        export_stage(load_config("r1-aqa", {"data.0.rows": "60", "data.1.rows": "24"}), tmp_path)


@pytest.mark.parametrize("name", ["r1-aqa", "r1-aqa-think", "ke-omni", "sari", "step", "grounded"])
def test_presets_are_recipes_with_a_stage_of_reinforcement_learning(name: str) -> None:
    from alm_bench.train.objectives import check_objectives

    assert (CONFIGS / f"{name}.toml").is_file()
    config = load_config(name)
    check_objectives(config)
    settings = config.stage[-1].grpo
    assert settings is not None
    assert settings.group == 8
    for data in config.data:
        assert data.prompt in (None, settings.prompt), "supervised rows are asked as the draws are"
    assert bool(settings.grounded) == (name == "grounded")
    assert (config.stage[-1].order == "easy_to_hard") == (name == "sari")
    assert config.stage[-1].band == ((0.375, 0.75) if name == "step" else ())
