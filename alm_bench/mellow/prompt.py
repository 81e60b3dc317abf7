"""Prompt protocols: preparation of a question and its clips for the network.

`paper` is the protocol of the authors' training and evaluation code. `wrapper` is the protocol of their public
inference wrapper for the same weights. They differ in the prompt, in short clips, in channels and in the second clip.
`compact` is the protocol of networks with the compact layout, which are trained with this package: prompts are not
padded, and a question about one clip gets no second clip.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from tokenizers import Tokenizer

from alm_bench.core.errors import CheckpointError
from alm_bench.core.types import AudioPolicy
from alm_bench.mellow.config import FrontEndConfig, PromptConfig

T = TypeVar("T")

Crop = Literal["first", "centre", "random"]
"""Position of the crop of a long clip."""
ProtocolName = Literal["paper", "wrapper", "compact"]
"""Name of a protocol."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules by which a question and its clips are prepared for the network: text of the prompt, and audio policy."""

    name: ProtocolName
    """Name of the protocol."""

    lowercase: bool
    """True to convert prompts to lower case."""

    suffix: str
    """Text that is appended to prompts."""

    audio: AudioPolicy
    """Audio policy. `build_policy` replaces its sample rate and length by the encoder's."""

    def build_policy(self, encoder: FrontEndConfig, crop: Crop | None = None) -> AudioPolicy:
        """Return the audio policy for an encoder. `crop` replaces the protocol's crop position."""
        policy = replace(self.audio, rate=encoder.rate, seconds=encoder.seconds)
        return policy if crop is None else replace(policy, crop=crop)

    def format_prompt(self, prompt: str) -> str:
        """Return the prompt in the protocol's form, with its suffix."""
        return (prompt.lower() if self.lowercase else prompt) + self.suffix

    def encode_prompt(self, prompt: str, tokenizer: Tokenizer, config: PromptConfig) -> list[int]:
        """Return the token ids of a prompt.

        In the fixed layout there are exactly `config.tokens` ids, padded on the right. In the compact layout there are
        at most `config.tokens`. A truncated prompt loses its suffix, as in the published code.
        """
        ids = tokenizer.encode(self.format_prompt(prompt), add_special_tokens=False).ids[: config.tokens]
        return ids if config.layout == "compact" else ids + [config.pad] * (config.tokens - len(ids))


SUFFIX = " <|endoftext|>"
"""Suffix of prompts. The space becomes a separate token, because the special token after it ends the word."""

PROTOCOLS: dict[ProtocolName, Protocol] = {
    "paper": Protocol(
        name="paper",
        lowercase=True,
        suffix=SUFFIX,
        audio=AudioPolicy(crop="random", short="zeros", channels="mean_first_two", spare=True),
    ),
    "wrapper": Protocol(
        name="wrapper",
        lowercase=False,
        suffix="",
        audio=AudioPolicy(crop="random", short="repeat", channels="end_to_end", spare=False),
    ),
    "compact": Protocol(
        name="compact",
        lowercase=True,
        suffix="",
        audio=AudioPolicy(crop="random", short="zeros", channels="mean_first_two", spare=False),
    ),
}
"""Protocols by name."""


def select_protocol(layout: str, name: ProtocolName | None, lm: str = "llama") -> Protocol:
    """Return the protocol for a network's layout and kind of language model.

    `name` selects one of the layout's protocols; default: `compact` for the compact layout, else `paper`. Raises
    CheckpointError if `name` belongs to another layout.
    """
    known: list[ProtocolName] = ["compact"] if layout == "compact" else ["paper", "wrapper"]
    if name is not None and name not in known:
        raise CheckpointError(
            f"protocol {name}: these weights have the {layout} layout, which takes {' or '.join(known)}"
        )
    protocol = PROTOCOLS[name or known[0]]
    # The public wrapper appends the suffix to GPT-2's prompts only.
    return replace(protocol, suffix=SUFFIX) if (protocol.name, lm) == ("wrapper", "gpt2") else protocol


def select_clip_pair(clips: tuple[T, ...], layout: str) -> tuple[T, T | None]:
    """Return the first and the second clip of a request, whose clips (objects of any type) are `clips`.

    If there is only one clip, the second one is the same clip in the fixed layout, and None in the compact layout.
    """
    if len(clips) > 1:
        return clips[0], clips[1]
    return clips[0], None if layout == "compact" else clips[0]
