"""Inference with a loaded network: from questions about decoded clips to texts."""

import copy
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor

from alm_bench.audio import content
from alm_bench.core.adapter import CACHE_MB
from alm_bench.core.types import Decoding, Wave
from alm_bench.mellow.checkpoint import LoadedNetwork
from alm_bench.mellow.config import EncoderConfig, MellowConfig
from alm_bench.mellow.decoder import KVCache
from alm_bench.mellow.generate import Context, Engine, GeneratedTokens, Likelihood
from alm_bench.mellow.packed_linear import pack_layers
from alm_bench.mellow.prompt import Protocol

T = TypeVar("T")
V = TypeVar("V", Tensor, KVCache)


@dataclass(frozen=True, slots=True)
class Clip:
    """Log-mel of a decoded clip."""

    key: str
    """Identifies the clip's content: another crop of the same clip, or noise added to it, gives another key."""

    logmel: Tensor
    """Shape (frames, mels)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question on one or two clips, which have exactly the encoder's number of samples."""

    id: str
    """Id of the item; seeds sampling."""

    prompt: str
    """Text of the question."""

    first: Wave | Clip
    """First clip, as samples or as its log-mel."""

    second: Wave | Clip | None
    """Second clip, None if the question has one clip."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    text: str
    """Decoded text up to the stop token."""

    tokens: int
    """Number of its tokens, without the stop token."""

    truncated: bool
    """True if the token limit ended the answer."""


class Answerer:
    """A loaded network on a device under one protocol.

    What the encoder heard in a clip and what the language model made of a question's clips, which come before its
    prompt, is kept for other questions about them: at most `cache_mb` MB of it, the latest used; none with 0, where
    every question computes its own.
    """

    def __init__(
        self,
        loaded: LoadedNetwork,
        protocol: Protocol,
        device: torch.device,
        dtype: torch.dtype,
        cache_mb: int = CACHE_MB,
        compiled: bool = False,
    ) -> None:
        self.model, self.tokenizer, self.protocol, self.device = loaded.model, loaded.tokenizer, protocol, device
        self.model.cast(dtype)
        self.model.to(device)
        pack_layers(self.model.encoder)
        pack_layers(self.model.mapper)
        self.engine = Engine(self.model, compiled)
        self._at_once = clips_at_once(self.model.config, device.type)
        self._threads = torch.get_num_threads()
        self._logmel = copy.deepcopy(self.model.encoder.logmel).cpu()
        self.forget(cache_mb)

    def forget(self, cache_mb: int) -> None:
        """Begin anew with nothing kept, and so much room for what will be."""
        self._share = cache_mb > 0
        self._kept: LRUCache[Hashable, Tensor | KVCache] = LRUCache(cache_mb * 1_000_000, lambda value: value.nbytes)

    def listen(self, wave: Wave) -> Clip:
        """Preprocess a clip, on any thread, in parallel to the network."""
        with one_thread(self._threads), torch.inference_mode():
            logmel = self._logmel(torch.from_numpy(np.array(wave))[None])[0]
        return Clip(content([logmel.numpy()]), logmel)

    def answer(self, questions: Sequence[Question], decoding: Decoding) -> list[Answer]:
        """Return one answer per question, in order."""
        return [
            Answer(self.tokenizer.decode(row.tokens, skip_special_tokens=False), len(row.tokens), row.truncated)
            for row in self.generate_tokens(questions, decoding)
        ]

    def generate_tokens(self, questions: Sequence[Question], decoding: Decoding) -> list[GeneratedTokens]:
        """Return the tokens of one answer per question, in order."""
        if not questions:
            return []
        return self.engine.generate(self._contexts(questions), [question.id for question in questions], decoding)

    def likelihoods(self, questions: Sequence[Question], answers: Sequence[Sequence[str]]) -> list[list[Likelihood]]:
        """Compute the log-likelihood of each of the `answers` to a question, in order."""
        if not questions:
            return []
        ids = [[self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts] for texts in answers]
        return self.engine.log_likelihoods(self._contexts(questions), ids)

    @torch.inference_mode()
    def _contexts(self, questions: Sequence[Question]) -> list[Context]:
        """Build the context that precedes the answer to each question."""
        pairs = []
        for number, question in enumerate(questions):
            pair = [self._clip(clip) for clip in (question.first, question.second) if clip is not None]
            if not self._share:  # under a key of its own nothing is ever found
                pair = [replace(clip, key=f"{clip.key} {number} {place}") for place, clip in enumerate(pair)]
            pairs.append(pair)
        layout, tokenizer = self.model.config.prompt, self.tokenizer
        ids = [self.protocol.prompt_ids(question.prompt, tokenizer, layout) for question in questions]
        prompts = [self.engine.embed([layout.separator, *prompt]) for prompt in ids]
        if not self._share:  # clips and prompt in one pass
            return [
                Context(None, torch.cat([audio, prompt]))
                for audio, prompt in zip(self._embed_clips(pairs), prompts, strict=True)
            ]
        keys = [tuple(clip.key for clip in pair) for pair in pairs]
        prefixes = self._get_or_make(dict(zip(keys, pairs, strict=True)), self._prefixes)
        return [Context(prefixes[key], prompt) for key, prompt in zip(keys, prompts, strict=True)]

    def _clip(self, clip: Wave | Clip) -> Clip:
        return clip if isinstance(clip, Clip) else self.listen(clip)

    def _prefixes(self, pairs: Sequence[Sequence[Clip]]) -> list[KVCache]:
        return self.engine.prefixes(self._embed_clips(pairs))

    def _embed_clips(self, pairs: Sequence[Sequence[Clip]]) -> list[Tensor]:
        """The audio tokens of each pair, (A, D)."""
        heard = self._get_or_make({clip.key: clip for pair in pairs for clip in pair}, self._hear)
        return [self.model.audio(*(heard[clip.key] for clip in pair)) for pair in pairs]

    def _hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        """(A, D) each."""
        rows: list[Tensor] = []
        for start in range(0, len(clips), self._at_once):
            logmel = torch.stack([clip.logmel for clip in clips[start : start + self._at_once]])
            if self.device.type == "cuda":
                logmel = logmel.pin_memory().to(self.device, non_blocking=True)
            encoder = self.model.encoder
            heard = self.model.mapper(encoder.to_probabilities(encoder.encode(logmel)), encoder.repeats)
            rows += [row.clone() for row in heard]  # a view that is kept would keep all of them
        return rows

    def _get_or_make(self, wanted: Mapping[Hashable, T], make: Callable[[list[T]], list[V]]) -> dict[Hashable, V]:
        """Return values by key: cached ones, and those that `make` computes for the other keys, which are cached from
        now on."""
        kept: Any = self._kept  # of both kinds, each under keys of its own
        had: dict[Hashable, V] = {key: kept[key] for key in wanted if key in kept}
        missing = [key for key in wanted if key not in had]
        for key, value in zip(missing, make([wanted[key] for key in missing]) if missing else (), strict=True):
            had[key] = value
            if self._share and value.nbytes <= kept.maxsize:
                kept[key] = value
        return had


@contextmanager
def one_thread(otherwise: int) -> Iterator[None]:
    """Let torch use one thread for what this one asks of it: the others are the network's, and how many there are does
    not change how a sum is rounded. `otherwise` is how many it uses before and after: what torch says of that while
    another thread is in here is 1."""
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(otherwise)


def clips_at_once(config: MellowConfig, device: str) -> int:
    """Clips that are encoded together: on CPUs so few that what passes between layers stays in the cache."""
    if device != "cpu":
        return 64
    largest = EncoderConfig()
    encoder = config.encoder
    if not isinstance(encoder, EncoderConfig):
        return 2
    return max(1, 2 * largest.image**2 * largest.embed // (encoder.image**2 * encoder.embed))


def exact() -> None:
    """Let torch use deterministic algorithms only, from now on and in all of this process.

    cuBLAS reads its setting when it is first used.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
