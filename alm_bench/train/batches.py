"""From row numbers to batches: text to ids, clips to log-mels or to a frozen encoder's outputs."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from alm_bench.core import AudioRef
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.encoder import Encoded
from alm_bench.mellow.logmel import LogMel
from alm_bench.mellow.prompt import Protocol
from alm_bench.train.config import StageConfig
from alm_bench.train.features import LogMels, logmel_of
from alm_bench.train.objective import Batch
from alm_bench.train.sources import ClipKey, Source, clip_key

ANSWER_TOKENS = 250
"""Longest answer in tokens, as published."""


@dataclass(slots=True)
class Corpus:
    """All rows of all sources, and every clip once.

    `cues` (clips, steps, classes), or (clips, classes) where only the whole clip's are known, where sources have them.
    """

    sources: Sequence[Source]
    clips: Sequence[AudioRef]
    logmels: LogMels
    cues: torch.Tensor | None = None
    place: dict[ClipKey, int] = field(init=False)
    starts: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.place = {clip_key(ref): place for place, ref in enumerate(self.clips)}
        self.starts = np.cumsum([0, *(len(source.rows) for source in self.sources)])

    @property
    def sizes(self) -> list[int]:
        return [len(source.rows) for source in self.sources]

    def row(self, number: int) -> tuple[Source, int]:
        source = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.sources[source], number - int(self.starts[source])


def clips_of(sources: Sequence[Source]) -> list[AudioRef]:
    """Every clip once, in order of appearance."""
    return list({clip_key(ref): ref for source in sources for ref in source.clips}.values())


class Collator:
    """Builds batches of one stage. `encoded`, once set, replaces log-mels: the encoder is frozen."""

    def __init__(
        self,
        corpus: Corpus,
        config: MellowConfig,
        tokenizer: Tokenizer,
        protocol: Protocol,
        stage: StageConfig,
        encoded: Encoded | None = None,
    ) -> None:
        self.corpus, self.config, self.tokenizer = corpus, config, tokenizer
        self.protocol, self.stage, self.encoded = protocol, stage, encoded
        self.front = LogMel(config.encoder) if stage.random_crop else None

    def tags(self, clips: Sequence[int], step: int) -> Batch:
        assert self.corpus.cues is not None
        tags = self.corpus.cues[list(clips)].float()
        if self.stage.silent:
            # All clips sound the same then, and the loss is linear in its targets: one clip with their mean is equal.
            return Batch(logmel=self.corpus.logmels.silent[None], tags=tags.mean(dim=0, keepdim=True))
        return Batch(logmel=self._logmel(clips, step), tags=tags)

    def answers(self, rows: Sequence[int], step: int) -> Batch:
        """`step` draws the wording of rewritten prompts and, in the fixed layout, second clips."""
        first, second, prompts, answers = [], [], [], []
        for number in rows:
            source, index = self.corpus.row(int(number))
            row = source.rows[index]
            prompt, answer = source.phrased(index, step)
            first.append(self.corpus.place[clip_key(row.clips[0])])
            second.append(self._second(row.clips, step, index))
            prompts.append(self.protocol.prompt_ids(prompt, self.tokenizer, self.config.prompt))
            answers.append(self._answer_ids(answer))
        used = sorted({place for place in (*first, *second) if place >= 0})
        new = {place: i for i, place in enumerate(used)} | {-1: -1}
        batch = Batch(
            first=[new[place] for place in first],
            second=[new[place] for place in second],
            prompts=prompts,
            answers=answers,
        )
        if self.encoded is not None:
            batch.encoded = Encoded(*(part[used] for part in self.encoded))
        else:
            batch.logmel = self._logmel(used, step)
        return batch

    def _second(self, clips: Sequence[AudioRef], step: int, index: int) -> int:
        """The second clip; where there is none, a random one in the fixed layout, as published, and none in ours."""
        if len(clips) > 1:
            return self.corpus.place[clip_key(clips[1])]
        if self.config.prompt.layout == "compact":
            return -1
        seed = zlib.crc32(f"{step}/{index}/{clips[0].id}".encode())
        return int(np.random.default_rng(seed).integers(len(self.corpus.clips)))

    def _answer_ids(self, text: str) -> list[int]:
        """The fixed layout's answers end in a blank of their own and the stop token, the compact one's in that."""
        suffix = self.protocol.suffix
        ids = self.tokenizer.encode(text + suffix, add_special_tokens=False).ids
        return (ids if suffix else [*ids, self.config.prompt.stop])[:ANSWER_TOKENS]

    def _logmel(self, clips: Sequence[int], step: int) -> torch.Tensor:
        if self.stage.silent:
            return self.corpus.logmels.silent.expand(len(clips), -1, -1)
        if self.front is not None:
            policy = replace(self.protocol.policy(self.config.encoder), crop="random")
            # A clip's name says where it is cut: another name a step, another part of the clip.
            refs = [replace(ref, id=f"{ref.id}@{step}") for ref in (self.corpus.clips[place] for place in clips)]
            logmel = torch.stack([logmel_of(ref, self.front, policy) for ref in refs])
        else:
            logmel = self.corpus.logmels[clips]
        return spec_augment(logmel, step) if self.stage.spec_augment else logmel


def spec_augment(logmel: torch.Tensor, seed: int) -> torch.Tensor:
    """Two bands of up to 64 frames and two of up to 8 mel bands set to the clip's mean (arXiv 1904.08779), as HTSAT."""
    generator = np.random.default_rng([seed, 2])
    masked = logmel.clone()
    for clip in masked:
        level = clip.mean()
        for axis, widest in ((0, min(64, clip.shape[0] // 8)), (1, 8)):
            for _ in range(2):
                width = int(generator.integers(0, widest + 1))
                start = int(generator.integers(0, clip.shape[axis] - width + 1))
                clip.narrow(axis, start, width).fill_(level)
    return masked
