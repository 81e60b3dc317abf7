"""Interface of training objectives. An objective selects the rows of a stage, builds batches and computes their
loss."""

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
from alm_bench.train.sampler import StepRows


class Batch(Protocol):
    """A micro-batch, built by an objective, from which it computes the loss."""

    @property
    def units(self) -> int:
        """Number of units, such as answer tokens, over which the loss is averaged; at least 1."""
        ...

    def to(self, device: torch.device) -> Self:
        """Return the batch with its tensors on `device`."""
        ...


@dataclass(slots=True, kw_only=True)
class ClipBatch:
    """Base class of batches about clips. A subclass adds targets and `units`."""

    logmel: Tensor | None = None
    """Log-mels (clips, frames, mels) float32, None if `encoded` is set."""

    encoded: EncoderOutput | None = None
    """Outputs of a frozen encoder for the clips, instead of log-mels."""

    def to(self, device: torch.device) -> Self:
        """Return the batch with its tensors on `device`."""
        tensors: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                tensors[field.name] = value.to(device)
            elif isinstance(value, EncoderOutput):
                tensors[field.name] = EncoderOutput(*(part.to(device) for part in value))
        return replace(self, **tensors)

    def encode(self, model: Mellow) -> EncoderOutput:
        """Return the encoder's outputs for the clips."""
        if self.encoded is not None:
            return self.encoded
        assert self.logmel is not None, "a batch has log-mels or encoded clips"
        encoded: EncoderOutput = model.encoder.encode(self.logmel)
        return encoded


class Objective(nn.Module, ABC):
    """Base class of training objectives. An objective is a module whose `forward` returns the summed loss of a batch. A
    wrapper that sums gradients over processes, such as DistributedDataParallel, then covers the whole computation.

    A stage trains parameters of `model` only. Parameters that an objective adds are neither trained nor saved.
    """

    name: ClassVar[str]
    """Name in recipes (`objective = "answers"`): lower-case letters, digits and hyphens."""

    title: ClassVar[str] = ""
    """One sentence that describes the minimised loss."""

    version: ClassVar[str | int | None] = None
    """Version of the loss and the batches. Increase it with every change: a run is not resumed with another version.
    Default for objectives of installed packages: a hash of the module that defines the class."""

    takes_encoded: ClassVar[bool] = False
    """True if batches may contain a frozen encoder's outputs (`StageData.encoded`), computed once per clip, instead of
    log-mels."""

    trains_lora: ClassVar[bool] = False
    """True if stages with this objective also train the recipe's LoRA adapters."""

    def __init__(self, model: Mellow) -> None:
        super().__init__()
        self.model = model

    def set_up(self, data: StageData, seed: int) -> None:
        """Prepare for a stage or a validation, after its trained parameters were selected. `data`: data of the stage or
        of the validation. `seed`: seed of all random choices. Default: nothing."""
        return

    def complete(self, batch: Any, step: int, autocast: torch.autocast) -> Any:
        """Add to a batch what the current network contributes to it, such as drawn answers, without gradient. Called
        before the loss of every micro-batch of a step. Default: return the batch as it is."""
        return batch

    def can_resume_after(self, step: int) -> bool:
        """Return True if a run can be resumed after this step from the network, the optimiser and `get_state` alone. A
        state that is due after another step is saved later, after the next step for which this is True."""
        return True

    def get_state(self) -> dict[str, Any]:
        """Return the state of the objective, by name, as tensors and plain values. It is saved with the network, so
        that a stage can be resumed. Default: none."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned. Default: nothing."""
        return

    def pop_metrics(self) -> dict[str, tuple[float, float]]:
        """Return the metrics of the current step, as sums over this process's units and the number of these units, by
        key of the log, and reset them. The log has their means over all processes. Default: none."""
        return {}

    @classmethod
    def describe_plugins(cls, stage: StageConfig) -> str:
        """Return the names and versions of other plug-ins (such as rewards) on which the loss depends, as one text. A
        run is not resumed if the text has changed. Default: none."""
        return ""

    @classmethod
    def problem(cls, stage: StageConfig) -> str | None:
        """Return the reason why a stage's settings do not fit this objective, None if they do."""
        return None

    @classmethod
    @abstractmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> StepRows:
        """Return the row numbers of every step. They depend on the arguments alone.

        `lengths` (rows,): number of characters of prompt and answer. Raises UsageError if the data lacks targets that
        the objective needs.
        """

    @classmethod
    @abstractmethod
    def count(cls, corpus: Corpus) -> int:
        """Return the number of rows. They are numbered from 0; validation uses all of them."""

    @classmethod
    @abstractmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> Batch:
        """Build the micro-batch of the rows with these numbers. `step` seeds all random choices."""

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """Return the loss, summed over the batch's units, as a scalar tensor."""

    def measure(self, data: StageData, limit: int, autocast: torch.autocast) -> Mapping[str, Any]:
        """Return additional metrics on at most `limit` validation rows, by key of the log. Called every `answer_every`
        steps, in evaluation mode and without gradients. Default: none."""
        return {}
