"""Rows of a parquet whose cells hold the clips' bytes: values at once, bytes when a clip is decoded."""

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import AudioError, AudioRef, DataError
from alm_bench.core.errors import first_line, known_first

_GROUPS_HELD = 2  # row groups of clips kept in memory; the hub's libraries write about 100 MB or 100 clips into one

_fetching = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Cell:
    """The bytes of one clip, fetched when called. Can be pickled and called from any thread."""

    path: Path
    column: str
    group: int
    row: int

    def __call__(self) -> bytes:
        import pyarrow as pa

        try:
            with _fetching:  # so that threads that want the same row group read it once
                data = _clips(self.path, self.path.stat().st_mtime_ns, self.column, self.group)[self.row].as_py()
        except (OSError, pa.ArrowException) as error:
            raise AudioError(f"row {self.row} of row group {self.group} of {self.path}: {first_line(error)}") from error
        if data is None:
            raise AudioError(f"row {self.row} of row group {self.group} of {self.path} holds no bytes")
        return bytes(data)


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """One row of a parquet file with an embedded clip."""

    values: Mapping[str, Any]
    """Columns other than the clip."""

    name: str | None
    """File name in the clip's cell, None if it gives none."""

    cell: _Cell
    """Position of the clip's bytes in the file."""

    def audio(self, id: str) -> AudioRef:
        return AudioRef(id, self.cell.path, self.cell)


def read_parquet(paths: Sequence[Path], columns: Sequence[str], clip: str = "context") -> Iterator[ParquetRow]:
    """The rows of all shards in order. `clip` names the column of structs {bytes, path} that holds the clips.

    Memory holds the values of one row group and, once clips are read, two row groups of clips. Clips read in file order
    are fetched once. Raises DataError for a file that is not parquet and for a missing column of `columns`.
    """
    for path in paths:
        with _reading(path), _open(path) as file:
            _check(path, file.schema_arrow, [*columns, clip], clip)
            for group in range(file.num_row_groups):
                yield from _rows(path, file, group, clip)


def parquet_files(folder: Path) -> tuple[Path, ...]:
    """The shards in a folder laid out like a hub data set: `data/*.parquet`, else `*.parquet`. May be empty."""
    for pattern in ("data/*.parquet", "*.parquet"):
        shards = tuple(sorted(path for path in folder.glob(pattern) if path.is_file()))
        if shards:
            return shards
    return ()


def _rows(path: Path, file: Any, group: int, clip: str) -> Iterator[ParquetRow]:
    values = [name for name in file.schema_arrow.names if name != clip]
    named = any(field.name == "path" for field in file.schema_arrow.field(clip).type)
    table = file.read_row_group(group, columns=values)
    names = _flat(file, group, clip, "path").to_pylist() if named else [None] * table.num_rows
    for row, (cells, name) in enumerate(zip(table.to_pylist(), names, strict=True)):
        yield ParquetRow(cells, name, _Cell(path, clip, group, row))


@functools.lru_cache(maxsize=_GROUPS_HELD)
def _clips(path: Path, mtime_ns: int, column: str, group: int) -> Any:
    """All clips of a row group; `mtime_ns` is there so that a replaced file is read again."""
    with _open(path) as file:
        return _flat(file, group, column, "bytes")


def _flat(file: Any, group: int, column: str, leaf: str) -> Any:
    """Read one leaf of a struct column, without the others."""
    import pyarrow.compute as pc

    return pc.struct_field(file.read_row_group(group, columns=[f"{column}.{leaf}"]).column(0), leaf)


def _open(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path)


def _check(path: Path, schema: Any, columns: Sequence[str], clip: str) -> None:
    import pyarrow as pa

    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}; found {known_first(missing[0], schema.names)}")
    kind = schema.field(clip).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise DataError(f"{path}: column {clip!r} is {kind}, expected a struct with the clip's bytes")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as parquet ({first_line(error)}); is the file complete?") from error
