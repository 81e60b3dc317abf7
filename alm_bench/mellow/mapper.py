"""From what an encoder heard to tokens of the language model's width."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.core.errors import CheckpointError, known_first
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.htsat import Heard


class NonLinear(nn.Module):
    """A linear map and a residual non-linear one on top, normalised: (..., wide) -> (..., narrow)."""

    def __init__(self, wide: int, narrow: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(wide, narrow, bias=False)
        self.linear2 = nn.Linear(narrow, narrow, bias=False)
        self.layer_norm = nn.LayerNorm(narrow)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        first = self.linear1(x)
        second = self.drop(self.linear2(functional.gelu(first)))
        return self.layer_norm(first + second)  # type: ignore[no-any-return]


PROJECTIONS = {"nonlinear": NonLinear}


class Mapper(nn.Module):
    def __init__(self, config: MellowConfig) -> None:
        super().__init__()
        if config.mapper.projection not in PROJECTIONS:
            known = known_first(config.mapper.projection, PROJECTIONS)
            raise CheckpointError(f"unknown projection {config.mapper.projection!r}; known: {known}")
        self.pool = config.mapper.pool
        self.c2l = nn.Linear(config.encoder.classes, config.encoder.width)
        projection = PROJECTIONS[config.mapper.projection]
        self.projection = projection(config.encoder.width, config.lm.width, config.mapper.dropout)

    def project(self, heard: Heard) -> Tensor:
        """(B, 1 + frames, lm width): the latent token first, then one a frame."""
        tokens = torch.cat([heard.latent[:, None], self.c2l(heard.framewise)], dim=1)
        return self.projection(tokens)  # type: ignore[no-any-return]

    def forward(self, heard: Heard) -> Tensor:
        """(B, config.audio_tokens, lm width): the latent token kept, the frames averaged in blocks of `pool`."""
        tokens = self.project(heard)
        batch, _, width = tokens.shape
        frames = tokens[:, 1:].reshape(batch, -1, self.pool, width).mean(dim=2)
        return torch.cat([tokens[:, :1], frames], dim=1)
