"""What a training objective is: the rows of a stage, how they become batches, and the loss of a batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.model import Mellow
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.config import StageConfig
from alm_bench.train.sampler import Curriculum, Steps


class Batch(Protocol):
    """One micro-batch, as an objective builds it and computes its loss from it."""

    @property
    def units(self) -> int:
        """The number of units that the loss is averaged over, such as answer tokens; 1 or more."""
        ...

    def to(self, device: torch.device) -> Self:
        """Return the batch with its tensors on a device."""
        ...


@dataclass(slots=True, kw_only=True)
class ClipBatch:
    """What batches about clips have in common; a subclass adds targets and `units`."""

    logmel: Tensor | None = None
    """Log-mels (clips, frames, mels) float32; None if `encoded` is set."""

    encoded: EncoderOutput | None = None
    """Outputs of a frozen encoder for the clips, in place of log-mels."""

    def to(self, device: torch.device) -> Self:
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = value.to(device)
            elif isinstance(value, EncoderOutput):
                moved[field.name] = EncoderOutput(*(part.to(device) for part in value))
        return replace(self, **moved)

    def encode(self, model: Mellow) -> EncoderOutput:
        """Return the encoder's outputs for the clips."""
        if self.encoded is not None:
            return self.encoded
        assert self.logmel is not None, "a batch has log-mels or encoded clips"
        encoded: EncoderOutput = model.encoder.encode(self.logmel)
        return encoded


class Objective(nn.Module, ABC):
    """A training objective. As a module, its `forward` is the summed loss of a batch, so that a wrapper which sums
    gradients over processes sees the whole computation.

    The stage trains parameters of `model` alone; parameters that an objective adds are neither trained nor saved.
    """

    name: ClassVar[str]
    """The name in recipes (`objective = "answers"`): lower case, digits and hyphens."""

    title: ClassVar[str] = ""
    """One sentence that says what is minimised."""

    version: ClassVar[str | int | None] = None
    """Raised with every change of the loss or the batches: training is not resumed under another version. Default, for
    objectives of installed packages: a hash of the module that defines the class."""

    takes_encoded: ClassVar[bool] = False
    """Whether batches may hold a frozen encoder's outputs (`StageData.encoded`), computed once per clip, in place of
    log-mels."""

    trains_lora: ClassVar[bool] = False
    """Whether a stage also trains the recipe's LoRA adapters of the language model."""

    def __init__(self, model: Mellow) -> None:
        super().__init__()
        self.model = model

    @classmethod
    def problem(cls, stage: StageConfig) -> str | None:
        """Return why a stage's settings do not fit this objective; None if they do."""
        return None

    @classmethod
    @abstractmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> Steps | Curriculum:
        """Return the row numbers of every step, a function of its arguments alone. `lengths` (rows,) are characters
        of prompt and answer. Raises UsageError for data without what the objective needs."""

    @classmethod
    @abstractmethod
    def count(cls, corpus: Corpus) -> int:
        """Return how many rows there are, numbered from 0: validation covers all of them."""

    @classmethod
    @abstractmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> Batch:
        """Build the micro-batch of some rows. `step` seeds everything that is random."""

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """Return the loss summed over the batch's units, a scalar."""

    def measure(self, data: StageData, limit: int, autocast: torch.autocast) -> Mapping[str, Any]:
        """Return what is logged of at most `limit` validation rows every `answer_every` steps, by key of the log.
        Called in evaluation mode without gradients; default: nothing."""
        return {}
