"""Reader of files with candidate captions and their references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError
from alm_bench.data.outputs.columns import ColumnNames, describe_item
from alm_bench.data.outputs.files import read_rows
from alm_bench.data.outputs.row import MISSING, RawRow
from alm_bench.data.readers import check_unique_ids

CAPTION_COLUMNS = {
    "candidate": ("candidate", "prediction", "caption", "hypothesis", "model_output"),
    "references": ("references", "reference", "refs", "captions"),
    "question": ("question",),
    "audio": ("audio", "audio_path", "filename", "file_name"),
    "id": ("id",),
}
"""Names of the columns of a caption file by role. References may also be in the columns `ref1`, `ref2`, ..."""


@dataclass(frozen=True, slots=True)
class CaptionedItem:
    """A candidate caption with its references."""

    id: str
    """Id of the item; its number (from 1) if the file has no ids."""

    candidate: str
    """Caption to be scored."""

    references: tuple[str, ...]
    """One or more reference captions."""

    question: str | None = None
    """Question that the candidate answers; None if the file has none."""

    audio: str | None = None
    """Path of the audio file, as the file names it; None if the file has none."""


def read_captions(path: Path, columns: Sequence[str] = ()) -> list[CaptionedItem]:
    """Read items with a candidate, references and an optional id from a JSON, JSONL, CSV or TSV file.

    `CAPTION_COLUMNS` lists the names of the columns; `columns` are other names (`candidate=text`). References are a
    list of texts, a CSV cell with a JSON list or with one text, or columns `ref1` to `refN`. Raises DataError, which
    names the file and the item, and UsageError for an unknown role in `columns`.
    """
    names = ColumnNames.parse(CAPTION_COLUMNS, columns)
    rows = read_rows(path, lambda row: names.find(row, "candidate") is not MISSING)
    if not rows:
        raise DataError(f"{path}: holds no captions")
    return check_unique_ids((_parse_item(path, number, row, names) for number, row in enumerate(rows, start=1)), path)


def _parse_item(path: Path, number: int, row: RawRow, names: ColumnNames) -> CaptionedItem:
    where = describe_item(path, number)
    candidate, references = names.find_text(row, "candidate", where), names.find_texts(row, "references", where)
    id_, question, audio = (names.find(row, role) for role in ("id", "question", "audio"))
    return CaptionedItem(
        str(number if id_ is MISSING else id_),
        candidate,
        tuple(references),
        question if isinstance(question, str) else None,
        audio if isinstance(audio, str) else None,
    )
