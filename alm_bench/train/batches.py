"""The rows and clips of a stage, from which its objective builds batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from alm_bench.core import AudioRef
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.logmel import LogMel
from alm_bench.mellow.prompt import Protocol
from alm_bench.train.config import StageConfig
from alm_bench.train.features import LogMels, logmel_of
from alm_bench.train.sources import ClipKey, Source, clip_key


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


class StageData:
    """What batches of one stage are built from. `encoded`, the outputs of a frozen encoder for every clip, replaces
    log-mels."""

    def __init__(
        self,
        corpus: Corpus,
        config: MellowConfig,
        tokenizer: Tokenizer,
        protocol: Protocol,
        stage: StageConfig,
        encoded: EncoderOutput | None = None,
    ) -> None:
        self.corpus, self.config, self.tokenizer = corpus, config, tokenizer
        self.protocol, self.stage, self.encoded = protocol, stage, encoded
        self.front = LogMel(config.encoder) if stage.random_crop else None

    def logmel(self, clips: Sequence[int], step: int) -> torch.Tensor:
        """Return the log-mels (clips, frames, mels) of some clips, cut and masked as the stage asks for this step."""
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
