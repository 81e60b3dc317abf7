"""State of a connection to a server, and detection of errors that mean that no call will succeed."""

import re
from dataclasses import dataclass

QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"})
"""Error codes that mean that the account has no credit left, which waiting does not change."""

MODEL = frozenset({"model_not_found", "model_not_available", "model_not_supported", "invalid_model"})
"""Error codes that mean that the server does not know the model."""

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
    """State of the connection to a server, as far as the calls so far have shown it."""

    checked: bool = False
    """True once `CallLoop.check_connection` has passed."""

    answered: bool = False
    """True once a call has succeeded. Errors of later calls are attributed to their items."""


def find_remedy(status: int, codes: frozenset[str], message: str, audio: str) -> str | None:
    """Return advice for the user if an error reply means that no call will succeed, such as which option to change.

    `codes` are the error's code and type. `audio` is the format in which clips were sent (`none`: no clips were sent).
    Returns None for an error that concerns a single item.
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
