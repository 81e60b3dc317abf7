"""Batches of the objective `grpo`: prompts, and the answers that were drawn to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.train.grpo_config import LossKind
from alm_bench.train.grpo_losses import TokenBatch, count_units
from alm_bench.train.prompts import PromptBatch
from alm_bench.train.rewards import Question


@dataclass(slots=True)
class Draws:
    """Answers that were drawn to the prompts of a batch, in groups: first one group per row, then, if
    `GroundedConfig.form` is `group` or `both`, another group per row with the answers on changed clips."""

    answers: list[list[list[int]]]
    """Token ids of each answer of each group, with the stop token if it was drawn."""

    advantages: Tensor
    """Advantage of each answer, (answers,)."""

    row_count: int
    """Number of rows, which is the number of groups on unchanged clips. These groups come first in `answers`."""

    old: Tensor | None = None
    """Log-probabilities of all tokens under the weights that drew them; None if there is one update per draw."""

    reference: Tensor | None = None
    """Log-probabilities of all tokens under the reference weights; None without a reference."""

    metrics: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Metrics of the draws by name, as sums and numbers of units. They are added to the metrics of each update on these
    draws, because the log may contain only one of the updates."""

    @property
    def unchanged_clip_answer_count(self) -> int:
        """Number of answers that were drawn on the unchanged clips of the rows."""
        return sum(len(group) for group in self.answers[: self.row_count])

    @property
    def unchanged_clip_token_count(self) -> int:
        """Number of tokens of the answers that were drawn on the unchanged clips of the rows."""
        return sum(len(answer) for group in self.answers[: self.row_count] for answer in group)


@dataclass(slots=True, kw_only=True)
class GrpoBatch(PromptBatch):
    """Prompts, and the answers that were drawn to them."""

    rows: Sequence[int]
    """Row number of each prompt."""

    questions: Sequence[Question]
    """Question of each row, for the rewards."""

    kind: LossKind
    """Name of the loss."""

    changed_logmel: Tensor | None = None
    """Log-mels of the changed clips, (clips, frames, mels), None without them."""

    changed_encoded: EncoderOutput | None = None
    """Outputs of a frozen encoder for the changed clips, instead of log-mels."""

    changed_first: Sequence[int] = ()
    """Index of each row's first changed clip among the changed clips; empty without changed clips."""

    changed_second: Sequence[int] = ()
    """Index of each row's second changed clip, -1 if the row has one clip."""

    draws: Draws | None = None
    """Drawn answers, None before they are drawn and in validation."""

    @property
    def units(self) -> int:
        """Number of units over which the loss is averaged: answers or tokens on the rows' own clips, or rows in
        validation."""
        if self.draws is None:
            return len(self.rows)
        return count_units(self.draws.unchanged_clip_answer_count, self.draws.unchanged_clip_token_count, self.kind)


def build_token_batch(draws: Draws, device: torch.device) -> TokenBatch:
    """Return the tensors of drawn answers, on a device."""
    lengths = torch.tensor([len(answer) for group in draws.answers for answer in group])
    owners = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    return TokenBatch(
        owners.to(device),
        lengths.to(device),
        draws.advantages.to(device),
        None if draws.old is None else draws.old.to(device),
        None if draws.reference is None else draws.reference.to(device),
    )
