"""Reader of rows from files: JSON with nested lists, JSONL, CSV, TSV, xlsx, parquet, and .eval logs of inspect_ai.

No content of a file is executed. At most `MAX_UNPACKED_BYTES` of an archive are unpacked.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alm_bench.core import DataError
from alm_bench.core.errors import format_similar_names, get_first_line
from alm_bench.core.foreign import parse_json
from alm_bench.data.outputs.row import ID_COLUMNS, RawRow
from alm_bench.data.readers import read_csv, read_json, read_jsonl, read_text

MAX_UNPACKED_BYTES = 4 << 30
"""Maximum number of bytes that are unpacked from one archive."""

MAX_MEMBER_BYTES = 256 << 20
"""Maximum number of unpacked bytes of one archive member."""

MAX_COLUMNS = 200
"""Maximum number of columns of a spreadsheet that are read. The time grows with the number of columns that the file
declares, which may be 16,384."""

MAX_DEPTH = 4
"""Maximum depth of nesting at which rows are searched in an object."""

IsRow = Callable[[RawRow], bool]


ADVICE = "with a model's text in it; name the text's column with --column, or bring a list of objects, one an item"
"""Default end of the message about an object without rows."""


def read_rows(path: Path, is_row: IsRow, advice: str = ADVICE) -> Sequence[RawRow]:
    """Read a file as a list of rows (dictionaries).

    If the file is a JSON object, its rows are the least deeply nested list whose elements satisfy `is_row`, such as
    `details`, `results` or `samples`; a mapping from ids to such elements is also accepted. An object `{"id": "text"}`
    gives rows with `id` and `model_output`. Raises DataError if the file has no rows, or several such lists. `advice`
    ends the message about an object without rows.
    """
    start = _read_start(path)
    if start in (b"PK\x03\x04", b"PK\x05\x06"):
        return _read_archive(path)
    if start == b"PAR1":
        return _read_parquet(path)
    kind = _detect_file_type(path)
    if kind in ("csv", "tsv"):
        return read_csv(path, [], "\t" if kind == "tsv" else ",")
    document = read_jsonl(path) if kind == "jsonl" else read_json(path)
    if isinstance(document, list) and len(document) == 1 and kind == "jsonl":  # a file with one object on one line
        document = document if is_row(document[0]) else _find_rows(path, document[0], is_row, document)
    if isinstance(document, Mapping):
        document = _find_rows(path, document, is_row, advice=advice)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        found = "a list with other things in it" if isinstance(document, list) else f"a {type(document).__name__}"
        raise DataError(f"{path}: found {found}, expected a JSON list of objects, one an item")
    return document


def _detect_file_type(path: Path) -> str:
    """Return the file type: `json`, `jsonl`, `csv` or `tsv`. It is detected from the content before the suffix, because
    JSONL with the suffix `.json` is common."""
    text = read_text(path).lstrip()
    if text.startswith("["):
        return "json"
    first = text.partition("\n")[0]
    if text.startswith("{"):
        return "jsonl" if _is_object(first) else "json"
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in ("json", "jsonl"):
        return suffix
    return "tsv" if suffix == "tsv" or ("\t" in first and "," not in first) else "csv"


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False


def _find_rows(
    path: Path, document: Mapping[str, Any], is_row: IsRow, default: Any = None, advice: str = ADVICE
) -> Any:
    """Return the rows within an object. Without any, return `default`, or raise DataError if that is None. Raises
    DataError for several lists of rows too."""
    for level in _iterate_levels(document):
        found = {name: rows for name, value in level.items() if (rows := _extract_rows(value, is_row)) is not None}
        if len(found) > 1:
            raise DataError(
                f"{path}: holds several lists of rows ({', '.join(found)}), expected one: put the one that is meant "
                "into a file of its own"
            )
        for rows in found.values():
            return rows
    if (rows := _convert_texts_by_id(document)) is not None:
        return rows
    if default is not None:
        return default
    raise DataError(
        f"{path}: found an object with {format_similar_names('', map(str, document)) or 'nothing'}, and no list of "
        f"rows {advice}"
    )


def _iterate_levels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one dictionary per level of nesting, outermost first. It maps dotted paths to the objects and lists at this
    level. The first dictionary maps the path "" to the whole document."""
    level: dict[str, Any] = {"": document}
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        yield level
        level = {
            f"{name}.{key}".lstrip("."): value
            for name, outer in level.items()
            if isinstance(outer, Mapping)
            for key, value in outer.items()
            if isinstance(value, (Mapping, list))
        }


