"""lm-evaluation-harness, and lmms-eval, which uses the same format: `samples_*.jsonl`, or `logs` in older JSON files.

Columns are `doc_id`, `doc` (the data set's row), `target` and `resps` (the raw model outputs).
"""

from collections.abc import Mapping
from typing import Any

from alm_bench.data.outputs.row import (
    CHOICE_COLUMNS,
    MISSING,
    QUESTION_COLUMNS,
    REFERENCE_COLUMNS,
    Format,
    RawRow,
    Row,
    find_row_id,
    get_first_value,
    parse_list_text,
)


def _is_lm_eval_row(row: RawRow) -> bool:
    return "doc_id" in row and ("resps" in row or "filtered_resps" in row)


def _convert_row(row: RawRow, number: int) -> Row:
    """Convert a row. The text is `resps`, the raw model output. The result of a filter (`filtered_resps`) is used only
    if `resps` is missing or empty."""
    doc = row["doc"] if isinstance(row.get("doc"), Mapping) else {}
    choices = _unwrap_options(get_first_value(doc, CHOICE_COLUMNS))
    gold = get_first_value(doc, REFERENCE_COLUMNS)
    gold = row.get("target", MISSING) if gold is MISSING else gold
    question = get_first_value(doc, QUESTION_COLUMNS)
    return Row(
        text=row["resps"] if row.get("resps") else row.get("filtered_resps", MISSING),
        id=find_row_id(doc) or row["doc_id"],
        question=row.get("input", MISSING) if question is MISSING else question,
        choices=choices,
        gold=_resolve_index(gold, choices),
        fields=doc,
    )


def _unwrap_options(choices: Any) -> Any:
    """Return the list of texts of options that are stored as `{"text": [...], "label": [...]}`. Other values are
    returned unchanged."""
    return choices["text"] if isinstance(choices, Mapping) and "text" in choices else choices


def _resolve_index(gold: Any, choices: Any) -> Any:
    """Return the option's text if the reference `gold` is an index (from 0) into `choices`, else `gold` unchanged."""
    choices = parse_list_text(choices) if isinstance(choices, str) else choices
    if isinstance(gold, int) and isinstance(choices, list) and 0 <= gold < len(choices) and gold not in choices:
        return choices[gold]
    return gold


FORMATS = (Format("lm-eval or lmms-eval samples", _is_lm_eval_row, _convert_row, view="filter"),)
