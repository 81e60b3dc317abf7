"""lm-evaluation-harness, and lmms-eval, which uses the same format: `samples_*.jsonl`, or `logs` in older JSON files.

Columns are `doc_id`, `doc` (the data set's row), `target` and `resps` (the raw model outputs).
"""

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
    """Convert a row. The text is `resps`, the raw model output. The result of a filter (`filtered_resps`) is used only
    if `resps` is missing or empty."""
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
    """Return the list of texts of options that are stored as `{"text": [...], "label": [...]}`. Other values are
    returned unchanged."""
    return choices["text"] if isinstance(choices, Mapping) and "text" in choices else choices


def _by_index(gold: Any, choices: Any) -> Any:
    """Return the option's text if the reference `gold` is an index (from 0) into `choices`, else `gold` unchanged."""
    choices = read_written_list(choices) if isinstance(choices, str) else choices
    if isinstance(gold, int) and isinstance(choices, list) and 0 <= gold < len(choices) and gold not in choices:
        return choices[gold]
    return gold


FORMATS = (Format("lm-eval or lmms-eval samples", _fits, _read, view="filter"),)
