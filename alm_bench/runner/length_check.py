"""Check that a long clip reaches the model to its end. Servers and processors cut clips silently, most of them at 30
s."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alm_bench.core import Adapter, Output

SHORT, LONG = "30 s of a tone", "30 s of a tone, then 15 s of noise"
SECONDS: Mapping[str, tuple[tuple[str, float], ...]] = {
    SHORT: (("tone", 30.0),),
    LONG: (("tone", 30.0), ("noise", 15.0)),
}
"""Parts of each of the two clips, in order: sound and length in seconds."""

TOKENS = ("audio_tokens", "prompt_tokens")
"""Token counts that are compared, the preferred one first."""


@dataclass(frozen=True, slots=True)
class LengthCheck:
    """Result of the check that the end of a clip of 45 s reaches the model."""

    verdict: Literal["whole", "cut", "not known"]
    """`whole`: the end reaches the model. `cut`: it does not. `not known`: neither can be shown."""

    reason: str
    """Evidence for the verdict, in one phrase."""


def can_check_length(adapter: Adapter) -> bool:
    """Return True if the adapter itself, by its audio policy, does not crop clips of 45 s."""
    policy = adapter.audio
    whole = sum(seconds for _, seconds in SECONDS[LONG])
    return policy is not None and policy.seconds is None and (policy.max_seconds is None or policy.max_seconds >= whole)


def compare_clip_lengths(short: Output, long: Output, tokens_include_audio: bool) -> LengthCheck:
    """Judge from the outputs for a short and a long clip if the end of the long clip reaches the model.

    `tokens_include_audio` is True if the model's token counts depend on the clip; if it is False, the counts are not
    compared.
    """
    for name, output in ((SHORT, short), (LONG, long)):
        if output.text is None:
            return LengthCheck("not known", f"{name}: {output.error or output.refusal or 'no text'}")
    for name in TOKENS if tokens_include_audio else ():
        ours, theirs = short.extra.get(name), long.extra.get(name)
        if isinstance(ours, int) and isinstance(theirs, int):
            told = f"{name.replace('_', ' ')}: {ours} for 30 s, {theirs} for 45 s"
            return LengthCheck("whole" if theirs > ours else "cut", told)
    if short.text != long.text:
        return LengthCheck("whole", "the answers to 30 s and to 45 s differ")
    return LengthCheck("not known", "the answers to 30 s and to 45 s are the same")
