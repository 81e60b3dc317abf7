"""State of a server as seen by its client, and the errors that mean that no call will succeed."""

import re
from dataclasses import dataclass

QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"})
"""Codes by which servers say that an account has nothing left, which waiting does not change."""

MODEL = frozenset({"model_not_found", "model_not_available", "model_not_supported", "invalid_model"})
"""Codes by which servers say that they do not know a model."""

_MODEL = re.compile(
    r"\bmodel\b.{0,120}\b(?:does not exist|not found|not available|unknown|invalid)|invalid model", re.I
)
_AUDIO = re.compile(
    r"audio\b.{0,60}\b(?:not|isn't|is un|un)\s?-?support|(?:not|n't|un)\s?-?support.{0,60}\baudio"
    r"|at most 0 audio|\b(?:input_audio|audio_url)\b|no audio (?:input|encoder)|mmproj",
    re.I,
)


@dataclass(slots=True)
class Session:
    """State of a server as an adapter has seen it."""

    met: bool = False
    """Whether somebody listened at the address."""

    answered: bool = False
    """Whether a call succeeded: what fails afterwards is a matter of its item."""


def advice(status: int, codes: frozenset[str], message: str, audio: str) -> str | None:
    """Return what to set where an error reply means that no call will succeed; None for faults of one item.

    `codes` are the error's code and type, `audio` how clips were sent (`none`: they were not).
    """
    if status == 402 or codes & QUOTA:
        return "the account's quota is used up: top it up, or name another key with api_key_env="
    if codes & MODEL or (status in (400, 403) and _MODEL.search(message)):
        return "set model= to a name that the server has"
    if audio != "none" and 400 <= status < 600 and status != 429 and _AUDIO.search(message):
        others = [style for style in ("input_audio", "audio_url", "input_audio_url") if style != audio]
        return (
            f"the server does not take audio as {audio}: set audio= to {' or '.join(others)}, start it with audio "
            "support, or set audio=none for a text-only run"
        )
    return None
