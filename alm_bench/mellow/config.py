"""Configuration of a Mellow network: all settings that determine its shape. The defaults describe the published
model."""

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from alm_bench.core.errors import CheckpointError, format_similar_names
from alm_bench.core.foreign import parse_json

FORMAT = 1
"""Version of the layout of config.json."""

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
"""Smallest and largest allowed value of the numbers in config.json, by key; (0, 10**5) for other keys. The ranges
include all published values and leave room for experiments, but prevent that a small file makes a program allocate
gigabytes."""
MAX_STAGES = 16
"""Maximum number of entries of `depths`, `heads` and `channels`."""


def _require(holds: bool, message: str) -> None:
    """Raise CheckpointError with `message` if `holds` is False."""
    if not holds:
        raise CheckpointError(f"a Mellow network of this shape cannot be built: {message}")


@dataclass(frozen=True, slots=True)
class FrontEndConfig:
    """Settings of an encoder's log-mel front end, and base class of the encoders' settings. The published front end is
    the same for all encoders."""

    kind: str
    """Key of the encoder in `model.ENCODERS`."""

    rate: int = 32_000
    """Sample rate in Hz."""

    seconds: float = 10.0
    """Length of an input clip in seconds."""

    n_fft: int = 1024
    """Window length in samples."""

    hop: int = 320
    """Distance between frames in samples."""

    mels: int = 64
    """Number of mel bands."""

    low_hz: float = 50.0
    """Lower edge of the mel bands in Hz."""

    high_hz: float = 14_000.0
    """Upper edge of the mel bands in Hz."""

    @property
    def samples(self) -> int:
        """Length of an input clip in samples."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class EncoderConfig(FrontEndConfig):
    """Settings of HTSAT, the Swin transformer (arXiv 2202.00874) that is the published model's encoder."""

    kind: str = "htsat"
    """Key of the encoder in `ENCODERS`."""

    image: int = 256
    """Side, in pixels, of the square image that the spectrogram is rearranged into."""

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
        """Check that the settings are consistent. Raises CheckpointError."""
        _require(self.image % self.mels == 0, f"image {self.image} is not a multiple of mels {self.mels}")
        _require(bool(self.depths), "depths is empty: name at least one stage")
        _require(len(self.depths) == len(self.heads), f"{len(self.depths)} depths but {len(self.heads)} heads")
        _require(min(self.depths) > 0 and min(self.heads) > 0, "depths and heads must be above 0")
        side = self.image // self.patch
        for stage, heads in enumerate(self.heads):
            width, resolution = self.embed << stage, side >> stage
            _require(width % heads == 0, f"stage {stage}'s width {width} is not a multiple of its {heads} heads")
            _require(
                resolution << stage == side and resolution >= self.window and resolution % self.window == 0,
                f"stage {stage}'s side {side / 2**stage:g} is not a multiple of window {self.window}",
            )
        _require(
            self.grid % self.time_segments == 0,
            f"the last stage's side {self.grid} is not a multiple of {self.time_segments} (image / mels)",
        )

    @property
    def time_segments(self) -> int:
        """Number of time segments of the spectrogram that are stacked in the image."""
        return self.image // self.mels

    @property
    def frames(self) -> int:
        """Number of log-mel frames that fill the image, which is also the number of framewise tokens."""
        return self.image * self.time_segments

    @property
    def grid(self) -> int:
        """Side of the last stage's feature map, in positions."""
        return self.image // self.patch >> (len(self.depths) - 1)

    @property
    def steps(self) -> int:
        """Number of time steps of the class scores."""
        return self.grid * self.time_segments

    @property
    def width(self) -> int:
        """Width of the last stage."""
        return self.embed << (len(self.depths) - 1)


