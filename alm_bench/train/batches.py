"""Training examples and clips of a stage, from which its objective builds batches."""

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
from alm_bench.train.features import LogMels, compute_logmel
from alm_bench.train.sources import ClipKey, Source, build_clip_key


@dataclass(slots=True)
class Corpus:
    """All rows (training examples) of all sources, and all their clips without duplicates."""

    sources: Sequence[Source]
    """Sources of the rows."""
    clips: Sequence[AudioRef]
    """Clips of all sources, without duplicates."""
    logmels: LogMels
    """Log-mels of `clips`."""
    cues: torch.Tensor | None = None
    """Targets of the sound classes, (clips, steps, classes), or (clips, classes) if they describe whole clips. None if
    the sources have no such targets."""
    clip_indices: dict[ClipKey, int] = field(init=False)
    """Index of each clip in `clips`, by clip key."""
    starts: npt.NDArray[np.int64] = field(init=False)
    """Number of the first row of each source, followed by the number of all rows."""

    def __post_init__(self) -> None:
        """Compute the fields `clip_indices` and `starts`."""
        self.clip_indices = {build_clip_key(ref): index for index, ref in enumerate(self.clips)}
        self.starts = np.cumsum([0, *(len(source.rows) for source in self.sources)])

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each source."""
        return [len(source.rows) for source in self.sources]

    def locate_row(self, number: int) -> tuple[Source, int]:
        """Return the source of row `number` and the row's index within that source."""
        source = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.sources[source], number - int(self.starts[source])


def collect_clips(sources: Sequence[Source]) -> list[AudioRef]:
    """Return the clips of all sources without duplicates, in order of appearance."""
    return list({build_clip_key(ref): ref for source in sources for ref in source.clips}.values())


class StageData:
    """Data and settings from which the batches of one stage are built.

    `encoded`: outputs of a frozen encoder for all clips, used instead of log-mels.
    """

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

    def load_logmels(self, clips: Sequence[int], step: int) -> torch.Tensor:
        """Return the log-mels (clips, frames, mels) of the clips with these indices, cropped and masked as the stage
        specifies. `step` seeds random crops and masks."""
        if self.stage.silent:
            return self.corpus.logmels.silent.expand(len(clips), -1, -1)
        if self.front is not None:
            policy = replace(self.protocol.build_policy(self.config.encoder), crop="random")
            # The crop position depends on the clip's id. An id that includes the step gives another crop at each step.
            refs = [replace(ref, id=f"{ref.id}@{step}") for ref in (self.corpus.clips[place] for place in clips)]
            logmel = torch.stack([compute_logmel(ref, self.front, policy) for ref in refs])
        else:
            logmel = self.corpus.logmels[clips]
        return mask_logmel(logmel, step) if self.stage.spec_augment else logmel


def mask_logmel(logmel: torch.Tensor, seed: int) -> torch.Tensor:
    """Return a copy of log-mels (clips, frames, mels) with SpecAugment (arXiv 1904.08779), with the parameters of
    HTSAT.

    In each clip, four random bands are set to the clip's mean: two bands of up to 64 frames, but at most an eighth of
    the clip, and two bands of up to 8 mel bands.
    """
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
