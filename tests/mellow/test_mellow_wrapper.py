"""The class of the public wrapper: existing scripts run unchanged, and get the texts of `alm-bench ask`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small_world import alm
from tokenizers import Tokenizer

from alm_bench.core.errors import AudioError, CheckpointError, UsageError
from alm_bench.mellow import MellowWrapper
from alm_bench.mellow.checkpoint import LoadedNetwork, load, save_folder
from alm_bench.mellow.model import Mellow

TOKENS = 10
SCRIPT = """
import torch
from mellow import MellowWrapper

cuda = torch.cuda.is_available()
device = 0 if cuda else "cpu"
mellow = MellowWrapper(config="v0", model="v0", device=device, use_cuda=cuda)
response = mellow.generate(examples=examples, max_len=10, top_p=0.8, temperature=1.0)
"""


@pytest.fixture(scope="module")
def checkpoint(tiny: Mellow, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "mine"
    save_folder(path, tiny, tokenizer)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Clips that the protocol treats in different ways: short, long, in stereo, at other sampling rates."""
    folder, noise = tmp_path_factory.mktemp("clips"), np.random.default_rng(1)
    paths = []
    for name, rate, seconds, channels in (("short", 16_000, 3, 1), ("long", 32_000, 14, 1), ("stereo", 44_100, 7, 2)):
        time = np.arange(seconds * rate)[:, None] / rate
        tones = 0.3 * np.sin(2 * np.pi * np.array([[400.0, 3000.0]])[:, :channels] * time * (1 + time / seconds))
        paths.append(str(folder / f"{name}.wav"))
        soundfile.write(paths[-1], tones + 0.02 * noise.standard_normal(tones.shape), rate)
    return paths


@pytest.fixture(scope="module")
def examples(clips: list[str]) -> list[list[str]]:
    short, long, stereo = clips
    return [
        [short, long, "What is the primary sound? a) Dog barking b) rain"],
        [long, stereo, "explain the difference between the two audios in detail."],
        [stereo, short, "caption the audio."],
    ]


@pytest.fixture(scope="module")
def wrapper(checkpoint: Path) -> MellowWrapper:
    return MellowWrapper(config="v0", model=str(checkpoint), device="cpu", use_cuda=False)


def ask(checkpoint: Path, clips: list[str], prompt: str, *more: str) -> str:
    files = [part for clip in clips for part in ("--audio", clip)]
    model = ("--model", "mellow", "--model-arg", f"checkpoint={checkpoint}", "--max-new-tokens", TOKENS)
    asked = alm("ask", prompt, *model, *more, *files, "--json")
    assert asked.status == 0, asked.err
    return str(asked.json["text"])


def test_its_texts_are_those_of_ask(checkpoint: Path, wrapper: MellowWrapper, examples: list[list[str]]) -> None:
    protocol = ("--model-arg", "protocol=wrapper")
    expected = [ask(checkpoint, clips, prompt, *protocol) for *clips, prompt in examples[:2]]
    assert len({*expected}) == 2
    assert wrapper.generate(examples, TOKENS, 0.8, 1.0)[:2] == expected
    assert ask(checkpoint, examples[0][:2], examples[0][2]) != expected[0], "the other protocol gives another text"
    (alone,) = wrapper.generate([[examples[0][0], None, "what is heard?"]], TOKENS, 0.8, 1.0)
    assert alone == ask(checkpoint, examples[0][:1], "what is heard?", *protocol)


def test_more_examples_than_a_batch_have_the_same_texts(
    wrapper: MellowWrapper, examples: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = wrapper.generate(examples, TOKENS, 0.8, 1.0)
    monkeypatch.setattr("alm_bench.mellow.wrapper.EXAMPLES_PER_BATCH", 2)
    assert wrapper.generate(examples, max_len=TOKENS, top_p=0.1, temperature=2.0) == expected
    assert wrapper.generate([], TOKENS, 0.8, 1.0) == []


def test_an_existing_script_runs_unchanged(
    checkpoint: Path, wrapper: MellowWrapper, examples: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    named: list[str] = []

    def load_tiny(name: str) -> LoadedNetwork:
        named.append(name)
        return load(str(checkpoint))

    monkeypatch.setattr("alm_bench.mellow.wrapper.load", load_tiny)
    names: dict[str, Any] = {"examples": examples}
    exec(compile(SCRIPT, "example.py", "exec"), names)
    assert named == ["v0"]
    assert names["response"] == wrapper.generate(examples, TOKENS, 0.8, 1.0)


def test_what_cannot_be_done_is_one_line(
    checkpoint: Path, wrapper: MellowWrapper, examples: list[list[str]], clips: list[str]
) -> None:
    for arguments, kind, message in (
        (("v1", "v0", "cpu"), UsageError, "config 'v1' is not supported, expected 'v0'"),
        (("v0", "mini", "cpu"), CheckpointError, "these weights have the compact layout"),
        (("v0", "nowhere", "cpu"), CheckpointError, "no checkpoint at nowhere"),
    ):
        with pytest.raises(kind, match=message):
            MellowWrapper(*arguments)
    for wrong, kind, message in (
        (["a.wav", "b.wav", "hm?"], AudioError, "clip a.wav: the file is missing"),
        (["a.wav", "hm?"], UsageError, "example 0 is .* expected .path of clip 1, path of clip 2, prompt"),
        ([None, "b.wav", "hm?"], UsageError, "expected a path of the first clip"),
    ):
        with pytest.raises(kind, match=message):
            wrapper.generate([wrong], TOKENS, 0.8, 1.0)
    with pytest.raises(UsageError, match=r"stop_token takes .* found '!'"):
        wrapper.generate(examples, TOKENS, 0.8, 1.0, stop_token="!")
    with pytest.raises(UsageError, match="max_new_tokens must be at least 1, found 0"):
        wrapper.generate(examples, 0, 0.8, 1.0)
    with pytest.raises(UsageError, match=r"short.wav has 16000 Hz, the network takes 32000 Hz"):
        wrapper.generate(examples[:1], TOKENS, 0.8, 1.0, audio_resample=False)
    own_rate = [[clips[1], clips[1], "caption the audio."]]
    assert wrapper.generate(own_rate, TOKENS, 0.8, 1.0, audio_resample=False) == wrapper.generate(
        own_rate, TOKENS, 0.8, 1.0
    )
