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
    get_first_value,
)


def _is_mmar_row(row: RawRow) -> bool:
    return "answer_prediction" in row


def _convert_row(row: RawRow, number: int) -> Row:
    return Row(
        text=row["answer_prediction"],
        id=find_row_id(row),
        question=get_first_value(row, QUESTION_COLUMNS),
        choices=get_first_value(row, CHOICE_COLUMNS),
        gold=get_first_value(row, REFERENCE_COLUMNS),
        fields={name: value for name, value in row.items() if not name.endswith("_prediction")},
    )


FORMATS = (Format("MMAR submission", _is_mmar_row, _convert_row),)
