"""What a step minimises: cue scores of an encoder, or the answers of the whole network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.mellow.encoder import Encoded
from alm_bench.mellow.model import Mellow


@dataclass(slots=True)
class Batch:
    """One micro-batch. Clips come as `logmel` (C, frames, mels) or, from a frozen encoder, as `encoded`.

    `first` and `second` are places among the clips (second -1 where there is none). `tags` (C, steps, classes), or
    (C, classes) of whole clips, are the targets of the tag objective.
    """

    logmel: Tensor | None = None
    encoded: Encoded | None = None
    first: Sequence[int] = ()
    second: Sequence[int] = ()
    prompts: Sequence[Sequence[int]] = ()
    answers: Sequence[Sequence[int]] = ()
    tags: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        moved = None if self.encoded is None else Encoded(*(part.to(device) for part in self.encoded))
        logmel = None if self.logmel is None else self.logmel.to(device)
        tags = None if self.tags is None else self.tags.to(device)
        return Batch(logmel, moved, self.first, self.second, self.prompts, self.answers, tags)

    @property
    def units(self) -> int:
        """What the loss is a mean over: answer tokens, or target cells."""
        return self.tags.numel() if self.tags is not None else sum(len(answer) for answer in self.answers)


class TrainingObjective(nn.Module):
    """Summed loss of a batch. One module, so that a wrapper which sums gradients over processes sees the whole."""

    def __init__(self, model: Mellow) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        if batch.tags is not None:
            return self._tags(batch)
        return self._answers(batch)

    def _encoded(self, batch: Batch) -> Encoded:
        if batch.encoded is not None:
            return batch.encoded
        assert batch.logmel is not None
        encoded: Encoded = self.model.encoder.encode(batch.logmel)
        return encoded

    def _tags(self, batch: Batch) -> Tensor:
        """Binary cross-entropy of every class, at every step or, where tags are of whole clips, of the steps' mean."""
        assert batch.tags is not None
        scores = self._encoded(batch).classes.transpose(1, 2).float()
        scores = scores if batch.tags.ndim == 3 else scores.mean(dim=1)
        return functional.binary_cross_entropy_with_logits(scores, batch.tags, reduction="sum")

    def _answers(self, batch: Batch) -> Tensor:
        loss, _ = self.model.answer_loss(self.sequences(batch), batch.answers)
        return loss

    def sequences(self, batch: Batch) -> list[Tensor]:
        """What each answer of a batch follows."""
        tokens = self.model.mapper(self.model.encoder.heard(self._encoded(batch)))
        second = [None if place < 0 else tokens[place] for place in batch.second]
        return self.model.sequences(tokens[list(batch.first)], second, batch.prompts)
