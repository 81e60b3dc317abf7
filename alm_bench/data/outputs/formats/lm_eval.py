"""The samples of lm-evaluation-harness and of lmms-eval, which has them from there (`samples_*.jsonl`; `logs` in older
JSON): `doc_id`, the data set's row as `doc`, `target`, and the raw replies as `resps`."""

from collections.abc import Mapping
from typing import Any

from alm_bench.data.outputs.row import (
    CHOICE_COLUMNS,
    GOLD_COLUMNS,
    MISSING,
    QUESTION_COLUMNS,
    Format,
    RawRow,
    Row,
    first_of,
    own_id,
    read_written_list,
)


def _fits(row: RawRow) -> bool:
    return "doc_id" in row and ("resps" in row or "filtered_resps" in row)


def _read(row: RawRow, number: int) -> Row:
    """Read `resps`, the raw model output; a filter's result (`filtered_resps`) is used only if that is missing."""
    doc = row["doc"] if isinstance(row.get("doc"), Mapping) else {}
    choices = _unwrap_options(first_of(doc, CHOICE_COLUMNS))
    gold = first_of(doc, GOLD_COLUMNS)
    gold = row.get("target", MISSING) if gold is MISSING else gold
    question = first_of(doc, QUESTION_COLUMNS)
    return Row(
        text=row["resps"] if row.get("resps") else row.get("filtered_resps", MISSING),
        id=own_id(doc) or row["doc_id"],
        question=row.get("input", MISSING) if question is MISSING else question,
        choices=choices,
        gold=_by_index(gold, choices),
        fields=doc,
    )


def _unwrap_options(choices: Any) -> Any:
    """Return the texts of options stored as `{"text": [...], "label": [...]}`."""
    return choices["text"] if isinstance(choices, Mapping) and "text" in choices else choices


def _by_index(gold: Any, choices: Any) -> Any:
    """Resolve references of multiple-choice tasks that are indices, from 0."""
    choices = read_written_list(choices) if isinstance(choices, str) else choices
    if isinstance(gold, int) and isinstance(choices, list) and 0 <= gold < len(choices) and gold not in choices:
        return choices[gold]
    return gold


FORMATS = (Format("lm-eval or lmms-eval samples", _fits, _read, view="filter"),)
