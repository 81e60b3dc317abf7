"""A tiny network, a ReasonAQA file with clips, and configs for both."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState
from tokenizers import Tokenizer

from alm_bench.core.files import write_atomically
from alm_bench.demo import TARGET_COLUMNS
from alm_bench.mellow.checkpoint import CONFIG, MINI, TOKENIZER
from alm_bench.mellow.config import EncoderConfig, LanguageModelConfig, MapperConfig, MellowConfig, PromptConfig
from alm_bench.train.config import TrainConfig, load_config

STAGES = """
[[stage]]
name = "answer"
objective = "answers"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 3e-3
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _new_accelerator() -> None:
    """A process has one state of accelerate, with one precision; recipes of other precisions start anew."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(autouse=True, scope="module")
def _accelerator_of_a_module() -> None:
    _new_accelerator()


@pytest.fixture(autouse=True)
def _accelerator_of_a_test() -> None:
    _new_accelerator()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny network's shape."""
    tokenizer = Tokenizer.from_file(str(MINI / TOKENIZER))
    config = MellowConfig(
        encoder=EncoderConfig(
            hop=5000, n_fft=2048, image=64, embed=8, depths=(1, 1), heads=(1, 2), classes=len(TARGET_COLUMNS)
        ),
        mapper=MapperConfig(pool=8, dropout=0.1),
        lm=LanguageModelConfig(
            vocabulary=tokenizer.get_vocab_size(), width=32, layers=2, heads=2, kv_heads=1, mlp=48, positions=256
        ),
        prompt=PromptConfig(layout="compact", tokens=64, pad=tokenizer.token_to_id("!")),
    )
    folder = tmp_path_factory.mktemp("network")
    write_atomically(folder / CONFIG, config.to_json())
    write_atomically(folder / TOKENIZER, tokenizer.to_str())
    return folder


@pytest.fixture(scope="session")
def reasonaqa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rows on four tones, two of them about two clips."""
    folder = tmp_path_factory.mktemp("reasonaqa")
    clips = folder / "AudioCapsLarger/train"
    clips.mkdir(parents=True)
    for number in range(4):
        time = np.arange(16_000) / 32_000
        soundfile.write(clips / f"Y{number}.wav", 0.3 * np.sin(2 * np.pi * 300 * (number + 1) * time), 32_000)
    rows = [
        {
            "taskname": "audiocaps",
            "filepath1": f"AudioCapsLarger/train/Y{number % 4}.wav",
            "filepath2": f"AudioCapsLarger/train/Y{(number + 1) % 4}.wav" if number < 2 else "",
            "caption1": "a tone",
            "caption2": "",
            "input": "explain the difference in few words" if number < 2 else f"how high is tone {number}?",
            "answer": f"tone number {number % 4}",
            "subtype": "ACD-1.json" if number < 2 else "AudioCaps_MCQ.json",
        }
        for number in range(12)
    ]
    (folder / "train.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture
def recipe(tmp_path: Path, network: Path, reasonaqa: Path) -> Callable[..., TrainConfig]:
    def make(steps: int = 6, stages: str = STAGES, data: str | None = None, **changes: str) -> TrainConfig:
        source = data or f'[[data]]\nfile = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
        precision = changes.pop("precision", "no")
        text = f'precision = "{precision}"\nlog_every = 1\nsave_every = 2\nout = "{tmp_path}/out"\n'
        text += f'[model]\nnetwork = "{network}"\n{source}' + stages.format(steps=steps)
        file = tmp_path / "recipe.toml"
        file.write_text(text)
        return load_config(str(file), {key.replace("__", "."): value for key, value in changes.items()})

    return make
