"""Inference with a loaded network: from questions about decoded clips to answers as text."""

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

from alm_bench.audio import hash_waves
from alm_bench.core.adapter import CACHE_MB
from alm_bench.core.types import Decoding, EventPresence, Wave
from alm_bench.mellow.checkpoint import LoadedNetwork
from alm_bench.mellow.config import EncoderConfig, MellowConfig
from alm_bench.mellow.decoder import KVCache
from alm_bench.mellow.events import compute_event_presence
from alm_bench.mellow.generate import Context, Engine, GeneratedTokens, Likelihood
from alm_bench.mellow.packed_linear import pack_layers
from alm_bench.mellow.prompt import Protocol

T = TypeVar("T")
V = TypeVar("V", Tensor, KVCache)


@dataclass(frozen=True, slots=True)
class LogMelClip:
    """Log-mel spectrogram of a decoded clip."""

    key: str
    """Hash of the log-mel. Another crop of the same clip, or added noise, gives another key."""

    logmel: Tensor
    """Spectrogram, shape (frames, mels)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one or two clips. Waves have exactly as many samples as the encoder expects."""

    id: str
    """Id of the item, which seeds sampling."""

    prompt: str
    """Text of the question."""

    first: Wave | LogMelClip
    """First clip, as samples or as a log-mel."""

    second: Wave | LogMelClip | None
    """Second clip, None if the question is about one clip."""

    prefix: str = ""
    """Beginning of the answer, which generation continues."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A generated answer."""

    text: str
    """Decoded text before the stop token."""

    tokens: int
    """Number of generated tokens, without the stop token."""

    truncated: bool
    """True if generation ended at the token limit."""


