"""Is a long clip heard to its end? Servers and processors cut clips silently, most of them at 30 s."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alm_bench.core import Adapter, Output

SHORT, LONG = "30 s of a tone", "30 s of a tone, then 15 s of noise"
SECONDS: Mapping[str, tuple[tuple[str, float], ...]] = {
    SHORT: (("tone", 30.0),),
    LONG: (("tone", 30.0), ("noise", 15.0)),
}
"""Sounds of the two clips and their seconds, one after the other."""

TOKENS = ("audio_tokens", "prompt_tokens")


@dataclass(frozen=True, slots=True)
class LengthCheck:
    """What becomes of a clip of 45 s."""

    verdict: Literal["whole", "cut", "not known"]

    reason: str
    """The evidence, in one phrase."""


def applies(adapter: Adapter) -> bool:
    """Whether the adapter hands on clips of 45 s as they are: what it crops itself is known from its policy."""
    policy = adapter.audio
    whole = sum(seconds for _, seconds in SECONDS[LONG])
    return policy is not None and policy.seconds is None and (policy.max_seconds is None or policy.max_seconds >= whole)


def judge_length(short: Output, long: Output, counts_audio: bool) -> LengthCheck:
    """Compare the outputs for the two clips. `counts_audio`: whether its token counts tell that there is a clip."""
    for name, output in ((SHORT, short), (LONG, long)):
        if output.text is None:
            return LengthCheck("not known", f"{name}: {output.error or output.refusal or 'no text'}")
    for name in TOKENS if counts_audio else ():
        ours, theirs = short.extra.get(name), long.extra.get(name)
        if isinstance(ours, int) and isinstance(theirs, int):
            told = f"{name.replace('_', ' ')}: {ours} for 30 s, {theirs} for 45 s"
            return LengthCheck("whole" if theirs > ours else "cut", told)
    if short.text != long.text:
        return LengthCheck("whole", "the answers to 30 s and to 45 s differ")
    return LengthCheck("not known", "the answers to 30 s and to 45 s are the same")
