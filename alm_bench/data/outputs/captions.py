"""Reader of files with candidate captions and their references."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import DataError
from alm_bench.data.outputs.files import read_rows
from alm_bench.data.outputs.row import parse_list_text
from alm_bench.data.readers import check_unique_ids


@dataclass(frozen=True, slots=True)
class CaptionedItem:
    """A candidate caption with its references."""

    id: str
    """Id of the item; its number (from 1) if the file has no ids."""

    candidate: str
    """Caption to be scored."""

    references: tuple[str, ...]
    """One or more reference captions."""


def read_captions(path: Path) -> list[CaptionedItem]:
    """Read items with `candidate`, `references` and an optional `id` from a JSON, JSONL, CSV or TSV file.

    References are a list of texts. A CSV cell holds either a JSON list or one text. Raises DataError, which names the
    file and the item.
    """
    rows = read_rows(path, lambda row: "candidate" in row)
    if not rows:
        raise DataError(f"{path}: holds no captions")
    return check_unique_ids((_parse_item(path, number, row) for number, row in enumerate(rows, start=1)), path)


def _parse_item(path: Path, number: int, row: Mapping[str, Any]) -> CaptionedItem:
    where = f"{path}: item {number}"
    for key in ("candidate", "references"):
        if key not in row:
            raise DataError(f"{where} has no {key!r}; it has {', '.join(map(str, row)) or 'nothing'}")
    references = row["references"]
    if isinstance(references, str):
        listed = parse_list_text(references)
        references = listed if isinstance(listed, list) else [references]
    if not isinstance(row["candidate"], str):
        raise DataError(f"{where}: the candidate is a {type(row['candidate']).__name__}, expected text")
    if not isinstance(references, list) or not references or not all(isinstance(text, str) for text in references):
        raise DataError(f"{where}: references are {references!r:.80}, expected a list of one text or more")
    if any(not text.strip() for text in references):
        raise DataError(f"{where}: a reference is empty, expected a text")
    name = number if row.get("id") in (None, "") else row["id"]
    return CaptionedItem(str(name), row["candidate"], tuple(references))
