"""From questions about decoded clips to texts: what the adapter and other callers of a loaded network use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alm_bench.core.errors import UsageError
from alm_bench.core.types import Decoding, Wave
from alm_bench.mellow.checkpoint import Loaded
from alm_bench.mellow.generate import generate
from alm_bench.mellow.likelihood import Likelihood, log_likelihoods
from alm_bench.mellow.prompt import Protocol

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Question:
    """`id` seeds sampling. Clips have exactly the encoder's number of samples."""

    id: str
    prompt: str
    first: Wave
    second: Wave | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` as written, up to the stop token; `tokens` counts it without that; `truncated` by the token limit."""

    text: str
    tokens: int
    truncated: bool


class Answerer:
    """A loaded network on a device under one protocol."""

    def __init__(self, loaded: Loaded, protocol: Protocol, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.tokenizer, self.protocol, self.device = loaded.model, loaded.tokenizer, protocol, device
        self.model.cast(dtype)
        self.model.to(device)

    @torch.inference_mode()
    def hear(self, waves: Sequence[Wave]) -> Tensor:
        """(len(waves), A, D). A clip that occurs several times is encoded once."""
        # Compared by content: the same clip under another crop or with noise on it is another clip.
        places: dict[bytes, int] = {}
        rows = [places.setdefault(wave.tobytes(), len(places)) for wave in waves]
        distinct = np.stack([np.frombuffer(content, dtype=np.float32) for content in places])
        heard = self.model.hear(torch.from_numpy(distinct).to(self.device))
        return heard[rows]

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question], decoding: Decoding) -> list[Answer]:
        """One answer a question, in order."""
        if not questions:
            return []
        written = generate(self.model, self._sequences(questions), [question.id for question in questions], decoding)
        return [
            Answer(self.tokenizer.decode(row.tokens, skip_special_tokens=False), len(row.tokens), row.truncated)
            for row in written
        ]

    def likelihoods(self, questions: Sequence[Question], answers: Sequence[Sequence[str]]) -> list[list[Likelihood]]:
        """Of each of the `answers` that are given for a question, in order."""
        if not questions:
            return []
        ids = [[self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts] for texts in answers]
        sequences = self._sequences(questions)
        return [log_likelihoods(self.model, row, texts) for row, texts in zip(sequences, ids, strict=True)]

    @torch.inference_mode()
    def _sequences(self, questions: Sequence[Question]) -> list[Tensor]:
        """What the answer to each question follows."""
        layout = self.model.config.prompt
        prompts = [self.protocol.prompt_ids(question.prompt, self.tokenizer, layout) for question in questions]
        seconds = [question.second for question in questions]
        heard = self.hear([question.first for question in questions] + [wave for wave in seconds if wave is not None])
        rest = iter(heard[len(questions) :])
        second = [None if wave is None else next(rest) for wave in seconds]
        return self.model.sequences(heard[: len(questions)], second, prompts)


def pick_device(name: str) -> torch.device:
    """`auto` takes the GPU where there is one."""
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    if name not in ("cpu", "cuda"):
        raise UsageError(f"device takes auto, cpu or cuda, found {name!r}")
    if name == "cuda" and not available:
        raise UsageError("device cuda was asked for, but torch sees no GPU; use cpu or auto")
    return torch.device(name)


def pick_dtype(name: str | None) -> torch.dtype:
    if name is not None and name not in DTYPES:
        raise UsageError(f"mellow computes in {', '.join(DTYPES)}, found dtype {name!r}")
    return DTYPES[name or "float32"]
