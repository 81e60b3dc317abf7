"""Readers of annotation files (JSON, JSONL, CSV). Every error in a file becomes a DataError with a one-line message
that names the position."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alm_bench.core import DataError
from alm_bench.core.errors import format_similar_names
from alm_bench.data.parquet import ParquetRow, list_parquet_files, read_parquet

__all__ = [
    "ParquetRow",
    "check_unique_ids",
    "list_parquet_files",
    "read_csv",
    "read_json",
    "read_jsonl",
    "read_parquet",
    "read_text",
]

_FIELD_LIMIT = 1 << 30  # maximum number of characters of a CSV cell; the default of the csv module is 128 Ki


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_HasId)


def read_text(path: Path) -> str:
    """Read a UTF-8 file with or without a byte order mark. Line ends are not converted. Raises DataError."""
    with _convert_read_errors(path), path.open(encoding="utf-8-sig", newline="") as file:
        return file.read()


def read_json(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}; is the file complete?"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of nested brackets
        raise DataError(f"{path}: not JSON that can be read: {error}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object per line. Blank lines are skipped. Raises DataError."""
    import jsonlines

    with _convert_read_errors(path), path.open(encoding="utf-8-sig") as file:
        try:
            # By default, jsonlines parses with orjson or ujson where they are installed, which accept other files.
            return list(jsonlines.Reader(file, loads=json.loads).iter(type=dict, skip_empty=True))
        except jsonlines.InvalidLineError as error:
            raise DataError(f"{path}: line {error.lineno} is not a JSON object: {str(error).split(' (')[0]}") from error
        except RecursionError as error:
            raise DataError(f"{path}: not JSON that can be read: a line's brackets are nested too deeply") from error


def read_csv(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[dict[str, str]]:
    """Read one dictionary per row, by column name. The file must have `columns` and may have others. Blank lines are
    skipped. Raises DataError."""
    csv.field_size_limit(_FIELD_LIMIT)
    with _convert_read_errors(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            _check_header(path, header, columns)
            return [_parse_csv_row(path, header, row, reader.line_num) for row in reader if row]
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num} is not CSV: {error}") from error


def check_unique_ids(items: Iterable[Item], path: Path) -> list[Item]:
    """Return the items as a list. Raises DataError if two items have the same id; `path` is the file that the message
    names."""
    listed = list(items)
    repeated = [name for name, count in Counter(item.id for item in listed).items() if count > 1]
    if repeated:
        count = sum(item.id == repeated[0] for item in listed)
        raise DataError(
            f"{path}: the id {repeated[0]!r} occurs {count} times ({len(repeated)} ids repeat), expected each id once"
        )
    return listed


@contextmanager
def _convert_read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        found = f"found {format_similar_names(missing[0], header)}" if any(header) else "the file has no header"
        raise DataError(f"{path}: no column {missing[0]!r}; {found}; expected {', '.join(columns)}")
    repeated = [column for column in header if column and header.count(column) > 1]
    if repeated:
        raise DataError(f"{path}: the header has the column {repeated[0]!r} {header.count(repeated[0])} times")


def _parse_csv_row(path: Path, header: Sequence[str], row: Sequence[str], line: int) -> dict[str, str]:
    if len(row) != len(header):
        raise DataError(f"{path}: line {line} has {len(row)} fields, expected {len(header)} as in the header")
    return dict(zip(header, row, strict=True))
