"""Assembly of a streamed reply (server-sent events of `chat.completion.chunk`) into one chat completion."""

import re
from typing import Any

from alm_bench.core.foreign import parse_json

TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a chunk whose texts are concatenated."""


_LINE_END = re.compile(r"\r\n|\r|\n")  # no other line ends: a text may contain U+2028


class NoReplyError(Exception):
    """The body is not a usable chat completion: it breaks off or has no choices. Another attempt may succeed."""


def parse_object(text: str, description: str) -> dict[str, Any]:
    """Parse a JSON object; `description` names it in messages. Raises NoReplyError for anything else."""
    try:
        value = parse_json(text)
    except ValueError as error:
        raise NoReplyError(f"{description} is no JSON ({len(text)} characters, {error})") from error
    if not isinstance(value, dict):
        raise NoReplyError(f"{description} is no JSON object, found {type(value).__name__}")
    return value


def is_stream(text: str) -> bool:
    """Return True if a body is a stream of events; some servers stream without a request to do so."""
    return text.lstrip().startswith(("data:", "event:", ":"))


def join_chunks(text: str) -> dict[str, Any]:
    """Join the chunks of the first choice to one reply; `usage` and `model` are taken from the last chunk that has
    them.

    An error within the stream is returned as `{"error": ...}`. Raises NoReplyError if the stream breaks off, that is,
    if it has neither a `finish_reason` nor the closing `[DONE]`.
    """
    reply: dict[str, Any] = {}
    message: dict[str, Any] = {"content": None}
    spoken: list[str] = []
    finished: Any = None
    done = False
    for data in _split_events(text):
        if data == "[DONE]":
            done = True
            break
        piece = parse_object(data, "a piece of the streamed reply")
        if piece.get("error"):
            return {"error": piece["error"]}
        reply |= {name: piece[name] for name in ("id", "model", "usage") if piece.get(name) is not None}
        choices = piece.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            continue
        finished = choice.get("finish_reason") or finished
        delta = choice.get("delta")
        if isinstance(delta, dict):
            _append_delta(message, delta)
            if isinstance(audio := delta.get("audio"), dict) and isinstance(audio.get("transcript"), str):
                spoken.append(audio["transcript"])
    if finished is None and not done:
        raise NoReplyError("the streamed reply breaks off")
    if spoken:
        message["audio"] = {"transcript": "".join(spoken)}
    return {**reply, "choices": [{"index": 0, "message": message, "finish_reason": finished}]}


def _append_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Append the text fields of a chunk to the message, which is changed in place. `delta` is the chunk's content."""
    for name in TEXT_FIELDS:
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]


def _split_events(text: str) -> list[str]:
    """Return the data of each server-sent event: its `data:` lines, joined by newlines (WHATWG specification)."""
    events: list[str] = []
    lines: list[str] = []
    for line in [*_LINE_END.split(text), ""]:
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            events.append("\n".join(lines))
            lines = []
    return events