@dataclass(frozen=True, slots=True)
class CNN14Config(FrontEndConfig):
    """Settings of CNN14 of PANNs (arXiv 1912.10211). Each block but the last halves the number of frames and of
    bands."""

    kind: str = "cnn14"
    """Key of the encoder in `ENCODERS`."""

    channels: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    """Number of output channels per block."""

    classes: int = 527
    """Number of AudioSet classes."""

    def __post_init__(self) -> None:
        """Check that the settings are consistent. Raises CheckpointError."""
        _require(bool(self.channels) and min(self.channels) > 0, "channels are above 0, one number a block")
        halved = len(self.channels) - 1
        _require(self.mels >> halved > 0, f"{self.mels} mels cannot be halved {halved} times")
        _require(self.frames > 0, f"a clip of {self.samples} samples is too short to be halved {halved} times")

    @property
    def frames(self) -> int:
        """Number of frames after the last block."""
        return self.samples // self.hop + 1 >> len(self.channels) - 1

    @property
    def steps(self) -> int:
        """Number of time steps of the class scores: 1, because they describe the whole clip."""
        return 1

    @property
    def width(self) -> int:
        """Number of output channels of the last block."""
        return self.channels[-1]


ENCODERS: dict[str, type[EncoderConfig] | type[CNN14Config]] = {"htsat": EncoderConfig, "cnn14": CNN14Config}
"""Configuration class by kind of encoder."""


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """Settings of the mapper from encoder features to language model tokens."""

    projection: str = "nonlinear"
    """Kind of projection: `nonlinear` (published), `linear` (has no dropout) or `transformer`."""

    dropout: float = 0.5
    """Dropout probability in training."""

    pool: int = 8
    """Number of consecutive framewise tokens that are averaged into one."""

    positions: bool = False
    """True to add a learned position vector to each token, with which a small model learns temporal order much sooner.
    The published network has none."""


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """Settings of the causal language model, which is built by transformers. `kv_heads`, `mlp` and `rope_theta` do not
    apply to GPT-2."""

    kind: str = "llama"
    """Architecture: `llama` or `gpt2`."""

    vocabulary: int = 49_152
    """Number of tokens in the embedding table."""

    width: int = 576
    """Width of the residual stream."""

    layers: int = 30
    """Number of layers."""

    heads: int = 9
    """Number of attention heads."""

    kv_heads: int = 3
    """Number of key-value heads (grouped-query attention)."""

    mlp: int = 1536
    """Hidden width of the MLP."""

    positions: int = 8192
    """Maximum sequence length in tokens."""

    rope_theta: float = 100_000.0
    """Base of the rotary position embedding."""

    norm_eps: float = 1e-5
    """Epsilon of the normalisation layers."""

    def __post_init__(self) -> None:
        """Check that the settings are consistent. Raises CheckpointError."""
        _require(self.width % self.heads == 0, f"lm width {self.width} is not a multiple of its {self.heads} heads")
        grouped = self.kind != "llama" or self.heads % self.kv_heads == 0
        _require(grouped, f"lm heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """Layout of the input sequence, length of its prompt, and ids of its special tokens. The sequence is [audio 1,
    separator, audio 2, separator, prompt], followed by the answer."""

    layout: Literal["fixed", "compact"] = "fixed"
    """`fixed` (published) or `compact`.

    `fixed`: two clips always, and a prompt of exactly `tokens` tokens, truncated or padded on the right with `pad`. The
    padding is attended to. `compact`: a second clip only if the question has one, and a prompt of at most `tokens`
    tokens, without padding.
    """

    tokens: int = 129
    """Length of the prompt in tokens: exact in the fixed layout, the maximum in the compact one."""

    pad: int = 17
    """Id of the padding token."""

    separator: int = 0
    """Id of the token between the clips and before the prompt."""

    stop: int = 0
    """Id of the token that ends an answer."""


@dataclass(frozen=True, slots=True)
class MellowConfig:
    """Settings of a whole network, as stored in config.json."""

    encoder: EncoderConfig | CNN14Config = field(default_factory=EncoderConfig)
    """Settings of the audio encoder."""

    mapper: MapperConfig = field(default_factory=MapperConfig)
    """Settings of the mapper from the encoder's features to tokens."""

    lm: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    """Settings of the language model."""

    prompt: PromptConfig = field(default_factory=PromptConfig)
    """Layout of the input sequence."""

    trained_on: tuple[str, ...] = ()
    """Domains of the training data, for example sound, music and speech."""

    def __post_init__(self) -> None:
        """Check that the settings are consistent. Raises CheckpointError."""
        frames, pool = self.encoder.frames, self.mapper.pool
        _require(pool > 0 and frames % pool == 0, f"{frames} framewise tokens cannot be averaged in blocks of {pool}")
        for name in ("pad", "separator", "stop"):
            token = getattr(self.prompt, name)
            _require(
                0 <= token < self.lm.vocabulary,
                f"prompt.{name} {token} is outside the vocabulary of {self.lm.vocabulary}",
            )

    @property
    def audio_tokens(self) -> int:
        """Number of tokens per clip: one for the whole clip, and the pooled framewise tokens."""
        return 1 + self.encoder.frames // self.mapper.pool

    @property
    def prefix_tokens(self) -> int:
        """Number of tokens before the answer: those of two clips, each with a separator, and those of the padded
        prompt."""
        return 2 * (self.audio_tokens + 1) + self.prompt.tokens

    def to_json(self) -> str:
        """Return the content of config.json."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str, source: Path | str) -> "MellowConfig":
        """Read the content of config.json. Raises CheckpointError if this version cannot build such a network.
        `source`: file name for the error message."""
        try:
            data = parse_json(text)
        except ValueError as error:
            raise CheckpointError(f"{source} is no JSON: {error}") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise CheckpointError(f"{source}: this version reads Mellow's config format {FORMAT}, found {found!r}")
        return _build_dataclass(
            MellowConfig, {key: value for key, value in data.items() if key != "format"}, str(source)
        )


PUBLISHED = MellowConfig(trained_on=("sound", "music", "speech"))
"""Settings of the network in v0.ckpt, which has 165,937,495 parameters."""


def _build_dataclass(cls: type[T], values: Mapping[str, Any], section: str) -> T:
    """Create a dataclass, including nested ones, from JSON values. Missing keys get the published values. Raises
    CheckpointError for unknown keys and wrong values."""
    hints = typing.get_type_hints(cls)
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise CheckpointError(f"{section} has an unknown key {name!r}; known: {format_similar_names(name, known)}")
    return cls(
        **{name: _convert_value(value, hints[name], name, f"{section}: {name}") for name, value in values.items()}
    )


def _convert_value(value: Any, kind: Any, name: str, setting: str) -> Any:
    """Convert a JSON value to the type `kind` of the field `name`. Raises CheckpointError if it has another type."""
    origin = typing.get_origin(kind)
    if origin is types.UnionType and isinstance(value, dict):
        encoder = value.get("kind", "htsat")
        if not isinstance(encoder, str) or encoder not in ENCODERS:
            known = format_similar_names(str(encoder), ENCODERS)
            raise CheckpointError(f"{setting}: unknown encoder {encoder!r:.60}; known: {known}")
        kind = ENCODERS[encoder]
    if is_dataclass(kind) and isinstance(value, dict):
        return _build_dataclass(typing.cast(type[Any], kind), value, setting)
    if origin is Literal and value in typing.get_args(kind):
        return value
    if origin is tuple and isinstance(value, list):
        inner = typing.get_args(kind)[0]
        if inner is int and len(value) > MAX_STAGES:
            raise CheckpointError(f"{setting} has {len(value)} entries, expected {MAX_STAGES} at most")
        return tuple(_convert_value(item, inner, name, setting) for item in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(_check_range(value, name, setting))
    if kind is int and type(value) is int:
        return _check_range(value, name, setting)
    if kind in (str, bool) and type(value) is kind:
        return value
    expected = kind.__name__ if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) else str(kind)
    raise CheckpointError(f"{setting} must be {expected}, found {value!r:.60}")


def _check_range(value: float, name: str, setting: str) -> float:
    """Return `value`. Raises CheckpointError if it is outside the range of the key `name`, or NaN."""
    least, most = RANGES.get(name, (0, 10**5))
    if not least <= value <= most:
        raise CheckpointError(f"{setting} must be from {least:g} to {most:,}, found {value!r:.40}")
    return value
