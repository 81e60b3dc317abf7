"""EvalScope: its two cache folders, with one line per item. `predictions/` holds the reply; `reviews/` holds the
prompt, the letter of the reference and the score. Options are part of the prompt."""

from collections.abc import Mapping

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row, first_of, look_up, message_text, own_id


def _fits_prediction(row: RawRow) -> bool:
    if "index" not in row:
        return False
    return isinstance(row.get("model_output"), Mapping) or look_up(row, "choices.0.message") is not MISSING


def _read_prediction(row: RawRow, number: int) -> Row:
    told = row.get("metadata")
    fields = told if isinstance(told, Mapping) else {}
    found = (look_up(row, path) for path in ("model_output.choices.0.message.content", "choices.0.message.content"))
    return Row(
        text=next((text for text in found if text is not MISSING), None),  # a failed request has no choices
        id=own_id(fields) or row["index"],
        question=message_text(row.get("messages")),
        choices=first_of(fields, ("choices",)),
        gold=first_of(fields, ("answer", "target")),
        fields=fields,
    )


def _fits_review(row: RawRow) -> bool:
    return isinstance(row.get("sample_score"), Mapping)


def _read_review(row: RawRow, number: int) -> Row:
    told = look_up(row, "sample_score.sample_metadata")
    fields = told if isinstance(told, Mapping) else {}
    ids = (own_id(fields), look_up(row, "sample_score.sample_id"), row.get("index"))
    return Row(
        text=look_up(row, "sample_score.score.prediction"),
        id=next((name for name in ids if name is not None and name is not MISSING), MISSING),
        question=message_text(row.get("input")),
        choices=first_of(fields, ("choices",)),
        gold=row.get("target", MISSING),
        fields=fields,
    )


FORMATS = (
    Format("EvalScope predictions", _fits_prediction, _read_prediction),
    Format("EvalScope reviews", _fits_review, _read_review),
)