class Answerer:
    """A loaded network on a device, with a prompt protocol, that answers questions.

    Two results are cached for later questions about the same clips: the encoder's output for a clip, and the language
    model's keys and values for a question's clips, which precede the prompt. The cache holds at most `cache_mb` MB and
    drops the least recently used entries. With 0, every question is computed separately.
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
        self.events = loaded.events
        self.model.cast(dtype)
        self.model.to(device)
        pack_layers(self.model.encoder)
        pack_layers(self.model.mapper)
        self.engine = Engine(self.model, compiled)
        self._clips_per_batch = get_encoder_batch_size(self.model.config, device.type)
        self._threads = torch.get_num_threads()
        self._logmel = copy.deepcopy(self.model.encoder.logmel).cpu()
        self.reset_cache(cache_mb)

    def reset_cache(self, cache_mb: int) -> None:
        """Empty the cache and set its size in MB."""
        self._use_cache = cache_mb > 0
        self._kept: LRUCache[Hashable, Tensor | KVCache] = LRUCache(cache_mb * 1_000_000, lambda value: value.nbytes)

    def encode_clip(self, wave: Wave) -> LogMelClip:
        """Compute the log-mel of a clip. Can be called from any thread, in parallel to the network."""
        with use_one_thread(self._threads), torch.inference_mode():
            logmel = self._logmel(torch.from_numpy(np.array(wave))[None])[0]
        return LogMelClip(hash_waves([logmel.numpy()]), logmel)

    @torch.inference_mode()
    def compute_event_presences(self, waves: Sequence[Wave]) -> list[EventPresence]:
        """Return the class probabilities of each clip over time. Waves have as many samples as the encoder expects."""
        return [
            compute_event_presence(self.model.encoder, self.encode_clip(wave).logmel.to(self.device), self.events)
            for wave in waves
        ]

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
        return self.engine.generate(self._build_contexts(questions), [question.id for question in questions], decoding)

    def compute_likelihoods(
        self, questions: Sequence[Question], answers: Sequence[Sequence[str]]
    ) -> list[list[Likelihood]]:
        """Compute the log-likelihoods of given answers. `answers[i]` lists the texts for `questions[i]`; the result has
        the same order."""
        if not questions:
            return []
        ids = [[self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts] for texts in answers]
        return self.engine.compute_answer_likelihoods(self._build_contexts(questions), ids)

    @torch.inference_mode()
    def _build_contexts(self, questions: Sequence[Question]) -> list[Context]:
        """Build the context that precedes the answer to each question."""
        pairs = []
        for number, question in enumerate(questions):
            pair = [self._ensure_clip(clip) for clip in (question.first, question.second) if clip is not None]
            if not self._use_cache:  # unique keys, so that questions share nothing
                pair = [replace(clip, key=f"{clip.key} {number} {place}") for place, clip in enumerate(pair)]
            pairs.append(pair)
        layout, tokenizer = self.model.config.prompt, self.tokenizer
        ids = [
            # The beginning of an answer follows the prompt and its padding, as every answer does.
            [
                *self.protocol.encode_prompt(question.prompt, tokenizer, layout),
                *tokenizer.encode(question.prefix, add_special_tokens=False).ids,
            ]
            for question in questions
        ]
        prompts = [self.engine.embed([layout.separator, *prompt]) for prompt in ids]
        if not self._use_cache:  # clips and prompt in one pass
            return [
                Context(None, torch.cat([audio, prompt]))
                for audio, prompt in zip(self._embed_clips(pairs), prompts, strict=True)
            ]
        keys = [tuple(clip.key for clip in pair) for pair in pairs]
        prefixes = self._get_or_compute(dict(zip(keys, pairs, strict=True)), self._compute_prefixes)
        return [Context(prefixes[key], prompt) for key, prompt in zip(keys, prompts, strict=True)]

    def _ensure_clip(self, clip: Wave | LogMelClip) -> LogMelClip:
        """Return the log-mel of a clip, computed if it is given as samples."""
        return clip if isinstance(clip, LogMelClip) else self.encode_clip(clip)

    def _compute_prefixes(self, pairs: Sequence[Sequence[LogMelClip]]) -> list[KVCache]:
        """Compute the language model's keys and values for the one or two clips of each question, one cache each."""
        return self.engine.compute_prefixes(self._embed_clips(pairs))

    def _embed_clips(self, pairs: Sequence[Sequence[LogMelClip]]) -> list[Tensor]:
        """Return the embedded clips of each question, (n, D): the tokens of both clips with a separator between
        them."""
        audio_tokens = self._get_or_compute({clip.key: clip for pair in pairs for clip in pair}, self._encode_clips)
        return [self.model.join_clips(*(audio_tokens[clip.key] for clip in pair)) for pair in pairs]

    def _encode_clips(self, clips: Sequence[LogMelClip]) -> list[Tensor]:
        """Encode clips as tokens of the language model, (A, D) per clip."""
        rows: list[Tensor] = []
        for start in range(0, len(clips), self._clips_per_batch):
            logmel = torch.stack([clip.logmel for clip in clips[start : start + self._clips_per_batch]])
            if self.device.type == "cuda":
                logmel = logmel.pin_memory().to(self.device, non_blocking=True)
            encoder = self.model.encoder
            audio_tokens = self.model.mapper(encoder.compute_probabilities(encoder.encode(logmel)), encoder.repeats)
            rows += [row.clone() for row in audio_tokens]  # a cached view would keep the whole batch in memory
        return rows

    def _get_or_compute(self, inputs: Mapping[Hashable, T], compute: Callable[[list[T]], list[V]]) -> dict[Hashable, V]:
        """Return values by key, from the cache where possible. Other values are computed by `compute` and then cached.
        `inputs`: inputs of `compute` by key."""
        cache: Any = self._kept  # holds values of both kinds; their keys differ
        results: dict[Hashable, V] = {key: cache[key] for key in inputs if key in cache}
        missing = [key for key in inputs if key not in results]
        for key, value in zip(missing, compute([inputs[key] for key in missing]) if missing else (), strict=True):
            results[key] = value
            if self._use_cache and value.nbytes <= cache.maxsize:
                cache[key] = value
        return results


@contextmanager
def use_one_thread(threads_after: int) -> Iterator[None]:
    """Context manager in which torch uses one thread for operations that the calling thread starts.

    The other threads remain available to the network. The operations must be such that their rounding does not depend
    on the number of threads. `threads_after` is the number of threads that is restored. It is an argument because torch
    reports 1 while another thread is inside this context.
    """
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads_after)


def get_encoder_batch_size(config: MellowConfig, device: str) -> int:
    """Return the number of clips that are encoded in one batch. On CPUs it is small, so that the activations fit in the
    processor's cache."""
    if device != "cpu":
        return 64
    largest = EncoderConfig()
    encoder = config.encoder
    if not isinstance(encoder, EncoderConfig):
        return 2
    return max(1, 2 * largest.image**2 * largest.embed // (encoder.image**2 * encoder.embed))


def use_deterministic_algorithms() -> None:
    """Restrict torch to deterministic algorithms, from now on and in the whole process.

    It also sets an environment variable that cuBLAS reads at its first use. Call it before that.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
