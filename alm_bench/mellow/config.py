"""Every choice that makes one Mellow network differ from another, as data. The defaults are the published model."""

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from alm_bench.core.errors import CheckpointError, known_first
from alm_bench.core.foreign import parse_json

FORMAT = 1
"""Version of config.json's layout."""

T = TypeVar("T")

RANGES: Mapping[str, tuple[float, float]] = {
    "rate": (1, 10**6),
    "seconds": (1e-3, 3600),
    "n_fft": (2, 2**16),
    "hop": (1, 2**16),
    "mels": (1, 1024),
    "low_hz": (0, 10**6),
    "image": (1, 4096),
    "patch": (1, 4096),
    "embed": (1, 2**14),
    "depths": (1, 100),
    "heads": (1, 1024),
    "kv_heads": (1, 1024),
    "window": (1, 1024),
    "channels": (1, 2**16),
    "classes": (1, 10**5),
    "dropout": (0, 1),
    "width": (1, 2**16),
    "layers": (1, 1000),
    "mlp": (1, 2**20),
    "vocabulary": (1, 2**22),
    "positions": (1, 2**24),
    "rope_theta": (1e-3, 1e12),
    "tokens": (0, 10**5),
    "pad": (0, 2**22),
    "separator": (0, 2**22),
    "stop": (0, 2**22),
}
"""The least and the most of a number in config.json, by its key: all that is published and room to try, and nothing
that makes a file of a few bytes ask for gigabytes. (0, 10**5) for other keys."""
MOST_STAGES = 16
"""Entries of `depths`, `heads` and `channels`."""


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise CheckpointError(f"a Mellow network of this shape cannot be built: {message}")


@dataclass(frozen=True, slots=True)
class FrontConfig:
    """Log-mel front end: the same for every encoder, as published."""

    kind: str
    """Key of the encoder in `model.ENCODERS`."""

    rate: int = 32_000
    """Sample rate in Hz."""

    seconds: float = 10.0
    """Length of a clip."""

    n_fft: int = 1024
    """Window length in samples."""

    hop: int = 320
    """Step between frames in samples."""

    mels: int = 64
    """Number of mel bands."""

    low_hz: float = 50.0
    """Lower edge of the mel bands in Hz."""

    high_hz: float = 14_000.0
    """Upper edge of the mel bands in Hz."""

    @property
    def samples(self) -> int:
        """Length of an input clip."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class EncoderConfig(FrontConfig):
    """The published model's encoder, the Swin transformer HTSAT (arXiv 2202.00874)."""

    kind: str = "htsat"
    """Key of the encoder."""

    image: int = 256
    """Side of the square that the spectrogram is folded into, in pixels."""

    patch: int = 4
    """Side of a patch in pixels."""

    embed: int = 96
    """Width of the first stage; each later stage doubles it."""

    depths: tuple[int, ...] = (2, 2, 6, 2)
    """Number of blocks per stage."""

    heads: tuple[int, ...] = (4, 8, 16, 32)
    """Number of attention heads per stage."""

    window: int = 8
    """Side of an attention window in patches."""

    mlp_ratio: float = 4.0
    """Width of a block's MLP as a multiple of the stage's width."""

    classes: int = 527
    """Number of AudioSet classes."""

    def __post_init__(self) -> None:
        _check(self.image % self.mels == 0, f"image {self.image} is not a multiple of mels {self.mels}")
        _check(bool(self.depths), "depths is empty: name at least one stage")
        _check(len(self.depths) == len(self.heads), f"{len(self.depths)} depths but {len(self.heads)} heads")
        _check(min(self.depths) > 0 and min(self.heads) > 0, "depths and heads must be above 0")
        side = self.image // self.patch
        for stage, heads in enumerate(self.heads):
            width, resolution = self.embed << stage, side >> stage
            _check(width % heads == 0, f"stage {stage}'s width {width} is not a multiple of its {heads} heads")
            _check(
                resolution << stage == side and resolution >= self.window and resolution % self.window == 0,
                f"stage {stage}'s side {side / 2**stage:g} is not a multiple of window {self.window}",
            )
        _check(
            self.grid % self.stretch == 0,
            f"the last stage's side {self.grid} is not a multiple of {self.stretch} (image / mels)",
        )

    @property
    def stretch(self) -> int:
        """Number of time segments stacked in the image."""
        return self.image // self.mels

    @property
    def frames(self) -> int:
        """Log-mel frames that fill the image; also the number of framewise tokens."""
        return self.image * self.stretch

    @property
    def grid(self) -> int:
        """Side of the last stage's feature map."""
        return self.image // self.patch >> (len(self.depths) - 1)

    @property
    def steps(self) -> int:
        """Number of time steps of the class scores."""
        return self.grid * self.stretch

    @property
    def width(self) -> int:
        """Width of the last stage."""
        return self.embed << (len(self.depths) - 1)


