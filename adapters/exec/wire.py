"""JSON lines between alm-bench and a worker, encoded and decoded (protocol version 1, docs/adapters/exec.md)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from alm_bench.adapters.exec.process import WorkerFailure
from alm_bench.core import AdapterIdentity, AudioPolicy, Decoding, DecodingMethod, Output, Request, UsageError
from alm_bench.core.adapter import Delivery
from alm_bench.core.errors import format_similar_names
from alm_bench.core.foreign import replace_surrogates
from alm_bench.core.options import fill_options

VERSION = 1
MOST_PARAMETERS = 10**15
MOST_OPEN = 10**6

_IDENTITY: Mapping[str, type] = {
    "name": str,
    "weights": str,
    "dtype": str,
    "device": str,
    "parameters": int,
    "trained_on": list,
    "settings": dict,
    "note": str,
}
_HELLO = ("alm_bench", *_IDENTITY, "audio", "batch", "decodings", "delivery", "continuation")
_REPLY: Mapping[str, type] = {
    "id": str,
    "text": str,
    "error": str,
    "refusal": str,
    "truncated": bool,
    "extra": dict,
}


@dataclass(frozen=True, slots=True)
class Hello:
    """Content of a worker's first line."""

    identity: AdapterIdentity
    """Identity of the worker's model."""

    audio: AudioPolicy | None
    """Audio policy of the worker's model; None if it takes no audio."""

    batch: int
    """Number of requests that the worker prefers to receive at once."""

    delivery: Delivery
    """Value for `Abilities.delivery`: how it is known that clips reach the model (see `core.Adapter`)."""

    decodings: tuple[DecodingMethod, ...]
    """Value for `Abilities.decodings`: decoding methods that the worker supports."""

    continuation: bool
    """Value for `Abilities.continuation`: True if the worker continues a given beginning of its answer."""


def read_hello(line: bytes) -> Hello:
    """Parse a worker's first line.

    Raises WorkerFailure if it is another kind of line, UsageError for invalid values.
    """
    data = _parse_worker_line(line, 'its first line, {"alm_bench": 1, "name": ..., "audio": ...}')
    if data.get("alm_bench") != VERSION:
        raise UsageError(
            f'its first line has "alm_bench": {data.get("alm_bench")!r:.40}, expected the protocol\'s version {VERSION}'
        )
    for key in data:
        if key not in _HELLO:
            raise UsageError(f"its first line has an unknown {key!r:.60}; known: {format_similar_names(key, _HELLO)}")
    for key in ("name", "audio"):
        if key not in data:
            raise UsageError(f"its first line has no {key!r}; {_EXPECTED[key]}")
    values = {key: data[key] for key in _IDENTITY if data.get(key) is not None}
    for key, value in values.items():
        if not _is_of_type(value, _IDENTITY[key]):
            raise UsageError(f"its first line has {key} {value!r:.60}, expected {_TYPE_NAMES[_IDENTITY[key]]}")
    if not 0 <= values.get("parameters", 0) <= MOST_PARAMETERS:
        raise UsageError(f"its first line has parameters {values['parameters']!r:.40}..., expected 0 to 10^15")
    batch = data.get("batch", 1)
    if not _is_of_type(batch, int) or not 1 <= batch <= MOST_OPEN:
        raise UsageError(f"its first line has batch {batch!r:.60}, expected a whole number above 0, 10^6 at most")
    delivery: Any = "to be shown" if data.get("delivery") is None else data["delivery"]
    if delivery not in get_args(Delivery):
        known = " or ".join(map(repr, get_args(Delivery)))
        raise UsageError(f"its first line has delivery {delivery!r:.60}, expected {known}")
    decodings: Any = ["greedy", "nucleus"] if data.get("decodings") is None else data["decodings"]
    if (
        not isinstance(decodings, list)
        or not decodings
        or not all(one in get_args(DecodingMethod) for one in decodings)
    ):
        known = ", ".join(get_args(DecodingMethod))
        raise UsageError(f"its first line has decodings {decodings!r:.60}, expected a list of some of {known}")
    continuation = data.get("continuation") or False
    if not isinstance(continuation, bool):
        raise UsageError(f"its first line has continuation {continuation!r:.60}, expected {_TYPE_NAMES[bool]}")
    label = " ".join(replace_surrogates(values.pop("name", "")).split())
    if not label:
        raise UsageError(f"its first line has no 'name'; {_EXPECTED['name']}")
    trained_on = tuple(map(str, values.pop("trained_on", ())))
    settings = {str(key): str(value) for key, value in values.pop("settings", {}).items()}
    identity = AdapterIdentity(label, "exec", trained_on=trained_on, settings=settings, **values)
    return Hello(identity, _build_policy(data["audio"]), batch, delivery, tuple(decodings), continuation)


