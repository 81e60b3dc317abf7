"""VLMEvalKit: predictions as xlsx, TSV or JSON, with one column per option (`A`, `B` and so on). The reference is a
letter."""

import math
from string import ascii_uppercase
from typing import Any

from alm_bench.data.outputs.row import MISSING, Format, RawRow, Row

_COLUMNS = ("index", "prediction", "question", "answer", *ascii_uppercase)


def _is_vlmevalkit_row(row: RawRow) -> bool:
    return all(name in row for name in ("index", "prediction", "A", "B"))


def _convert_row(row: RawRow, number: int) -> Row:
    choices = []
    for letter in ascii_uppercase:
        if _is_empty(row.get(letter)):
            break
        choices.append(row[letter])
    return Row(
        text=row["prediction"],
        id=row["index"],
        question=row.get("question", MISSING),
        choices=choices,
        gold=row.get("answer", MISSING),
        fields={name: value for name, value in row.items() if name not in _COLUMNS},
    )


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


FORMATS = (Format("VLMEvalKit predictions", _is_vlmevalkit_row, _convert_row),)
