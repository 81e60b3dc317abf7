"""Options of the model `openai`, and the key that they name."""

import math
import os
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from alm_bench.core import UsageError
from alm_bench.core.foreign import parse_json
from alm_bench.core.secrets import SHORTEST_SECRET, find_secrets, replace_secrets

HOSTED = "https://api.openai.com/v1"
PACE = (
    *("concurrency", "timeout", "deadline", "retries", "max_reply_mb"),
    *("api_key_env", "answers_as", "audio_tokens_per_second"),
)
PRICES = ("price_in", "price_out", "price_audio_in")
OWN = ("model", "messages", "stream", "n")
"""Fields of a call's body that `extra_body` cannot set."""


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """`model` is the name under which the server knows it, `answers_as` another that its replies may bear.

    `api_key_env` names the environment variable with the key; OPENAI_API_KEY where `base_url` is OpenAI's own, and no
    key is sent to other servers unless it is named. `audio` is the kind of content part; none sends text alone.
    `rate` (Hz) and `max_seconds` are of the audio sent. `join` sends two clips as one, so many seconds of silence
    between them. `extra_body` is a JSON object over the call's body, in which null takes a field away.
    `timeout` is of one attempt and `deadline` of one item, its retries included, in seconds; `retries` is a number of
    attempts beyond the first. A reply of more than `max_reply_mb` MB, unpacked, is not read. Prices are US dollars per
    million tokens, `price_audio_in` that of audio tokens where it differs. `audio_tokens_per_second` is for estimates
    alone.
    """

    model: str
    base_url: str = HOSTED
    api_key_env: str | None = None
    audio: Literal["input_audio", "audio_url", "none"] = "input_audio"
    rate: int = 16_000
    max_seconds: float | None = None
    join: float | None = None
    system: str | None = None
    extra_body: str | None = None
    answers_as: str | None = None
    concurrency: int = 8
    timeout: float = 120.0
    deadline: float = 600.0
    retries: int = 5
    max_reply_mb: float = 4.0
    price_in: float | None = None
    price_out: float | None = None
    price_audio_in: float | None = None
    audio_tokens_per_second: float = 25.0

    def __post_init__(self) -> None:
        """Raise UsageError for invalid values."""
        for name in ("concurrency", "timeout", "deadline", "rate", "max_reply_mb"):
            _expect(0 < getattr(self, name) < math.inf, name, "a number above 0", getattr(self, name))
        for name in ("retries", "join", "audio_tokens_per_second", *PRICES):
            value = getattr(self, name)
            _expect(value is None or 0 <= value < math.inf, name, "a number of 0 or more", value)
        if not self.model:
            raise UsageError("model openai: option model takes the name of a model, found none")
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("model openai: price_in and price_out go together, found one of them")
        if self.price_audio_in is not None and self.price_in is None:
            raise UsageError("model openai: price_audio_in goes with price_in and price_out, found neither")
        self._check_url()
        _ = self.body

    def _check_url(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"model openai: base_url takes an address like http://127.0.0.1:8000/v1, found {self.base_url!r}"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                "model openai: base_url holds more than an address, and would be stored with the run; expected "
                "a key in the environment, named with api_key_env=VARIABLE"
            )

    @property
    def body(self) -> dict[str, Any]:
        """`extra_body`, read. Raises UsageError."""
        if self.extra_body is None:
            return {}
        try:
            value = parse_json(self.extra_body)
        except ValueError as error:
            raise UsageError(f"model openai: extra_body takes a JSON object, which this is not ({error})") from error
        if not isinstance(value, dict):
            raise UsageError(f"model openai: extra_body takes a JSON object, found {type(value).__name__}")
        for name in OWN:
            if name in value:
                raise UsageError(f"model openai: extra_body cannot set {name}, expected other fields")
        return value

    @property
    def hosted(self) -> bool:
        """True if the server is OpenAI's own."""
        return urlsplit(self.base_url).hostname == urlsplit(HOSTED).hostname

    def key(self) -> str | None:
        """The key of the environment, None where the server is sent none. Raises UsageError."""
        name = self.api_key_env or ("OPENAI_API_KEY" if self.hosted else None)
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise UsageError(
                f"model openai: no key in the environment variable {name}: set it, or name another with api_key_env="
            )
        if len(key) >= SHORTEST_SECRET and any(key in str(getattr(self, field.name)) for field in fields(self)):
            raise UsageError(f"model openai: an option holds the key of {name}, and would be stored with the run")
        return key


def _expect(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise UsageError(f"model openai: option {name} takes {expected}, found {found}")


def scrub(value: Any, options: OpenAIOptions, key: str | None) -> Any:
    """Texts, in lists and tables too, without the key and without the secrets among the options."""
    if key is not None and len(key) >= SHORTEST_SECRET:
        value = replace_secrets(value, {key}, "[key]")
    return replace_secrets(value, find_secrets(asdict(options)))