@dataclass(frozen=True, slots=True)
class CNN14Config(FrontConfig):
    """PANNs' CNN14 (arXiv 1912.10211). All blocks but the last halve time and bands."""

    kind: str = "cnn14"
    """Key of the encoder."""

    channels: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    """Output channels per block."""

    classes: int = 527
    """Number of AudioSet classes."""

    def __post_init__(self) -> None:
        _check(bool(self.channels) and min(self.channels) > 0, "channels are above 0, one number a block")
        halved = len(self.channels) - 1
        _check(self.mels >> halved > 0, f"{self.mels} mels cannot be halved {halved} times")
        _check(self.frames > 0, f"a clip of {self.samples} samples is too short to be halved {halved} times")

    @property
    def frames(self) -> int:
        return self.samples // self.hop + 1 >> len(self.channels) - 1

    @property
    def steps(self) -> int:
        """Number of time steps of the class scores: they describe the whole clip."""
        return 1

    @property
    def width(self) -> int:
        return self.channels[-1]


ENCODERS: dict[str, type[EncoderConfig] | type[CNN14Config]] = {"htsat": EncoderConfig, "cnn14": CNN14Config}


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """Map from encoder features to language model tokens."""

    projection: str = "nonlinear"
    """`nonlinear` (published), `linear` (without dropout) or `transformer`."""

    dropout: float = 0.5
    """Dropout probability in training."""

    pool: int = 8
    """Number of framewise tokens that are averaged into one."""

    positions: bool = False
    """Add a learned vector to each token, which lets a small model learn temporal order much sooner; the published
    network has none."""


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """A causal language model of transformers. `kv_heads`, `mlp` and `rope_theta` do not apply to GPT-2."""

    kind: str = "llama"
    """`llama` or `gpt2`."""

    vocabulary: int = 49_152
    """Number of rows of the embedding table."""

    width: int = 576
    """Width of the residual stream."""

    layers: int = 30
    """Number of layers."""

    heads: int = 9
    """Number of attention heads."""

    kv_heads: int = 3
    """Number of key-value heads (grouped-query attention)."""

    mlp: int = 1536
    """Width of the MLP."""

    positions: int = 8192
    """Largest number of positions."""

    rope_theta: float = 100_000.0
    """Base of the rotary position embedding."""

    norm_eps: float = 1e-5
    """Epsilon of the normalisation layers."""

    def __post_init__(self) -> None:
        _check(self.width % self.heads == 0, f"lm width {self.width} is not a multiple of its {self.heads} heads")
        grouped = self.kind != "llama" or self.heads % self.kv_heads == 0
        _check(grouped, f"lm heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """Sequence layout: [audio 1, separator, audio 2, separator, prompt], then the answer."""

    layout: Literal["fixed", "compact"] = "fixed"
    """`fixed`, the published one: always two clips, and a prompt of exactly `tokens` tokens, truncated, or padded on
    the right with `pad`; attention covers the padding. `compact`: a second clip only if the question has one, and a
    prompt of at most `tokens` tokens; padding is masked."""

    tokens: int = 129
    """Length of the prompt in tokens."""

    pad: int = 17
    """Id of the padding token."""

    separator: int = 0
    """Id of the token between clips and before the prompt."""

    stop: int = 0
    """Id of the token that ends an answer."""


@dataclass(frozen=True, slots=True)
class MellowConfig:
    """Shape of a whole network, as stored in config.json."""

    encoder: EncoderConfig | CNN14Config = field(default_factory=EncoderConfig)
    """Audio encoder."""

    mapper: MapperConfig = field(default_factory=MapperConfig)
    """Map from its features to tokens."""

    lm: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    """Language model."""

    prompt: PromptConfig = field(default_factory=PromptConfig)
    """Sequence layout."""

    trained_on: tuple[str, ...] = ()
    """Domains of the training data, such as sound, music and speech."""

    def __post_init__(self) -> None:
        frames, pool = self.encoder.frames, self.mapper.pool
        _check(pool > 0 and frames % pool == 0, f"{frames} framewise tokens cannot be averaged in blocks of {pool}")
        for name in ("pad", "separator", "stop"):
            token = getattr(self.prompt, name)
            _check(
                0 <= token < self.lm.vocabulary,
                f"prompt.{name} {token} is outside the vocabulary of {self.lm.vocabulary}",
            )

    @property
    def audio_tokens(self) -> int:
        """Tokens of one clip in the prefix: one of the whole clip and the pooled framewise ones."""
        return 1 + self.encoder.frames // self.mapper.pool

    @property
    def prefix_tokens(self) -> int:
        return 2 * (self.audio_tokens + 1) + self.prompt.tokens

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT} | asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str, source: Path | str) -> "MellowConfig":
        """Read a configuration. Raises CheckpointError if this version cannot build it."""
        try:
            data = parse_json(text)
        except ValueError as error:
            raise CheckpointError(f"{source} is no JSON: {error}") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise CheckpointError(f"{source}: this version reads Mellow's config format {FORMAT}, found {found!r}")
        return _build(MellowConfig, {key: value for key, value in data.items() if key != "format"}, str(source))


PUBLISHED = MellowConfig(trained_on=("sound", "music", "speech"))
"""The network of v0.ckpt: 165,937,495 parameters."""


def _build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A (nested) frozen dataclass from JSON values. Absent keys keep the published value."""
    hints = typing.get_type_hints(cls)
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise CheckpointError(f"{where} has an unknown key {name!r}; known: {known_first(name, known)}")
    return cls(**{name: _value(value, hints[name], name, f"{where}: {name}") for name, value in values.items()})


def _value(value: Any, kind: Any, name: str, where: str) -> Any:
    """A JSON value as the field `name` of type `kind` takes it. Raises CheckpointError."""
    origin = typing.get_origin(kind)
    if origin is types.UnionType and isinstance(value, dict):
        encoder = value.get("kind", "htsat")
        if not isinstance(encoder, str) or encoder not in ENCODERS:
            known = known_first(str(encoder), ENCODERS)
            raise CheckpointError(f"{where}: unknown encoder {encoder!r:.60}; known: {known}")
        kind = ENCODERS[encoder]
    if is_dataclass(kind) and isinstance(value, dict):
        return _build(typing.cast(type[Any], kind), value, where)
    if origin is Literal and value in typing.get_args(kind):
        return value
    if origin is tuple and isinstance(value, list):
        inner = typing.get_args(kind)[0]
        if inner is int and len(value) > MOST_STAGES:
            raise CheckpointError(f"{where} has {len(value)} entries, expected {MOST_STAGES} at most")
        return tuple(_value(item, inner, name, where) for item in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(_within(value, name, where))
    if kind is int and type(value) is int:
        return _within(value, name, where)
    if kind in (str, bool) and type(value) is kind:
        return value
    expected = kind.__name__ if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) else str(kind)
    raise CheckpointError(f"{where} must be {expected}, found {value!r:.60}")


def _within(value: float, name: str, where: str) -> float:
    """Check the range of a number. Raises CheckpointError, for NaN, too."""
    least, most = RANGES.get(name, (0, 10**5))
    if not least <= value <= most:
        raise CheckpointError(f"{where} must be from {least:g} to {most:,}, found {value!r:.40}")
    return value
