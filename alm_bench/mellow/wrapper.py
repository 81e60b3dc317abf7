"""Drop-in replacement for the inference wrapper of github.com/soham97/mellow: the same interface, with the inference
of this package."""

import os
from collections.abc import Sequence
from pathlib import Path

from alm_bench.audio.decode import open_sound
from alm_bench.audio.loading import load as load_audio
from alm_bench.core.device import pick_device, pick_dtype
from alm_bench.core.errors import UsageError
from alm_bench.core.types import AudioRef, Decoding, Wave
from alm_bench.mellow.checkpoint import load
from alm_bench.mellow.inference import Answerer, Question
from alm_bench.mellow.prompt import select_clip_pair, select_protocol

CONFIGS = ("v0",)
"""Values of `config` that the public wrapper has."""

STOP_TOKEN = "<|endoftext|>"
"""Text of the token that ends an answer."""

EXAMPLES_PER_BATCH = 32
"""Number of examples that are answered in one batch. Answers do not depend on it."""


class MellowWrapper:
    """Mellow with the constructor and the method of the public wrapper, for existing scripts.

    Questions and clips are prepared by the protocol `wrapper`, so that the answers are the same as from `alm-bench ask
    --model mellow --model-arg protocol=wrapper`. The random crop of a long clip is determined by the name of its file;
    in the public wrapper it differs from call to call.
    """

    def __init__(self, config: str, model: str, device: int | str, use_cuda: bool = True) -> None:
        """Load a network.

        `config`: `v0`. `model`: `v0` or `v0_s` (published), or anything else that the option `checkpoint` of the model
        `mellow` takes, if its layout is that of the published weights. `device`: number or name of a GPU. Without
        `use_cuda`, or if torch sees no GPU, the network runs on the CPU. Raises UsageError and CheckpointError.
        """
        if config not in CONFIGS:
            raise UsageError(f"config {config!r} is not supported, expected {' or '.join(map(repr, CONFIGS))}")
        loaded = load(model)
        settings = loaded.model.config
        protocol = select_protocol(settings.prompt.layout, "wrapper", settings.lm.kind)
        self._audio, self._layout = protocol.build_policy(settings.encoder), settings.prompt.layout
        has_gpu = pick_device("auto").type == "cuda"
        where = pick_device(_format_device(device) if use_cuda and has_gpu else "cpu")
        self._answerer = Answerer(loaded, protocol, where, pick_dtype(None, "mellow"))

    def generate(
        self,
        examples: Sequence[Sequence[str | os.PathLike[str] | None]],
        max_len: int,
        top_p: float,
        temperature: float,
        stop_token: str = STOP_TOKEN,
        audio_resample: bool = True,
    ) -> list[str]:
        """Return one text per example, in order.

        `examples`: lists of the first clip's path, the second clip's path and the prompt. Without a second clip (None
        or an empty path), the first one is used twice. `max_len`: largest number of tokens of an answer. `top_p` and
        `temperature` change nothing, as in the public wrapper: it removes the tokens outside the nucleus and then
        takes the most likely one, which is always inside. `audio_resample=False` refuses clips at another sampling
        rate than the network's instead of resampling them.

        Raises UsageError for arguments that are not supported, AudioError for a clip that cannot be used, and
        AdapterError if the network's numbers are not finite.
        """
        if stop_token != STOP_TOKEN:
            raise UsageError(
                f"stop_token takes {STOP_TOKEN!r}, with which the network was trained, found {stop_token!r}"
            )
        rows = [_check_example(number, example) for number, example in enumerate(examples)]
        decoding = Decoding(max_new_tokens=max_len)
        decoding.check()
        texts: list[str] = []
        for start in range(0, len(rows), EXAMPLES_PER_BATCH):
            questions = []
            for number, (paths, prompt) in enumerate(rows[start : start + EXAMPLES_PER_BATCH]):
                waves = tuple(self._load_clip(path, audio_resample) for path in paths)
                questions.append(Question(str(number), prompt, *select_clip_pair(waves, self._layout)))
            texts += [answer.text for answer in self._answerer.answer(questions, decoding)]
        return texts

    def _load_clip(self, path: Path, resample: bool) -> Wave:
        """Load a clip by the protocol's audio policy."""
        ref = AudioRef(path.name, path)
        if not resample:
            with open_sound(ref) as sound:
                if sound.rate != self._audio.rate:
                    raise UsageError(
                        f"{path} has {sound.rate} Hz, the network takes {self._audio.rate} Hz: leave "
                        "audio_resample=False out"
                    )
        return load_audio(ref, self._audio).wave


def _format_device(device: int | str) -> str:
    """Return the name of the device for `pick_device`: `cuda:N` for the number N of a GPU, any other text unchanged."""
    return f"cuda:{device}" if str(device).isdecimal() else str(device)


def _check_example(number: int, example: Sequence[str | os.PathLike[str] | None]) -> tuple[list[Path], str]:
    """Return the paths of an example's clips, one or two, and its prompt. Raises UsageError."""
    if isinstance(example, str) or len(example) != 3:
        raise UsageError(f"example {number} is {example!r:.60}, expected [path of clip 1, path of clip 2, prompt]")
    first, second, prompt = example
    if not first or not isinstance(prompt, str):
        raise UsageError(f"example {number} is {example!r:.60}, expected a path of the first clip and a text as prompt")
    return [Path(path) for path in (first, second) if path], prompt
