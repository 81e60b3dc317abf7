"""Objective `tags`: the encoder predicts the sound classes of clips. It trains the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional

from alm_bench.core import UsageError
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.config import StageConfig
from alm_bench.train.objectives.base import ClipBatch, Objective
from alm_bench.train.sampler import SamplingGroup, Steps


@dataclass(slots=True, kw_only=True)
class TagBatch(ClipBatch):
    """Clips with the targets of their sound classes."""

    tags: Tensor
    """Targets in 0..1: (clips, steps, classes), or (clips, classes) if they describe whole clips."""

    @property
    def units(self) -> int:
        """Number of targets."""
        return self.tags.numel()


class Tags(Objective):
    """Binary cross-entropy of the encoder's class scores: at every step, or of the mean over steps if the targets
    describe whole clips."""

    name: ClassVar = "tags"
    title: ClassVar = "Binary cross-entropy of sound classes."

    @classmethod
    def problem(cls, stage: StageConfig) -> str | None:
        """Return the reason why a stage's settings do not fit this objective (random crops), None if they do."""
        if stage.random_crop:
            return "random_crop would cut clips away from their framewise tags; use it on answers"
        return None

    @classmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> Steps:
        """Return the indices of the clips of every step. The clips of each epoch are shuffled."""
        if corpus.cues is None:
            raise UsageError(f"stage {stage.name}: its data has no tags; the demo data and tag files have them")
        clips = np.arange(len(corpus.clips))
        return Steps([SamplingGroup(clips, 1.0)], np.zeros_like(clips), stage.batch, seed)

    @classmethod
    def count(cls, corpus: Corpus) -> int:
        """Return the number of clips: each clip is one row of this objective."""
        return len(corpus.clips)

    @classmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> TagBatch:
        assert data.corpus.cues is not None
        tags = data.corpus.cues[list(rows)].float()
        if data.stage.silent:
            # All clips are then equal, and the loss is linear in its targets: one clip with the mean target is enough.
            return TagBatch(logmel=data.corpus.logmels.silent[None], tags=tags.mean(dim=0, keepdim=True))
        return TagBatch(logmel=data.load_logmels(rows, step), tags=tags)

    def forward(self, batch: TagBatch) -> Tensor:
        scores = batch.encode(self.model).classes.transpose(1, 2).float()
        scores = scores if batch.tags.ndim == 3 else scores.mean(dim=1)
        return functional.binary_cross_entropy_with_logits(scores, batch.tags, reduction="sum")


OBJECTIVES = (Tags,)
