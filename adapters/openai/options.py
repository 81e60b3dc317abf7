"""Options of the model `openai`, and the API key that they refer to."""

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from alm_bench.adapters.hf.families import ClipOrder, find_clip_order
from alm_bench.core import UsageError
from alm_bench.core.foreign import parse_json
from alm_bench.core.secrets import MIN_SECRET_LENGTH, find_secrets, replace_secrets

HOSTED = "https://api.openai.com/v1"
CALL_OPTIONS = (
    *("concurrency", "timeout", "deadline", "retries", "max_reply_mb", "stream"),
    *("api_key_env", "answers_as", "audio_tokens_per_second"),
)
PRICES = ("price_in", "price_out", "price_audio_in")
RESERVED_FIELDS = ("model", "messages", "stream", "n")
"""Fields of the request body that `extra_body` must not set."""


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """Options of models behind OpenAI-compatible servers."""

    model: str
    """Name of the model on the server."""

    base_url: str = HOSTED
    """URL of the server's API."""

    api_key_env: str | None = None
    """Environment variable that holds the API key. Default: OPENAI_API_KEY if `base_url` is OpenAI's, else no key is
    sent.
    """

    audio: Literal["input_audio", "audio_url", "input_audio_url", "none"] = "input_audio"
    """Content part for clips: OpenAI's (`input_audio`), vLLM's (`audio_url`), or OpenAI's with a data URL
    (`input_audio_url`, DashScope). `none` sends text only.
    """

    order: ClipOrder | None = None
    """Order of clips and text in a message. A checkpoint answers best in the order that it was trained on. None: the
    order of the checkpoint that `model` names, or `clip-first` if it is not known.
    """

    stream: bool = False
    """Request streamed answers, which keeps connections open that would otherwise time out."""

    rate: int = 16_000
    """Sample rate of the audio sent, in Hz."""

    max_seconds: float | None = None
    """Longest clip, in seconds. None: no limit."""

    join: float | None = None
    """Send two clips as one, separated by this many seconds of silence."""

    system: str | None = None
    """System message."""

    extra_body: str | None = None
    """JSON object that is merged into the body of each request; null removes a field."""

    answers_as: str | None = None
    """Model name, other than `model`, that is accepted in replies."""

    recode: Literal["auto", "always"] = "auto"
    """Form of clips: `auto` sends a clip's file unchanged if it is a mono WAV, MP3 or FLAC file at `rate`, and encodes
    other clips as WAV; `always` encodes every clip as WAV.
    """

    concurrency: int | None = None
    """Largest number of concurrent calls. None: as many as the server bears."""

    timeout: float = 120.0
    """Seconds for one attempt."""

    deadline: float = 600.0
    """Seconds for one item, retries included."""

    retries: int = 5
    """Largest number of attempts after the first."""

    max_reply_mb: float = 4.0
    """Largest size of a reply after decompression, in MB."""

    price_in: float | None = None
    """US dollars per million input tokens."""

    price_out: float | None = None
    """US dollars per million output tokens."""

    price_audio_in: float | None = None
    """US dollars per million audio tokens; default: `price_in`."""

    audio_tokens_per_second: float = 25.0
    """Audio tokens per second of audio; used for estimates only."""

    def __post_init__(self) -> None:
        """Raise UsageError for invalid values."""
        for name in ("concurrency", "timeout", "deadline", "rate", "max_reply_mb"):
            value = getattr(self, name)
            _check_option(value is None or 0 < value < math.inf, name, "a number above 0", value)
        for name in ("retries", "join", "audio_tokens_per_second", *PRICES):
            value = getattr(self, name)
            _check_option(value is None or 0 <= value < math.inf, name, "a number of 0 or more", value)
        if not self.model:
            raise UsageError("model openai: option model takes the name of a model, found none")
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("model openai: price_in and price_out go together, found one of them")
        if self.price_audio_in is not None and self.price_in is None:
            raise UsageError("model openai: price_audio_in goes with price_in and price_out, found neither")
        self._check_url()
        _ = self.extra_body_fields

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
    def extra_body_fields(self) -> dict[str, Any]:
        """Parsed value of `extra_body`; {} without one. Raises UsageError if it is not a JSON object or sets a field of
        `RESERVED_FIELDS`.
        """
        if self.extra_body is None:
            return {}
        try:
            value = parse_json(self.extra_body)
        except ValueError as error:
            raise UsageError(f"model openai: extra_body takes a JSON object, which this is not ({error})") from error
        if not isinstance(value, dict):
            raise UsageError(f"model openai: extra_body takes a JSON object, found {type(value).__name__}")
        for name in RESERVED_FIELDS:
            if name in value:
                raise UsageError(f"model openai: extra_body cannot set {name}, expected other fields")
        return value

    @property
    def clip_order(self) -> ClipOrder:
        """Order of clips and text in a message: the option `order`, or that of the checkpoint."""
        return self.order or find_clip_order(self.model)

    @property
    def account_headers(self) -> dict[str, str]:
        """Headers that name the organisation and the project of an account with OpenAI, from the environment."""
        names = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
        return {
            header: os.environ[name] for header, name in names.items() if self.is_openai_server and os.environ.get(name)
        }

    def make_scrubber(self, key: str | None) -> Callable[[Any], Any]:
        """Return a function that returns a value without secrets: in all its strings, also within lists and dicts, the
        API key and the secrets among the options are replaced.
        """
        secrets = find_secrets(asdict(self))
        hidden = {key} if key is not None and len(key) >= MIN_SECRET_LENGTH else set()
        return lambda value: replace_secrets(replace_secrets(value, hidden, "[key]"), secrets)

    @property
    def is_openai_server(self) -> bool:
        """True if the server is OpenAI's."""
        return urlsplit(self.base_url).hostname == urlsplit(HOSTED).hostname

    @property
    def is_loopback(self) -> bool:
        """True if the server is on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def read_key(self) -> str | None:
        """Return the API key from the environment; None if no key is sent.

        Raises UsageError if the variable is not set, or if an option contains the key, which would be stored with the
        run.
        """
        name = self.api_key_env or ("OPENAI_API_KEY" if self.is_openai_server else None)
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise UsageError(
                f"model openai: no key in the environment variable {name}: set it, or name another with api_key_env="
            )
        if len(key) >= MIN_SECRET_LENGTH and any(key in str(getattr(self, field.name)) for field in fields(self)):
            raise UsageError(f"model openai: an option holds the key of {name}, and would be stored with the run")
        return key


def _check_option(is_valid: bool, name: str, expected: str, value: object) -> None:
    """Raise UsageError unless `is_valid` is True; the message names the option, its value and the expected values."""
    if not is_valid:
        raise UsageError(f"model openai: option {name} takes {expected}, found {value}")
