"""Prompt layout of a question and its clips: the two protocols of the published Mellow.

`paper` is what the authors' training and evaluation code does, `wrapper` what their public inference wrapper does with
the same weights. They differ in the prompt, in short clips, in channels and in the second clip. `compact` is the
protocol of networks trained here with the layout of that name: no padding, and no second clip where there is none.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from tokenizers import Tokenizer

from alm_bench.core.errors import CheckpointError
from alm_bench.core.types import AudioPolicy
from alm_bench.mellow.config import FrontConfig, PromptConfig

T = TypeVar("T")

Crop = Literal["first", "centre", "random"]
ProtocolName = Literal["paper", "wrapper", "compact"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """Preparation of a question and its clips for the network."""

    name: ProtocolName
    """Name of the protocol."""

    lowercase: bool
    """Convert the prompt to lower case."""

    suffix: str
    """Text appended to the prompt."""

    audio: AudioPolicy
    """Audio policy; `policy` replaces its rate and length by those of the encoder."""

    def policy(self, encoder: FrontConfig, crop: Crop | None = None) -> AudioPolicy:
        policy = replace(self.audio, rate=encoder.rate, seconds=encoder.seconds)
        return policy if crop is None else replace(policy, crop=crop)

    def text(self, prompt: str) -> str:
        return (prompt.lower() if self.lowercase else prompt) + self.suffix

    def prompt_ids(self, prompt: str, tokenizer: Tokenizer, config: PromptConfig) -> list[int]:
        """At most `config.tokens` ids; exactly as many in the fixed layout, padded on the right.

        A cut prompt loses its suffix, as published.
        """
        ids = tokenizer.encode(self.text(prompt), add_special_tokens=False).ids[: config.tokens]
        return ids if config.layout == "compact" else ids + [config.pad] * (config.tokens - len(ids))


SUFFIX = " <|endoftext|>"
"""The blank becomes a token of its own, since the special token after it ends the word."""

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


def protocol_for(layout: str, name: ProtocolName | None, lm: str = "llama") -> Protocol:
    """The protocol of a network's layout and kind of language model.

    Raises CheckpointError where `name` belongs to another layout.
    """
    known: list[ProtocolName] = ["compact"] if layout == "compact" else ["paper", "wrapper"]
    if name is not None and name not in known:
        raise CheckpointError(
            f"protocol {name}: these weights have the {layout} layout, which takes {' or '.join(known)}"
        )
    protocol = PROTOCOLS[name or known[0]]
    # The public wrapper appends the end to GPT-2's prompts only.
    return replace(protocol, suffix=SUFFIX) if (protocol.name, lm) == ("wrapper", "gpt2") else protocol


def both_clips(clips: tuple[T, ...], layout: str) -> tuple[T, T | None]:
    """First and second clip of a request with at least one, whatever stands for them.

    Where there is no second and no spare one, the fixed layout gets the first again, the compact one none.
    """
    if len(clips) > 1:
        return clips[0], clips[1]
    return clips[0], None if layout == "compact" else clips[0]
