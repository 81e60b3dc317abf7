"""Batch APIs: output files with one line per request, identified by `custom_id`. OpenAI's format (chat completions and
responses), which vLLM, Mistral and others also write, and Anthropic's."""

from collections.abc import Mapping
from typing import Any

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row, look_up


def _is_openai_row(row: RawRow) -> bool:
    return "custom_id" in row and ("response" in row or "error" in row)


def _convert_openai_row(row: RawRow, number: int) -> Row:
    """Convert one line of OpenAI's format. A failed request has no text. The text of a refusal is used as the model's
    text."""
    chat = look_up(row, "response.body.choices.0.message")
    if isinstance(chat, Mapping):
        return Row(text=chat.get("content") or chat.get("refusal") or chat.get("content"), id=row["custom_id"])
    text = look_up(row, "response.body.choices.0.text")
    if text is MISSING:
        text = _find_last_message(look_up(row, "response.body.output"))
    return Row(text=text, id=row["custom_id"])


def _find_last_message(output: Any) -> Any:
    """Return the content of the last message of a response; reasoning and tool calls are ignored. Returns None if there
    is no message."""
    items = output if isinstance(output, list) else []
    messages = [item for item in items if isinstance(item, Mapping) and item.get("type") == "message"]
    return messages[-1].get("content") if messages else None


def _is_anthropic_row(row: RawRow) -> bool:
    return "custom_id" in row and isinstance(row.get("result"), Mapping)


def _convert_anthropic_row(row: RawRow, number: int) -> Row:
    content = look_up(row, "result.message.content")
    return Row(text=None if content is MISSING else content, id=row["custom_id"])


FORMATS = (
    Format("OpenAI batch output", _is_openai_row, _convert_openai_row),
    Format("Anthropic batch results", _is_anthropic_row, _convert_anthropic_row),
)
