"""How a question and its clips are put before the network: the two protocols of the published Mellow.

`paper` is what the authors' training and evaluation code does, `wrapper` what their public inference wrapper does with
the same weights. They differ in the prompt, in short clips, in channels and in the second clip.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tokenizers import Tokenizer

from alm_bench.core.types import AudioPolicy, Wave
from alm_bench.mellow.config import EncoderConfig, PromptConfig

Crop = Literal["first", "centre", "random"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """`suffix` is appended to the prompt. `audio`'s rate and seconds are set to the encoder's by `policy`."""

    name: Literal["paper", "wrapper"]
    lowercase: bool
    suffix: str
    audio: AudioPolicy

    def policy(self, encoder: EncoderConfig, crop: Crop | None = None) -> AudioPolicy:
        policy = replace(self.audio, rate=encoder.rate, seconds=encoder.seconds)
        return policy if crop is None else replace(policy, crop=crop)

    def text(self, prompt: str) -> str:
        return (prompt.lower() if self.lowercase else prompt) + self.suffix

    def prompt_ids(self, prompt: str, tokenizer: Tokenizer, config: PromptConfig) -> list[int]:
        """Exactly `config.tokens` ids: cut, or padded on the right. A cut prompt loses its suffix, as published."""
        ids = tokenizer.encode(self.text(prompt), add_special_tokens=False).ids[: config.tokens]
        return ids + [config.pad] * (config.tokens - len(ids))


PROTOCOLS: dict[Literal["paper", "wrapper"], Protocol] = {
    "paper": Protocol(
        name="paper",
        lowercase=True,
        # The blank becomes a token of its own, since the special token after it ends the word.
        suffix=" <|endoftext|>",
        audio=AudioPolicy(crop="random", short="zeros", channels="mean_first_two", spare=True),
    ),
    "wrapper": Protocol(
        name="wrapper",
        lowercase=False,
        suffix="",
        audio=AudioPolicy(crop="random", short="repeat", channels="end_to_end", spare=False),
    ),
}


def both_clips(waves: tuple[Wave, ...]) -> tuple[Wave, Wave]:
    """First and second clip of a request with at least one: the first again where there is no second and no spare."""
    return waves[0], waves[1 if len(waves) > 1 else 0]
