"""Parsing of a server's reply into an output."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.adapters.openai.streamed import NoReplyError, is_stream, join_chunks, parse_object
from alm_bench.core import Output
from alm_bench.core.foreign import parse_json

POLICY = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "data_inspection_failed",
        "invalid_prompt",
    }
)
"""Error codes that mean that a content policy, not a fault, prevented an answer."""

LONGEST_REASON = 300
"""Largest number of characters of a server's error message that is kept, since some servers send whole web pages."""

_VERSION = re.compile(r"[-@:](\d{4}-\d{2}-\d{2}|\d{4,8}|main|latest)$")


class UsageFieldError(Exception):
    """The field `usage` of a reply has an invalid token count or cost. Another attempt would not help."""


def parse_reply(text: str, options: OpenAIOptions, estimate: float | None = None) -> Output:
    """Parse a reply with status 200, streamed or not. Token counts and cost are returned in the output's `extra`.

    `estimate` is the cost if the reply has no token counts, see `usage`. Raises NoReplyError for an unusable reply.
    """
    if is_stream(text):
        return _parse_completion(join_chunks(text), text, options, estimate)
    return _parse_completion(parse_object(text, "the reply"), text, options, estimate)


def _parse_completion(reply: Mapping[str, Any], text: str, options: OpenAIOptions, estimate: float | None) -> Output:
    """Return the output of `reply`, parsed from the body `text`. `parse_reply` describes the rest."""
    if reply.get("error"):
        failed = build_failure_output(200, json.dumps(reply) if is_stream(text) else text)
        if failed.refusal is not None:
            return failed
        raise NoReplyError(failed.error)
    try:
        extra = build_usage_extra(reply.get("usage"), options, estimate)
    except UsageFieldError as error:
        return Output(None, error=f"the reply's usage has {error}", extra=build_usage_extra(None, options, estimate))
    model = reply.get("model")
    if isinstance(model, str) and model and not is_same_model(options, model):
        return Output(
            None,
            error=f"the reply is of the model {model!r}, asked was {options.model!r}: name the one that the server has "
            f"with model=, or allow it with answers_as={model}",
            extra=extra,
        )
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise NoReplyError("the reply holds no choices")
    return _build_output(choice, choice["message"], extra)


def _build_output(choice: Mapping[str, Any], message: Mapping[str, Any], extra: dict[str, Any]) -> Output:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        extra = {**extra, "reasoning": reasoning}
    finished = choice.get("finish_reason")
    if finished == "error":
        raise NoReplyError("the reply breaks off with finish_reason error")
    if message.get("refusal"):
        return Output(None, refusal=f"refused: {message['refusal']}", extra=extra)
    if finished == "content_filter":
        return Output(None, refusal="content filter (finish_reason content_filter)", extra=extra)
    content = message.get("content")
    if content is None and isinstance(spoken := message.get("audio"), dict):  # a model that answers with speech
        content = spoken.get("transcript")
    # The content is null if all tokens were spent on reasoning; the answer is then empty.
    return Output(_join_text(content), truncated=finished == "length", extra=extra)


