"""Export of a stage of reinforcement learning for other trainers: rows, reward functions and settings for TRL."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from alm_bench.core import UsageError
from alm_bench.core.files import write_atomically
from alm_bench.train.batches import Corpus
from alm_bench.train.config import StageConfig, TrainConfig
from alm_bench.train.grpo_config import GrpoConfig
from alm_bench.train.measured_rows import read_corpus
from alm_bench.train.mixture import select_groups
from alm_bench.train.objectives.grpo import format_prompt
from alm_bench.train.pass_rates import get_pass_rates
from alm_bench.train.rewards import build_question
from alm_bench.train.sources import Row

ROWS, REWARDS, SETTINGS, README = "data/train.jsonl", "rewards.py", "grpo.yaml", "README.md"
"""Files of an export, relative to its folder."""

LOSSES: Mapping[str, str] = {"r1-aqa": "grpo", "grpo": "grpo", "dr-grpo": "dr_grpo", "dapo": "dapo"}
"""TRL's name of each loss."""


@dataclass(frozen=True, slots=True)
class StageExport:
    """Folder and numbers of rows of an export for another trainer."""

    folder: Path
    """Folder of the files."""

    rows: int
    """Number of rows that were written."""

    left_out_rows: int
    """Number of rows that the stage does not use, or whose clips are no files."""


def export_stage(config: TrainConfig, folder: Path) -> StageExport:
    """Write the rows, reward functions and settings of a recipe's last stage with the objective `grpo`, for TRL. Raises
    UsageError if it has none, and StoreError."""
    stage = _find_grpo_stage(config)
    settings = stage.grpo or GrpoConfig()
    if settings.grounded is not None:
        raise UsageError(
            f"stage {stage.name} draws on changed clips (grpo.grounded), which TRL has no place for: leave it out with "
            "a recipe of its own, or train with alm-bench"
        )
    corpus = read_corpus(config)
    rows = select_rows(corpus, stage)
    usable = [row for row in rows if all(clip.read is None and clip.path.is_file() for clip in row.clips)]
    if not usable:
        raise UsageError(f"{config.name}: no row is about a clip that is a file; demo clips exist as scenes alone")
    lines = [json.dumps(format_row(row, settings), ensure_ascii=False) for row in usable]
    write_atomically(folder / ROWS, "".join(line + "\n" for line in lines))
    write_atomically(folder / REWARDS, format_reward_module(settings))
    write_atomically(folder / SETTINGS, format_settings(config, stage, settings))
    write_atomically(folder / README, format_readme(config, stage))
    return StageExport(folder, len(usable), sum(corpus.sizes) - len(usable))


def _find_grpo_stage(config: TrainConfig) -> StageConfig:
    stages = [stage for stage in config.stage if stage.objective == "grpo"]
    if not stages:
        raise UsageError(f"{config.name} has no stage with the objective grpo")
    return stages[-1]


def select_rows(corpus: Corpus, stage: StageConfig) -> list[Row]:
    """Return the rows that a stage uses, each once: in the stage's order if it is from easy to hard, else in the order
    of the data."""
    numbers = np.sort(np.concatenate([group.rows for group in select_groups(corpus, stage)]))
    if stage.order == "easy_to_hard":
        numbers = numbers[np.argsort(-get_pass_rates(corpus)[numbers], kind="stable")]
    located = [corpus.locate_row(int(number)) for number in numbers]
    return [source.rows[index] for source, index in located]


def format_row(row: Row, settings: GrpoConfig) -> dict[str, Any]:
    """Return a row in TRL's conversational format, with the columns that the rewards need."""
    question = build_question(row.prompt, row.answer)
    text = format_prompt(settings.prompt, row.prompt, question)
    clips = [str(clip.path.resolve()) for clip in row.clips]
    content = [*({"type": "audio", "audio": clip} for clip in clips), {"type": "text", "text": text}]
    return {
        "prompt": [{"role": "user", "content": content}],
        "audios": clips,
        "question_prompt": row.prompt,
        "solution": row.answer,
        "choices": list(question.choices),
        "part": row.subtype,
        "pass_rate": row.pass_rate,
    }


