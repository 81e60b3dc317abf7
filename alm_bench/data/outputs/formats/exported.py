"""Tables of items that `alm-bench export` writes (CSV, parquet). A replay of such a table has the same
metrics as its run."""

from typing import Any

from alm_bench.core.escape import unquote_formula
from alm_bench.data.outputs.row import Format, RawRow, Row, StoredOutcome

_COLUMNS = frozenset(("run", "task", "model", "condition", "id", "status", "reason", "text", "truncated", "choices"))
"""Columns by which a table is recognised."""

_GROUP = "group_"


def _is_exported_row(row: RawRow) -> bool:
    return row.keys() >= _COLUMNS


def _convert_row(row: RawRow, number: int) -> Row:
    if isinstance(row["choices"], str):  # a CSV file, in which all values are texts
        row = {name: unquote_formula(value) if isinstance(value, str) else value for name, value in row.items()}
        # An empty cell is an empty answer, unless the call failed.
        row |= {"text": None if row["text"] == "" and row["status"] in ("error", "skipped", "refused") else row["text"]}
    values: dict[str, Any] = {name: value for name, value in row.items() if value not in (None, "")}
    groups = {name.removeprefix(_GROUP): str(value) for name, value in values.items() if name.startswith(_GROUP)}
    return Row(
        text=row["text"],
        id=row["id"],
        question=values.get("question"),
        choices=row["choices"],
        gold=values.get("gold"),
        fields=values,
        groups=groups,
        outcome=_read_outcome(values, row["text"]),
    )


def _read_outcome(values: RawRow, text: str | None) -> StoredOutcome:
    """Return the outcome of the call from the columns of an exported item. `text` is the item's text: a refusal with a
    text counts as an answer."""
    status = values["status"]
    reason = values.get("reason") or status
    return StoredOutcome(
        truncated=str(values.get("truncated")).lower() == "true",
        refusal=reason if status == "refused" and text is None else None,
        skip=reason if status == "skipped" else None,
        error=reason if status == "error" else None,
    )


FORMATS = (Format("alm-bench export", _is_exported_row, _convert_row),)
