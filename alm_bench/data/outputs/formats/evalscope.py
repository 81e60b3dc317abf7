"""EvalScope: its two cache folders, with one line per item. `predictions/` holds the reply; `reviews/` holds the
prompt, the letter of the reference and the score. Options are part of the prompt."""

from collections.abc import Mapping

from alm_bench.data.outputs.row import (
    MISSING,
    Format,
    RawRow,
    Row,
    extract_user_text,
    find_row_id,
    get_first_value,
    look_up,
)


def _is_prediction_row(row: RawRow) -> bool:
    if "index" not in row:
        return False
    return isinstance(row.get("model_output"), Mapping) or look_up(row, "choices.0.message") is not MISSING


def _convert_prediction(row: RawRow, number: int) -> Row:
    metadata = row.get("metadata")
    fields = metadata if isinstance(metadata, Mapping) else {}
    found = (look_up(row, path) for path in ("model_output.choices.0.message.content", "choices.0.message.content"))
    return Row(
        text=next((text for text in found if text is not MISSING), None),  # a failed request has no choices
        id=find_row_id(fields) or row["index"],
        question=extract_user_text(row.get("messages")),
        choices=get_first_value(fields, ("choices",)),
        gold=get_first_value(fields, ("answer", "target")),
        fields=fields,
    )


def _is_review_row(row: RawRow) -> bool:
    return isinstance(row.get("sample_score"), Mapping)


def _convert_review(row: RawRow, number: int) -> Row:
    metadata = look_up(row, "sample_score.sample_metadata")
    fields = metadata if isinstance(metadata, Mapping) else {}
    ids = (find_row_id(fields), look_up(row, "sample_score.sample_id"), row.get("index"))
    return Row(
        text=look_up(row, "sample_score.score.prediction"),
        id=next((name for name in ids if name is not None and name is not MISSING), MISSING),
        question=extract_user_text(row.get("input")),
        choices=get_first_value(fields, ("choices",)),
        gold=row.get("target", MISSING),
        fields=fields,
    )


FORMATS = (
    Format("EvalScope predictions", _is_prediction_row, _convert_prediction),
    Format("EvalScope reviews", _is_review_row, _convert_review),
)
