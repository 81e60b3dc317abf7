"""MMAR challenge: submissions with `id`, `thinking_prediction` and `answer_prediction`, with or without the columns of
MMAR-meta. Only the answer is scored; the reasoning text is not parsed."""

from alm_bench.data.outputs.row import (
    CHOICE_COLUMNS,
    QUESTION_COLUMNS,
    REFERENCE_COLUMNS,
    Format,
    RawRow,
    Row,
    find_row_id,
    first_value,
)


def _has_format(row: RawRow) -> bool:
    return "answer_prediction" in row


def _convert_row(row: RawRow, number: int) -> Row:
    return Row(
        text=row["answer_prediction"],
        id=find_row_id(row),
        question=first_value(row, QUESTION_COLUMNS),
        choices=first_value(row, CHOICE_COLUMNS),
        gold=first_value(row, REFERENCE_COLUMNS),
        fields={name: value for name, value in row.items() if not name.endswith("_prediction")},
    )


FORMATS = (Format("MMAR submission", _has_format, _convert_row),)
