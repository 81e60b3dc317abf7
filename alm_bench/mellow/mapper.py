"""Mapper from an encoder's output to tokens of the language model's width."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.core.errors import CheckpointError, format_similar_names
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.encoder import EncodedClip


class NonLinearProjection(nn.Module):
    """Normalised sum of a linear map and a residual non-linear map, (..., wide) -> (..., narrow)."""

    def __init__(self, wide: int, narrow: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(wide, narrow, bias=False)
        self.linear2 = nn.Linear(narrow, narrow, bias=False)
        self.layer_norm = nn.LayerNorm(narrow)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        linear = self.linear1(x)
        residual = self.drop(self.linear2(functional.gelu(linear)))
        return self.layer_norm(linear + residual)  # type: ignore[no-any-return]


class LinearProjection(nn.Linear):
    """Linear projection, (..., wide) -> (..., narrow). It has no dropout."""

    def __init__(self, wide: int, narrow: int, _dropout: float) -> None:
        super().__init__(wide, narrow)


class Transformer(nn.Module):
    """Linear projection followed by a transformer encoder over the tokens of a clip, (B, n, wide) -> (B, n, narrow).

    The shape is not published. This one is ClipCap's (arXiv 2111.09734) and yields the published number of parameters.
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


PROJECTIONS: dict[str, type[NonLinearProjection] | type[LinearProjection] | type[Transformer]] = {
    "nonlinear": NonLinearProjection,
    "linear": LinearProjection,
    "transformer": Transformer,
}
"""Projection class by name in the configuration."""


def _arrange_htsat_tokens(encoded: EncodedClip, c2l: nn.Linear) -> Tensor:
    """Return the tokens of an HTSAT clip: the features of the whole clip, then the projected class probabilities of
    each frame. `c2l` projects classes to the encoder's width."""
    return torch.cat([encoded.latent[:, None], c2l(encoded.framewise)], dim=1)


def _arrange_cnn14_tokens(encoded: EncodedClip, c2l: nn.Linear) -> Tensor:
    """Return the tokens of a CNN14 clip: the projected class probabilities of the whole clip, then the features of each
    frame. `c2l` projects classes to the encoder's width."""
    return torch.cat([c2l(encoded.clipwise)[:, None], encoded.latent], dim=1)


TOKEN_FUNCTIONS: dict[str, Callable[[EncodedClip, nn.Linear], Tensor]] = {
    "htsat": _arrange_htsat_tokens,
    "cnn14": _arrange_cnn14_tokens,
}
"""Function, by kind of encoder, that returns the tokens of clips, (B, 1 + frames, encoder width): one for the whole
clip, then one per frame."""


class Mapper(nn.Module):
    """Projection of an encoder's output to audio tokens of the language model."""

    def __init__(self, config: MellowConfig) -> None:
        super().__init__()
        if config.mapper.projection not in PROJECTIONS:
            known = format_similar_names(config.mapper.projection, PROJECTIONS)
            raise CheckpointError(f"unknown projection {config.mapper.projection!r}; known: {known}")
        self.pool = config.mapper.pool
        self.tokens = TOKEN_FUNCTIONS[config.encoder.kind]
        self.c2l = nn.Linear(config.encoder.classes, config.encoder.width)
        projection = PROJECTIONS[config.mapper.projection]
        self.projection = projection(config.encoder.width, config.lm.width, config.mapper.dropout)
        vectors = torch.zeros(config.audio_tokens, config.lm.width)
        self.positions = nn.Parameter(vectors) if config.mapper.positions else None

    def project(self, encoded: EncodedClip) -> Tensor:
        """Return tokens (B, 1 + frames, lm width): one for the whole clip, then one per frame."""
        return self.projection(self.tokens(encoded, self.c2l))  # type: ignore[no-any-return]

    def forward(self, encoded: EncodedClip, repeats: int = 1) -> Tensor:
        """Return the audio tokens, (B, config.audio_tokens, lm width): the token of the whole clip, then the frames'
        tokens, averaged in blocks of `pool`.

        `repeats`: number of consecutive frames that are known to be equal. If it is a multiple of `pool`, each group of
        equal frames is computed once. This does not apply to the transformer projection, where tokens depend on one
        another. In training, `repeats` must be 1, because dropout makes equal frames differ.
        """
        if repeats % self.pool or isinstance(self.projection, Transformer):
            repeats = 1
        tokens = self.project(encoded._replace(framewise=encoded.framewise[:, ::repeats]))
        batch, _, width = tokens.shape
        if repeats > 1:
            frames = tokens[:, 1:].repeat_interleave(repeats // self.pool, dim=1)
        else:
            frames = tokens[:, 1:].reshape(batch, -1, self.pool, width).mean(dim=2)
        pooled = torch.cat([tokens[:, :1], frames], dim=1)
        return pooled if self.positions is None else pooled + self.positions
