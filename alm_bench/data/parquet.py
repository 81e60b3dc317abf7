"""Reader of parquet files that contain audio clips. A clip is read only when it is decoded, other columns earlier."""

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import AudioError, AudioRef, DataError
from alm_bench.core.errors import format_similar_names, get_first_line

_MAX_CACHED_GROUPS = 2  # maximum number of row groups of clips in memory; a group has about 100 MB or 100 clips

_read_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _ClipReader:
    """Reader of the bytes of one clip. Calling it returns them. It can be pickled and called from any thread."""

    path: Path
    """Path of the parquet file."""

    column: str
    """Column of the clips."""

    group: int
    """Index of the row group."""

    row: int
    """Index of the row in its row group."""

    def __call__(self) -> bytes:
        import pyarrow as pa

        try:
            with _read_lock:  # so that threads that need the same row group read it once
                data = _read_clips(self.path, self.path.stat().st_mtime_ns, self.column, self.group)[self.row].as_py()
        except (OSError, pa.ArrowException) as error:
            raise AudioError(
                f"row {self.row} of row group {self.group} of {self.path}: {get_first_line(error)}"
            ) from error
        if data is None:
            raise AudioError(f"row {self.row} of row group {self.group} of {self.path} holds no bytes")
        return bytes(data)


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """One row of a parquet file that contains a clip."""

    values: Mapping[str, Any]
    """Values of the other columns, by column name."""

    name: str | None
    """File name that the clip's cell gives; None if it gives none."""

    clip_reader: _ClipReader
    """Reader of the clip's bytes."""

    def get_audio_ref(self, id: str) -> AudioRef:
        """Return the clip of the row as a reference with this id."""
        return AudioRef(id, self.clip_reader.path, self.clip_reader)


def read_parquet(paths: Sequence[Path], columns: Sequence[str], clip_column: str = "context") -> Iterator[ParquetRow]:
    """Yield the rows of all files in order. `clip_column` names the struct column {bytes, path} that contains the
    clips.

    Memory holds the values of one parquet row group and, once clips are decoded, two row groups of clips. If clips are
    decoded in file order, each row group is read once. Raises DataError if a file is not parquet or lacks one of
    `columns`.
    """
    for path in paths:
        with _convert_parquet_errors(path), _open_file(path) as file:
            _check_columns(path, file.schema_arrow, [*columns, clip_column], clip_column)
            for group in range(file.num_row_groups):
                yield from _iterate_rows(path, file, group, clip_column)


def read_clip_column(
    path: Path, file: Any, group: int, column: str, is_struct: bool
) -> list[tuple[str | None, _ClipReader]]:
    """Return the file name and the reader of each clip of a row group of an open parquet file, without reading bytes.

    The column is a struct {bytes, path}, or with `is_struct` False the bytes alone, which have no names (None).
    """
    count = file.metadata.row_group(group).num_rows
    named = is_struct and file.schema_arrow.field(column).type.get_field_index("path") >= 0
    names = _read_struct_field(file, group, column, "path").to_pylist() if named else [None] * count
    return [(name, _ClipReader(path, column, group, row)) for row, name in enumerate(names)]


def list_parquet_files(folder: Path) -> tuple[Path, ...]:
    """Return the parquet files of a folder with the layout of a Hugging Face data set: `data/*.parquet`, else
    `*.parquet`. The result may be empty."""
    for pattern in ("data/*.parquet", "*.parquet"):
        shards = tuple(sorted(path for path in folder.glob(pattern) if path.is_file()))
        if shards:
            return shards
    return ()


def _iterate_rows(path: Path, file: Any, group: int, clip_column: str) -> Iterator[ParquetRow]:
    values = [name for name in file.schema_arrow.names if name != clip_column]
    named = any(field.name == "path" for field in file.schema_arrow.field(clip_column).type)
    table = file.read_row_group(group, columns=values)
    names = _read_struct_field(file, group, clip_column, "path").to_pylist() if named else [None] * table.num_rows
    for row, (cells, name) in enumerate(zip(table.to_pylist(), names, strict=True)):
        yield ParquetRow(cells, name, _ClipReader(path, clip_column, group, row))


@functools.lru_cache(maxsize=_MAX_CACHED_GROUPS)
def _read_clips(path: Path, mtime_ns: int, column: str, group: int) -> Any:
    """Return the clips' bytes of a row group as an array. `mtime_ns` is part of the cache key, so that a replaced file
    is read again."""
    import pyarrow as pa

    with _open_file(path) as file:
        if pa.types.is_struct(file.schema_arrow.field(column).type):
            return _read_struct_field(file, group, column, "bytes")
        return file.read_row_group(group, columns=[column]).column(0)


def _read_struct_field(file: Any, group: int, column: str, leaf: str) -> Any:
    """Read one field (`leaf`) of a struct column of a row group, without the other fields."""
    import pyarrow.compute as pc

    return pc.struct_field(file.read_row_group(group, columns=[f"{column}.{leaf}"]).column(0), leaf)


def _open_file(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path)


def _check_columns(path: Path, schema: Any, columns: Sequence[str], clip_column: str) -> None:
    import pyarrow as pa

    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}; found {format_similar_names(missing[0], schema.names)}")
    kind = schema.field(clip_column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise DataError(f"{path}: column {clip_column!r} is {kind}, expected a struct with the clip's bytes")


@contextmanager
def _convert_parquet_errors(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as parquet ({get_first_line(error)}); is the file complete?"
        ) from error
