"""Mapping from encoder outputs to tokens of the language model's width."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.core.errors import CheckpointError, known_first
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.encoder import EncodedClip


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


class Linear(nn.Linear):
    def __init__(self, wide: int, narrow: int, _dropout: float) -> None:
        super().__init__(wide, narrow)


class Transformer(nn.Module):
    """A linear map, then attention of a clip's tokens to one another: (B, n, wide) -> (B, n, narrow).

    Its shape is not published; this one is ClipCap's (arXiv 2111.09734), and comes to the published size.
    """

    LAYERS, HEADS, RATIO = 8, 8, 2

    def __init__(self, wide: int, narrow: int, dropout: float) -> None:
        super().__init__()
        if narrow % self.HEADS:
            raise CheckpointError(f"the transformer projection has {self.HEADS} heads, which do not share {narrow}")
        self.linear = nn.Linear(wide, narrow)
        layer = nn.TransformerEncoderLayer(
            narrow, self.HEADS, self.RATIO * narrow, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, self.LAYERS, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.linear(x))  # type: ignore[no-any-return]


PROJECTIONS: dict[str, type[NonLinear] | type[Linear] | type[Transformer]] = {
    "nonlinear": NonLinear,
    "linear": Linear,
    "transformer": Transformer,
}


def _latent_and_classes(heard: EncodedClip, c2l: nn.Linear) -> Tensor:
    """HTSAT's: what it is of the whole clip, then the classes of every frame."""
    return torch.cat([heard.latent[:, None], c2l(heard.framewise)], dim=1)


def _classes_and_latents(heard: EncodedClip, c2l: nn.Linear) -> Tensor:
    """CNN14's: the classes of the whole clip, then what it is of every frame."""
    return torch.cat([c2l(heard.clipwise)[:, None], heard.latent], dim=1)


TOKENS: dict[str, Callable[[EncodedClip, nn.Linear], Tensor]] = {
    "htsat": _latent_and_classes,
    "cnn14": _classes_and_latents,
}
"""An encoder's features as (B, 1 + frames, encoder width), the token of the whole clip first."""


class Mapper(nn.Module):
    def __init__(self, config: MellowConfig) -> None:
        super().__init__()
        if config.mapper.projection not in PROJECTIONS:
            known = known_first(config.mapper.projection, PROJECTIONS)
            raise CheckpointError(f"unknown projection {config.mapper.projection!r}; known: {known}")
        self.pool = config.mapper.pool
        self.tokens = TOKENS[config.encoder.kind]
        self.c2l = nn.Linear(config.encoder.classes, config.encoder.width)
        projection = PROJECTIONS[config.mapper.projection]
        self.projection = projection(config.encoder.width, config.lm.width, config.mapper.dropout)
        places = torch.zeros(config.audio_tokens, config.lm.width)
        self.positions = nn.Parameter(places) if config.mapper.positions else None

    def project(self, heard: EncodedClip) -> Tensor:
        """Project to (B, 1 + frames, lm width): the token of the whole clip first, then one per frame."""
        return self.projection(self.tokens(heard, self.c2l))  # type: ignore[no-any-return]

    def forward(self, heard: EncodedClip, repeats: int = 1) -> Tensor:
        """Return (B, config.audio_tokens, lm width): the first token unchanged, the frames averaged in blocks of
        `pool`.

        If frames are known to be equal in groups of `repeats`, a projection that treats tokens separately computes each
        group once; dropout would make them differ.
        """
        if repeats % self.pool or isinstance(self.projection, Transformer):
            repeats = 1
        tokens = self.project(heard._replace(framewise=heard.framewise[:, ::repeats]))
        batch, _, width = tokens.shape
        if repeats > 1:
            frames = tokens[:, 1:].repeat_interleave(repeats // self.pool, dim=1)
        else:
            frames = tokens[:, 1:].reshape(batch, -1, self.pool, width).mean(dim=2)
        pooled = torch.cat([tokens[:, :1], frames], dim=1)
        return pooled if self.positions is None else pooled + self.positions
