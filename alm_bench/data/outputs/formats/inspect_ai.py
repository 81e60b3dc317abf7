"""inspect_ai: the `samples` of a log in JSON, or the members `samples/ID_epoch_N.json` of an .eval archive."""

from collections.abc import Mapping
from typing import Any

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row, extract_user_text, look_up

_ATTACHMENT_PREFIX = "attachment://"


def _is_inspect_ai_row(row: RawRow) -> bool:
    return "epoch" in row and "target" in row and ("output" in row or "error" in row)


def _convert_row(row: RawRow, number: int) -> Row:
    text = look_up(row, "output.choices.0.message.content")
    if text is MISSING:
        text = look_up(row, "output.completion")
    metadata = row.get("metadata")
    return Row(
        text=None
        if text is MISSING
        else _resolve_attachment(text, row.get("attachments")),  # a failed sample has no output
        id=row.get("id", MISSING),
        question=_resolve_attachment(extract_user_text(row.get("input")), row.get("attachments")),
        choices=row.get("choices") or MISSING,
        gold=row["target"],
        fields=metadata if isinstance(metadata, Mapping) else {},
    )


def _resolve_attachment(text: Any, attachments: Any) -> Any:
    """Return the content of an attachment if `text` is a pointer to one, else `text` unchanged. inspect_ai stores long
    texts separately, under a hash. If the attachment is missing, the result is a dictionary, so that the pointer is not
    scored as the model's text."""
    if not isinstance(text, str) or not text.startswith(_ATTACHMENT_PREFIX):
        return text
    found = attachments.get(text.removeprefix(_ATTACHMENT_PREFIX)) if isinstance(attachments, Mapping) else None
    return {"attachment": text} if found is None else found


FORMATS = (Format("inspect_ai log", _is_inspect_ai_row, _convert_row),)