_EXPECTED = {
    "name": "expected what tables are to call the model",
    "audio": 'expected {"rate": ..., "seconds": ...}, or null for a model without audio',
}
_TYPE_NAMES: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list of texts",
    dict: "an object",
}


def _is_of_type(value: object, kind: type) -> bool:
    """Return True if a value is of a type, where a bool does not count as an int."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _build_policy(data: object) -> AudioPolicy | None:
    """Build the audio policy from its JSON object; values are parsed like command-line options. Raises UsageError."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise UsageError(f"its first line has audio {data!r:.60}; {_EXPECTED['audio']}")
    policy: AudioPolicy = fill_options(AudioPolicy, {key: str(value) for key, value in data.items()}, "its audio")
    return policy


def encode_request(request: Request, clips: Sequence[str], decoding: Decoding) -> bytes:
    """Encode a request as one line of ASCII, so that a worker can read it under any locale.

    `clips` has one entry per waveform of the request: a path, or base64.
    """
    own = len(request.audio)
    asked = {
        "id": request.id,
        "prompt": request.prompt,
        "audio": list(clips[:own]),
        "spare": next(iter(clips[own:]), None),
        "choices": list(request.choices),
        "decoding": decoding.as_dict(),
        **({"prefix": request.prefix} if request.prefix else {}),
    }
    return json.dumps(asked).encode("ascii") + b"\n"


def read_reply(line: bytes) -> tuple[str, Output]:
    """Parse a reply; return the request's id and the output. Raises WorkerFailure if the line is not a reply.

    The output is an error if the reply has an id but no valid answer.
    """
    data = _parse_worker_line(line, "one JSON object a reply and nothing else there")
    if not isinstance(data.get("id"), str):
        raise WorkerFailure(f"wrote {_quote_line(line)} on its standard output, a reply without the id of its request")
    return data["id"], _build_output(data)


def _build_output(data: Mapping[str, Any]) -> Output:
    values = {key: value for key, value in data.items() if value is not None and key != "id"}
    for key, value in values.items():
        if key not in _REPLY:
            return _build_error_output(f"an unknown {key!r:.60}; known: {format_similar_names(key, _REPLY)}")
        if not _is_of_type(value, _REPLY[key]):
            return _build_error_output(f"{key} {value!r:.60}, expected {_TYPE_NAMES[_REPLY[key]]}")
    ends = [key for key in ("text", "error", "refusal") if key in values]
    if len(ends) != 1:
        return _build_error_output(f"{' and '.join(ends) or 'no text'}, expected one of text, error and refusal")
    return Output(values.pop("text", None), **values)


def _build_error_output(problem: str) -> Output:
    """Return an output whose error says that the worker's reply has this problem."""
    return Output(None, error=f"the worker's reply has {problem}")


def _parse_worker_line(line: bytes, expected: str) -> dict[str, Any]:
    """Parse a line as a JSON object. Raises WorkerFailure for anything else.

    `expected` describes the expected content, for the message.
    """
    try:
        value = json.loads(line.decode(), parse_constant=_reject_constant)
    except (ValueError, RecursionError):  # bad UTF-8 and JSON's own error are ValueErrors
        value = None
    if not isinstance(value, dict):
        raise WorkerFailure(
            f"wrote {_quote_line(line)} on its standard output, expected {expected} (a library that prints? see the "
            "worker of alm-bench new worker)"
        )
    return value


def _reject_constant(constant: str) -> None:
    """Raise ValueError for `NaN` and `Infinity`, which Python's JSON parser would accept."""
    raise ValueError(f"{constant} is no JSON")


def _quote_line(line: bytes) -> str:
    text = " ".join(line[:400].decode(errors="replace").split())
    return f"{text[:80]!r}..." if len(text) > 80 else repr(text)
