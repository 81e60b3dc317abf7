"""AudioBench: files of model outputs, and the `details` of score files.

Rows have no ids; their number (from 0) is used instead. Options are part of the question's text, after `Choices:`.
"""

import re

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row, find_row_id, get_first_value

_HEADINGS = re.compile(r"^\s*Question:\s*|\s*\n\s*Choices:(?=\s)")


def _is_audiobench_row(row: RawRow) -> bool:
    scored = "reference" in row or "task_type" in row
    return "model_prediction" in row and scored and find_row_id(row) is None


def _convert_row(row: RawRow, number: int) -> Row:
    question_text = get_first_value(row, ("question", "instruction", "text"))
    return Row(
        text=row["model_prediction"],
        id=number,
        question=_HEADINGS.sub("", question_text) if isinstance(question_text, str) else MISSING,
        choices=get_first_value(row, ("choices",)),
        gold=get_first_value(row, ("reference", "answer")),
        fields={name: value for name, value in row.items() if name in ("task", "task_type")},
    )


FORMATS = (Format("AudioBench outputs", _is_audiobench_row, _convert_row),)
