"""AudioBench: files of model outputs, and the `details` of score files.

Rows have no ids; their number (from 0) is used instead. Options are part of the question's text, after `Choices:`.
"""

import re

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row, first_of, own_id

_HEADINGS = re.compile(r"^\s*Question:\s*|\s*\n\s*Choices:(?=\s)")


def _fits(row: RawRow) -> bool:
    scored = "reference" in row or "task_type" in row
    return "model_prediction" in row and scored and own_id(row) is None


def _read(row: RawRow, number: int) -> Row:
    asked = first_of(row, ("question", "instruction", "text"))
    return Row(
        text=row["model_prediction"],
        id=number,
        question=_HEADINGS.sub("", asked) if isinstance(asked, str) else MISSING,
        choices=first_of(row, ("choices",)),
        gold=first_of(row, ("reference", "answer")),
        fields={name: value for name, value in row.items() if name in ("task", "task_type")},
    )


FORMATS = (Format("AudioBench outputs", _fits, _read),)