def format_reward_module(settings: GrpoConfig) -> str:
    """Return the source text of a Python module of reward functions, one per reward with a weight other than 0."""
    weights = {name: weight for name, weight in settings.rewards.items() if weight}
    lines = [
        '"""Reward functions for TRL and trainers that call functions of the same form, written by alm-bench.',
        "",
        f"Needs: Python 3.11 or later and alm-bench {version('alm-bench')} (`pip install alm-bench`); no torch.",
        "",
        "A function takes `completions` (texts or messages) and the columns `question_prompt` and `solution` of",
        f"{ROWS}, and returns one reward per completion. It accepts and ignores all other keyword arguments.",
        '"""',
        "",
        "from alm_bench.train.trl_rewards import make_reward_function",
        "",
    ]
    for name in weights:
        options = dict(settings.reward_options.get(name, {}))
        arguments = f"{name!r}, {options!r}" if options else repr(name)
        lines.append(f"{_build_function_name(name)} = make_reward_function({arguments})")
    functions = ", ".join(map(_build_function_name, weights))
    lines += ["", f"REWARDS = [{functions}]", f"WEIGHTS = {list(weights.values())!r}", ""]
    return "\n".join(lines)


def _build_function_name(name: str) -> str:
    return name.replace("-", "_") + "_reward"


def build_settings(config: TrainConfig, stage: StageConfig, settings: GrpoConfig) -> dict[str, Any]:
    """Return the settings of TRL's `GRPOConfig` and `trl grpo` that correspond to a stage."""
    weights = {name: weight for name, weight in settings.rewards.items() if weight}
    length = {"max_steps": stage.steps} if stage.steps is not None else {"num_train_epochs": stage.epochs or 1}
    reference = {"sync_ref_model": True, "ref_model_sync_steps": settings.reference_every, "ref_model_mixup_alpha": 1.0}
    return {
        "dataset_name": str(Path(ROWS).parent),
        "reward_funcs": [f"rewards.{_build_function_name(name)}" for name in weights],
        "reward_weights": list(weights.values()),
        "output_dir": f"{config.name}-trl",
        "num_generations": settings.group,
        "per_device_train_batch_size": settings.group,
        "gradient_accumulation_steps": stage.batch,
        "max_completion_length": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "beta": settings.beta,
        "epsilon": settings.clip_low,
        "epsilon_high": settings.clip_high,
        "num_iterations": settings.updates,
        "loss_type": LOSSES[settings.loss],
        "scale_rewards": "none" if settings.loss == "dr-grpo" else "group",
        "learning_rate": stage.lr,
        "warmup_ratio": stage.warmup,
        "lr_scheduler_type": "constant_with_warmup" if stage.schedule == "constant" else "cosine",
        "max_grad_norm": stage.clip or 1.0,
        "weight_decay": stage.weight_decay,
        "shuffle_dataset": stage.order != "easy_to_hard",
        "remove_unused_columns": False,
        "seed": config.seed,
        **(reference if settings.reference_every else {}),
        **length,
    }


def format_settings(config: TrainConfig, stage: StageConfig, settings: GrpoConfig) -> str:
    """Return the settings as a YAML file; JSON values are valid YAML."""
    values = build_settings(config, stage, settings)
    head = f"# Settings of the stage {stage.name} of {config.name} for `trl grpo --config {SETTINGS}`.\n"
    return head + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def format_readme(config: TrainConfig, stage: StageConfig) -> str:
    """Return the README of an export."""
    return (
        f"# {config.name}: {stage.name}, for TRL\n\n"
        f"- `{ROWS}`: one question per line: `prompt` (messages with the clips' paths), `audios`, `question_prompt`, "
        "`solution`, `choices`, `part`, `pass_rate`\n"
        f"- `{REWARDS}`: reward functions and their weights; needs alm-bench and no torch\n"
        f"- `{SETTINGS}`: `trl grpo --model_name_or_path MODEL --config {SETTINGS}`, called in this folder\n\n"
        "TRL gives clips to a model only if its processor takes audio in messages. Trainers that take lists of paths "
        "use the column `audios`.\n"
    )
