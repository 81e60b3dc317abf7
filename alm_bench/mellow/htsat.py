"""HTSAT (arXiv 2202.00874): a Swin transformer over the log-mel spectrogram, which is rearranged into a square image.

Modules have the names of the published checkpoints, so that loading one only changes prefixes (`checkpoint.py`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from alm_bench.mellow.config import EncoderConfig
from alm_bench.mellow.encoder import EncodedClip, Encoder, EncoderOutput


def split_into_windows(x: Tensor, size: int) -> Tensor:
    """Split a map (B, H, W, C) into windows of side `size`: (B, H/size * W/size, size * size, C)."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // size, size, width // size, size, channels)
    return x.transpose(2, 3).reshape(batch, -1, size * size, channels)


def merge_windows(x: Tensor, size: int, side: int) -> Tensor:
    """Invert `split_into_windows` for a square map: (B, n, size * size, C) -> (B, side, side, C)."""
    batch, channels = x.shape[0], x.shape[-1]
    x = x.view(batch, side // size, side // size, size, size, channels)
    return x.transpose(2, 3).reshape(batch, side, side, channels)


def build_shift_mask(side: int, size: int, shift: int) -> Tensor:
    """Return the attention mask of shifted windows, (windows, size * size, size * size): -100 for pairs of positions
    that are in one window only because of the cyclic shift, else 0.

    The map has `side` rows and columns, a window `size`, and the map is shifted by `shift` in both directions.
    """
    edges = torch.tensor([side - size, side - shift])
    band = torch.bucketize(torch.arange(side), edges, right=True)
    region = split_into_windows((band[:, None] * 3 + band)[None, :, :, None], size)[0, :, :, 0]
    return torch.where(region[:, :, None] == region[:, None, :], 0.0, -100.0)


def build_relative_position_index(size: int) -> Tensor:
    """Return the row of the relative position bias table for each pair of positions in a window, (size * size, size *
    size)."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    place = torch.stack([rows.flatten(), columns.flatten()])
    offsets = place[:, :, None] - place[:, None, :] + size - 1
    return offsets[0] * (2 * size - 1) + offsets[1]


class WindowAttention(nn.Module):
    """Multi-head attention within windows, with a relative position bias."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", build_relative_position_index(window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attend within each window. `x`: (B, windows, positions, width). `mask` (windows, positions, positions) is
        added to the attention scores."""
        batch, count, positions, width = x.shape
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            bias = bias + mask[:, None]
        qkv = self.qkv(x).view(batch, count, positions, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)
        # Not torch's fused attention: it is no faster on windows this small, and on CPUs its backward pass in
        # bf16 takes half of a training step.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
        mixed = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.proj(mixed.transpose(2, 3).reshape(x.shape))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention within windows, followed by an MLP. If `shifted`, the windows are shifted by half their size."""

    attn_mask: Tensor | None

    def __init__(self, width: int, heads: int, side: int, config: EncoderConfig, shifted: bool) -> None:
        super().__init__()
        self.window, self.side = config.window, side
        # A window that covers the whole map is not shifted.
        self.shift = config.window // 2 if shifted and side > config.window else 0
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, config.window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, int(width * config.mlp_ratio))
        mask = build_shift_mask(side, self.window, self.shift) if self.shift else None
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Process a map (B, side, side, width). The shape does not change."""
        y = self.norm1(x)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), dims=(1, 2))
        y = merge_windows(self.attn(split_into_windows(y, self.window), self.attn_mask), self.window, self.side)
        if self.shift:
            y = y.roll((self.shift, self.shift), dims=(1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PatchMerging(nn.Module):
    """Downsampling between stages, (B, side, side, C) -> (B, side/2, side/2, 2 C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """A sequence of blocks, followed by downsampling in all stages but the last."""

    def __init__(self, stage: int, config: EncoderConfig) -> None:
        super().__init__()
        width, side = config.embed << stage, config.image // config.patch >> stage
        last = stage == len(config.depths) - 1
        self.blocks = nn.Sequential(
            *(Block(width, config.heads[stage], side, config, shifted=i % 2 == 1) for i in range(config.depths[stage]))
        )
        self.downsample = nn.Identity() if last else PatchMerging(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.blocks(x))  # type: ignore[no-any-return]


class PatchEmbed(nn.Module):
    """Embedding of patches, (B, 1, image, image) -> (B, image/patch, image/patch, embed)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, config.embed, kernel_size=config.patch, stride=config.patch)
        self.norm = nn.LayerNorm(config.embed)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class HTSAT(Encoder):
    """HTSAT encoder. `EncoderOutput.latent` describes the whole clip, (B, width)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.config, self.repeats = config, config.frames // config.steps
        self.bn0 = nn.BatchNorm1d(config.mels)
        self.patch_embed = PatchEmbed(config)
        self.layers = nn.Sequential(*(Stage(stage, config) for stage in range(len(config.depths))))
        self.norm = nn.LayerNorm(config.width)
        bands = config.grid // config.time_segments
        self.tscam_conv = nn.Conv2d(config.width, config.classes, kernel_size=(bands, 3), padding=(0, 1))
        # Published checkpoints contain this layer, and parameter counts include it, but it is not used.
        self.head = nn.Linear(config.classes, config.classes)

    def cast(self, dtype: torch.dtype) -> None:
        for part in (self.patch_embed, self.layers, self.norm, self.tscam_conv, self.head):
            part.to(dtype)

    def arrange_image(self, logmel: Tensor) -> Tensor:
        """Rearrange a spectrogram into a square image, (B, frames, mels) -> (B, 1, image, image). Time segments are
        stacked vertically; within each, the lowest band is on top."""
        config = self.config
        image = functional.interpolate(
            logmel[:, None], (config.frames, config.mels), mode="bicubic", align_corners=True
        )
        image = image.view(-1, config.time_segments, config.image, config.mels).transpose(2, 3)
        return image.reshape(-1, 1, config.image, config.image)

    def encode(self, logmel: Tensor) -> EncoderOutput:
        config = self.config
        image = self.arrange_image(self.bn0(logmel.transpose(1, 2)).transpose(1, 2)).to(self.norm.weight.dtype)
        x = self.norm(self.layers(self.patch_embed(image)))
        # Invert `arrange_image`: (B, time_segments, bands, time, width) -> (B, width, bands, time_segments * time).
        bands = config.grid // config.time_segments
        x = x.view(-1, config.time_segments, bands, config.grid, config.width).permute(0, 4, 2, 1, 3).flatten(3)
        return EncoderOutput(latent=x.mean(dim=(2, 3)), classes=self.tscam_conv(x)[:, :, 0])

    def compute_probabilities(self, encoded: EncoderOutput) -> EncodedClip:
        """Return the features and class probabilities. Each time step is repeated to restore the number of frames, as
        in the published model."""
        latent, classes = encoded
        frames = classes.sigmoid().transpose(1, 2)
        return EncodedClip(
            latent=latent,
            clipwise=classes.mean(dim=2).sigmoid(),
            framewise=frames.repeat_interleave(self.repeats, dim=1),
        )