def _join_text(content: object) -> str:
    """Return a message's content as one string; text parts of a list are joined. Raises NoReplyError otherwise."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str))
    raise NoReplyError(f"the reply's content is no text, found {type(content).__name__}")


def is_same_model(options: OpenAIOptions, model: str) -> bool:
    """Return True if the model name `model` in a reply stands for the requested model.

    The names may differ in a preceding organisation, or in a trailing date or revision (`gpt-4o` equals
    `gpt-4o-2024-08-06`, but not `gpt-4o-mini`). The name in the option `answers_as` is accepted too.
    """
    if model in (options.model, options.answers_as):
        return True
    (*mine, name), (*theirs, other) = options.model.lower().split("/"), model.lower().split("/")
    if mine and theirs and mine != theirs:
        return False
    return name == other or _VERSION.sub("", name) == other or _VERSION.sub("", other) == name


def build_usage_extra(reported: object, options: OpenAIOptions, estimate: float | None = None) -> dict[str, Any]:
    """Return a call's token counts and cost, as entries for `Output.extra`.

    `reported` is the reply's field `usage`, which contains the counts. The cost follows from the user's prices; without
    prices, it is the one that the server reports, if any. With prices, a call without reported token counts costs
    `estimate`, and `estimated_calls` is 1. Raises UsageFieldError.
    """
    if not isinstance(reported, dict | None):
        raise UsageFieldError(f"{_describe_type(reported)} in its place, expected an object")
    reported = reported or {}
    details = reported.get("prompt_tokens_details")
    if not isinstance(details, dict | None):
        raise UsageFieldError(f"{_describe_type(details)} as prompt_tokens_details, expected an object")
    written = reported.get("completion_tokens_details")
    counts = {
        "prompt_tokens": reported.get("prompt_tokens"),
        "audio_tokens": (details or {}).get("audio_tokens"),
        "completion_tokens": reported.get("completion_tokens"),
        "reasoning_tokens": written.get("reasoning_tokens") if isinstance(written, dict) else None,
    }
    extra: dict[str, Any] = {name: _check_count(name, count) for name, count in counts.items() if count is not None}
    if options.price_in is None:
        own = reported.get("cost")
        return extra if own is None else {**extra, "cost": _check_cost(own)}
    # Some servers report 0 instead of a count; a prompt always has tokens.
    if extra.get("prompt_tokens") and "completion_tokens" in extra:
        audio = min(extra.get("audio_tokens", 0), extra["prompt_tokens"])
        extra["cost"] = compute_cost(options, extra["prompt_tokens"], audio, extra["completion_tokens"])
    elif estimate is not None:
        extra |= {"cost": estimate, "estimated_calls": 1}
    return extra


MOST_TOKENS = 10**12
"""Largest token count of one call; larger numbers are rejected as invalid."""


def _check_count(name: str, value: object) -> int:
    """Check a token count and return it as int. Raises UsageFieldError."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= MOST_TOKENS:  # type: ignore[operator]
        raise UsageFieldError(f"{name} {_quote_value(value)}, expected a whole number from 0 to 10^12")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _check_cost(value: object) -> float:
    """Check a cost in US dollars and return it as float. Raises UsageFieldError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e6:  # NaN is in no range
        raise UsageFieldError(f"cost {_quote_value(value)}, expected US dollars from 0 to 1,000,000")
    return float(value)


def _quote_value(value: object) -> str:
    """Format a value of a reply for an error message, shortened if it is long."""
    if isinstance(value, int) and abs(value) > MOST_TOKENS:
        return f"of about {value.bit_length() * math.log10(2):.0f} digits"
    return f"{value!r:.40}"


def _describe_type(value: object) -> str:
    return f"a {type(value).__name__}"


def compute_cost(options: OpenAIOptions, prompt: int, audio: int, completion: int) -> float:
    """Return the cost of a call in US dollars, by the user's prices.

    `prompt` is the number of input tokens, including `audio` audio tokens. Discounts for cached tokens are not applied.
    """
    price_in, price_out = options.price_in or 0.0, options.price_out or 0.0
    price_audio = price_in if options.price_audio_in is None else options.price_audio_in
    return round(((prompt - audio) * price_in + audio * price_audio + completion * price_out) / 1e6, 9)


def build_failure_output(status: int, text: str) -> Output:
    """Return the output for an error reply with this HTTP status and body.

    It is a refusal if the error code names a content policy, else an error.
    """
    error = _find_error(text)
    message = " ".join(str(error.get("message") or text).split())[:LONGEST_REASON] or "no reason given"
    policy = next(iter(sorted(list_error_codes(text) & POLICY)), None)
    if policy is not None:
        return Output(None, refusal=f"content policy ({policy}): {message}")
    return Output(None, error=f"the server answered {status}: {message}")


def list_error_codes(text: str) -> frozenset[str]:
    """Return the code and the type of an error reply, in lower case."""
    error = _find_error(text)
    inner = error.get("innererror")
    codes = (error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None)
    return frozenset(code.lower() for code in codes if isinstance(code, str))


def _find_error(text: str) -> Mapping[str, Any]:
    """Return the object that describes the error in a reply, whatever the server nests it in; {} if there is none."""
    try:
        reply = parse_json(text)
    except ValueError:
        return {}
    if not isinstance(reply, dict):
        return {}
    error = reply.get("error", reply)
    if isinstance(error, dict):
        return {**error, "message": error.get("message") or error.get("detail")}
    return {"message": error}
