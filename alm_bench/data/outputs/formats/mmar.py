"""MMAR challenge: submissions with `id`, `thinking_prediction` and `answer_prediction`, with or without the columns of
MMAR-meta. Only the answer is scored; the reasoning text is not parsed."""

from alm_bench.data.outputs.row import (
    CHOICE_COLUMNS,
    GOLD_COLUMNS,
    QUESTION_COLUMNS,
    Format,
    RawRow,
    Row,
    first_of,
    own_id,
)


def _fits(row: RawRow) -> bool:
    return "answer_prediction" in row


def _read(row: RawRow, number: int) -> Row:
    return Row(
        text=row["answer_prediction"],
        id=own_id(row),
        question=first_of(row, QUESTION_COLUMNS),
        choices=first_of(row, CHOICE_COLUMNS),
        gold=first_of(row, GOLD_COLUMNS),
        fields={name: value for name, value in row.items() if not name.endswith("_prediction")},
    )


FORMATS = (Format("MMAR submission", _fits, _read),)
