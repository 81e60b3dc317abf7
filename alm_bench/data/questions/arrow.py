"""Reading of the rows of parquet files and of arrow files that `datasets` wrote. Clips are read when they are
decoded."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import AudioError, AudioRef, DataError
from alm_bench.core.errors import get_first_line
from alm_bench.data.parquet import read_clip_column

BINARY_CLIP = "bytes"
"""Field of a struct column that holds a clip's encoded bytes."""

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _ArrowClipReader:
    """Reader of the bytes of one clip in an arrow file. It can be pickled and called from any thread."""

    path: Path
    """Path of the arrow file."""

    column: str
    """Column of the clips."""

    row: int
    """Index of the row in the file."""

    def __call__(self) -> bytes:
        import pyarrow as pa

        try:
            with _lock:
                value = _open_arrow(self.path, self.path.stat().st_mtime_ns).column(self.column)[self.row].as_py()
        except (OSError, pa.ArrowException) as error:
            raise AudioError(f"row {self.row} of {self.path}: {get_first_line(error)}") from error
        data = value.get(BINARY_CLIP) if isinstance(value, dict) else value
        if data is None:
            raise AudioError(f"row {self.row} of {self.path} holds no bytes")
        return bytes(data)


def read_arrow_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet or arrow file, without the bytes of clips.

    The cell of a clip that is stored as bytes is an `AudioRef`. Its id is the base name of the clip's path, or if there
    is no path, the file's name with row number and column (`test-7-audio`). Raises DataError if the file cannot be
    read.
    """
    with _convert_errors(path):
        yield from _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_arrow(path)


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        clips = _find_clip_columns(file.schema_arrow)
        clips = {name: is_struct for name, is_struct in clips.items() if not _has_only_null_bytes(file.metadata, name)}
        others = [name for name in file.schema_arrow.names if name not in clips]
        number = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            rows = file.read_row_group(group, columns=others).to_pylist() if others else [{} for _ in range(count)]
            cells = {name: read_clip_column(path, file, group, name, clips[name]) for name in clips}
            for index, row in enumerate(rows):
                yield row | {name: _build_clip_ref(each[index], path, name, number) for name, each in cells.items()}
                number += 1


def _read_arrow(path: Path) -> Iterator[dict[str, Any]]:
    table = _open_arrow(path, path.stat().st_mtime_ns)
    clips = _find_clip_columns(table.schema)
    clips = {name: is_struct for name, is_struct in clips.items() if not is_struct or _has_bytes(table, name)}
    others = table.select([name for name in table.schema.names if name not in clips]).to_pylist()
    names = {name: _list_clip_paths(table, name, clips[name]) for name in clips}
    for number in range(table.num_rows):
        row = dict(others[number]) if others else {}
        for name in clips:
            cell = (names[name][number], _ArrowClipReader(path, name, number))
            row[name] = _build_clip_ref(cell, path, name, number)
        yield row


def _has_only_null_bytes(metadata: Any, column: str) -> bool:
    """Return True if the struct column of clips of a parquet file has no bytes in any row, by the file's statistics.

    The clips are then separate files.
    """
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(group.num_columns)]
    counts = [
        None if chunk.statistics is None else chunk.statistics.null_count
        for chunk in chunks
        if chunk.path_in_schema == f"{column}.{BINARY_CLIP}"
    ]
    return bool(counts) and counts == [group.num_rows for group in groups]


def _has_bytes(table: Any, column: str) -> bool:
    """Return True if a struct column of a table has bytes in any row."""
    import pyarrow.compute as pc

    return bool(pc.struct_field(table.column(column), BINARY_CLIP).null_count < table.num_rows)


def _list_clip_paths(table: Any, name: str, is_struct: bool) -> list[str | None]:
    import pyarrow.compute as pc

    if not is_struct or table.schema.field(name).type.get_field_index("path") < 0:
        return [None] * table.num_rows
    paths: list[str | None] = pc.struct_field(table.column(name), "path").to_pylist()
    return paths


def _build_clip_ref(cell: tuple[str | None, Any], path: Path, column: str, number: int) -> AudioRef | None:
    """Return the reference to a clip. `cell` holds the clip's path, if there is one, and the reader of its bytes.

    The clip's id is the base name of its path, or without a path `FILE-ROW-COLUMN`.
    """
    name, read = cell
    return AudioRef(Path(name).name if name else f"{path.stem}-{number}-{column}", path, read)


def _find_clip_columns(schema: Any) -> dict[str, bool]:
    """Return the columns that hold encoded clips: True for a struct with the field `bytes`, False for bytes alone."""
    import pyarrow as pa

    found = {}
    for field in schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index(BINARY_CLIP) >= 0:
            found[field.name] = True
        elif pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            found[field.name] = False
    return found


@functools.lru_cache(maxsize=2)
def _open_arrow(path: Path, mtime_ns: int) -> Any:
    """Return an arrow file as a table that is mapped into memory. `mtime_ns` is part of the cache key."""
    import pyarrow as pa

    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_file(source).read_all()


@contextmanager
def _convert_errors(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({get_first_line(error)}); is the file complete?") from error