def _extract_rows(value: Any, is_row: IsRow) -> list[RawRow] | None:
    """Return the rows of a list of objects, or of a mapping from ids to objects; None for other values."""
    if isinstance(value, list):
        return value if value and all(isinstance(row, dict) for row in value) and any(map(is_row, value)) else None
    if isinstance(value, Mapping) and value and all(isinstance(row, dict) for row in value.values()):
        rows: list[RawRow] = [{"id": key, **row} for key, row in value.items()]
        return rows if all(map(is_row, rows)) else None
    return None


def _convert_texts_by_id(document: Mapping[str, Any]) -> list[RawRow] | None:
    """Return rows with `id` and `model_output`, if the JSON object maps ids to model outputs (texts, numbers or
    null); None for any other object."""
    if not document or any(name in document for name in ID_COLUMNS):
        return None
    if not all(
        value is None or isinstance(value, (str, int, float)) or _is_single_text(value) for value in document.values()
    ):
        return None
    return [{"id": key, "model_output": value} for key, value in document.items()]


def _is_single_text(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)


def _read_start(path: Path) -> bytes:
    """Return the first four bytes of a file, which identify archives and parquet files. Raises DataError."""
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read_parquet(path: Path) -> Sequence[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            rows: list[RawRow] = file.read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = get_first_line(error)
        raise DataError(f"{path}: cannot be read as parquet ({reason}); is the file complete?") from error
    return rows


@contextmanager
def _convert_archive_errors(path: Path) -> Iterator[None]:
    damaged = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
    try:
        yield
    except damaged as error:
        raise DataError(f"{path}: the archive cannot be read ({' '.join(str(error).split())})") from error


def _read_archive(path: Path) -> Sequence[RawRow]:
    """Read the rows of a zip archive: of an .xlsx workbook, or of an .eval log of inspect_ai. Raises DataError."""
    with _convert_archive_errors(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        samples = [member for member in members if _SAMPLE_PATTERN.search(member.filename)]
        is_workbook = "xl/workbook.xml" in names
        _check_size(path, members if is_workbook else samples)
        if not is_workbook:
            if not samples:
                raise DataError(f"{path}: found an archive of other things, expected an .xlsx or inspect_ai's .eval")
            return [_read_sample(path, archive, member) for member in samples]
    return _read_workbook(path)


_SAMPLE_PATTERN = re.compile(r"^samples/.+_epoch_\d+(?:/sample)?\.json$")
_UNUSED_SAMPLE_PARTS = ("events", "messages", "store", "timelines", "events_data")
"""Parts of an inspect_ai sample that are dropped: they contain no model output and are much larger than the rest."""


def _check_size(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Check the sizes that an archive declares for its members. The zipfile module never returns more bytes of a member
    than declared. Raises DataError if they are too large."""
    largest = max((member.file_size for member in members), default=0)
    total = sum(member.file_size for member in members)
    if largest > MAX_MEMBER_BYTES or total > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path}: unpacks to {total:,} bytes, {largest:,} of them in one member; expected at most "
            f"{MAX_UNPACKED_BYTES:,} and {MAX_MEMBER_BYTES:,}"
        )


def _read_sample(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> RawRow:
    """Read a sample from a member of the .eval archive `path`, without its unused parts and attachments."""
    try:
        sample = parse_json(archive.read(member))
    except ValueError as error:
        raise DataError(f"{path}: {member.filename} is not JSON that can be read: {error}") from error
    if not isinstance(sample, dict):
        raise DataError(f"{path}: {member.filename} is a {type(sample).__name__}, expected an object")
    attached = re.findall(r"attachment://(\w+)", json.dumps([sample.get("output"), sample.get("input")]))
    attachments = sample.get("attachments")
    kept = {name: attachments[name] for name in attached if name in attachments} if attachments else {}
    return {**{key: value for key, value in sample.items() if key not in _UNUSED_SAMPLE_PARTS}, "attachments": kept}


def _read_workbook(path: Path) -> Sequence[RawRow]:
    """Read the rows of the first sheet of an .xlsx file. Its first row is the header. Raises DataError."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(f"{path}: .xlsx needs openpyxl: pip install 'alm-bench[xlsx]', or save it as CSV") from error
    with _convert_archive_errors(path):
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            cells = book.worksheets[0].iter_rows(max_col=MAX_COLUMNS, values_only=True) if book.worksheets else ()
            rows = [row for row in cells if any(value is not None for value in row)]
        except (
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            SyntaxError,
        ) as error:  # broken XML, missing parts
            raise DataError(f"{path}: not an .xlsx that can be read ({' '.join(str(error).split())})") from error
    header = [None if name is None else str(name) for name in rows[0]] if rows else []
    named = [name for name in header if name is not None]
    if len(set(named)) < len(named):
        repeated = next(name for name in named if named.count(name) > 1)
        raise DataError(f"{path}: the header has the column {repeated!r} {named.count(repeated)} times")
    return [{name: value for name, value in zip(header, row, strict=False) if name is not None} for row in rows[1:]]
