"""A submission to MMAR's challenge: `id`, `thinking_prediction` and `answer_prediction`, alone or beside the row of
MMAR-meta. The answer is what counts; the reasoning is never read for one."""

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
