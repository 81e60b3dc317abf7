"""Reading of question files and folders as rows: CSV, TSV, JSON, JSON Lines, parquet, and Hugging Face data sets."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import AudioRef, DataError
from alm_bench.core.errors import format_similar_names
from alm_bench.core.files import TABLE_SUFFIXES
from alm_bench.core.foreign import parse_json
from alm_bench.data.outputs.files import read_rows
from alm_bench.data.questions.arrow import BINARY_CLIP, read_arrow_rows
from alm_bench.data.questions.cells import is_option_list
from alm_bench.data.questions.conversations import expand_conversations, is_conversation
from alm_bench.data.questions.names import (
    ANSWER_NAMES,
    AUDIO_NAMES,
    CHOICE_NAMES,
    QUESTION_NAMES,
    normalise_name,
    split_prefix,
)
from alm_bench.data.readers import read_csv, read_json, read_text

DEFAULT_SPLIT = "all"
"""Name of the only split of a file that has no splits."""

_ROW_NAMES = (*QUESTION_NAMES, *ANSWER_NAMES, *CHOICE_NAMES, *AUDIO_NAMES)
_SHARD = re.compile(r"(.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?")
_SPLIT_NAMES = ("train", "training", "dev", "val", "valid", "validation", "test", "eval", "evaluation")
_NOT_TABLES = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "package.json")
_UNNAMED = re.compile(r"(?:unnamed: ?\d+)?", re.IGNORECASE)

Row = Mapping[str, Any]
"""Values of one row by column."""


@dataclass(frozen=True, slots=True)
class QuestionTable:
    """Rows of a question file."""

    path: Path
    """File or folder that was named."""

    files: tuple[Path, ...]
    """Files that were read."""

    rows: Sequence[Row]
    """Rows, in order; a clip within a parquet or arrow file is an `AudioRef` that reads it."""

    columns: tuple[str, ...]
    """Columns of all rows, in the order of their first occurrence."""


def list_splits(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each split of a file or folder.

    A single file is the split `all`. In a folder, splits are found by the names of parquet shards
    (`test-00000-of-00001.parquet`), in a data set that `save_to_disk` wrote, or by the names of the files
    (`test.csv`); a single other file is the split `all`. Raises DataError if the folder holds no question file, or
    several files that are not named by splits.
    """
    if path.is_file():
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(f"{path}: expected {', '.join(TABLE_SUFFIXES)} or a folder with one of them")
        return {DEFAULT_SPLIT: (path,)}
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder")
    if (path / "dataset_dict.json").is_file():
        parts = sorted(part for part in path.iterdir() if (part / "state.json").is_file())
        return {part.name: tuple(sorted(part.glob("data-*.arrow"))) for part in parts}
    if (path / "state.json").is_file():
        return {DEFAULT_SPLIT: tuple(sorted(path.glob("data-*.arrow")))}
    for folder in (path / "data", path):
        if shards := sorted(one for one in folder.glob("*.parquet") if one.is_file()):
            return _group_shards(shards)
    if shards := sorted(one for one in path.glob("*/*.parquet") if one.is_file()):
        names = sorted({shard.parent for shard in shards})
        by_folder = {folder.name: _group_shards([one for one in shards if one.parent == folder]) for folder in names}
        return {f"{name}/{split}": files for name, part in by_folder.items() for split, files in part.items()}
    return _find_tables(path)


def _group_shards(shards: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Return the parquet files by split; the split is the part of a file's name before the number of the shard."""
    splits: dict[str, list[Path]] = {}
    for shard in shards:
        match = _SHARD.fullmatch(shard.stem)
        splits.setdefault(match[1] if match else shard.stem, []).append(shard)
    return {name: tuple(files) for name, files in splits.items()}


def _find_tables(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of a folder by split: the only file with a table as DEFAULT_SPLIT, or one file per split if all
    files are named by splits. Raises DataError otherwise."""
    files = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in TABLE_SUFFIXES and one.is_file()]
    files = [one for one in files if not one.name.startswith(".") and one.name not in _NOT_TABLES]
    if len(files) == 1:
        return {DEFAULT_SPLIT: (files[0],)}
    if files and all(one.stem.lower() in _SPLIT_NAMES for one in files) and len({one.suffix for one in files}) == 1:
        return {one.stem: (one,) for one in files}
    if files:
        raise DataError(
            f"{folder} holds several files ({format_similar_names('', [f.name for f in files])}): name one of them"
        )
    raise DataError(f"{folder} holds no {', '.join(TABLE_SUFFIXES)} and no Hugging Face data set")


def read_table(path: Path, files: Sequence[Path], declared_columns: Sequence[str] = ()) -> QuestionTable:
    """Read the rows of the files of one split.

    `declared_columns` are the columns that the user declared. In a JSON file, objects with these columns or with usual
    names of columns are rows, and others are not. Raises DataError for a malformed file and for one without rows.
    """
    if not files:
        raise DataError(f"{path}: the data set has no files")
    rows: list[Row] = []
    for file in files:
        rows += _read_file(file, declared_columns)
    if not any(rows):
        raise DataError(f"{path}: the file has no rows")
    rows = expand_conversations(rows, path)
    columns = _flatten_columns(rows)
    return QuestionTable(path, tuple(files), rows, columns)


def _read_file(file: Path, declared_columns: Sequence[str]) -> list[Row]:
    suffix = file.suffix.lower()
    if suffix in (".parquet", ".arrow"):
        return list(read_arrow_rows(file))
    if suffix in (".csv", ".tsv"):
        return _read_csv(file)
    document = read_json(file) if suffix == ".json" and _is_object(file) else None
    if (columnar := _convert_columns_to_rows(document)) is not None:
        return columnar

    def is_row(row: Row) -> bool:
        if all(isinstance(value, Mapping) and not is_clip_object(value) for value in row.values()):
            return False  # rows by their ids
        if any(is_conversation(value) for value in row.values()):
            return True
        heads = [name.partition(".")[0] for name in declared_columns]
        return any(split_prefix(name, _ROW_NAMES) is not None or name in heads for name in _list_leaf_names(row))

    rows = list(read_rows(file, is_row) if document is None else _find_rows(file, document, is_row))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{file}: row {number} is a {type(row).__name__}, expected an object")
    return expand_nested_rows(rows)


def _find_rows(file: Path, document: Any, is_row: Callable[[Row], bool]) -> Sequence[Row]:
    """Return the rows of a JSON object.

    If the object maps ids or clips to lists of rows, one row per key is returned, which contains the key as `id` and
    the list; `expand_nested_rows` splits it later. `is_row` returns True for an object that is a row.
    """
    lists = list(document.values())
    by_key = all(isinstance(one, list) and one and all(isinstance(row, dict) for row in one) for one in lists)
    by_role = any(name.lower() in _SPLIT_NAMES or normalise_name(name) in _ROW_NAMES for name in document)
    if len(lists) > 1 and by_key and not by_role and all(is_row(row) for rows in lists for row in rows):
        return [{"id": key, _NESTED: rows} for key, rows in document.items()]
    tables = [one for one in lists if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
    if len(tables) == 1 and not is_row(document):
        return list(tables[0])
    return read_rows(file, is_row, "of questions; expected a list of objects, one per question")


_NESTED = "questions"


def expand_nested_rows(rows: Sequence[Row]) -> list[Row]:
    """Return one row per question, for rows about clips that each contain a list of questions.

    Each new row has the values of the question and all other values of the row. Its id is the row's id, a slash, and
    the id or the number of the question. Rows are returned unchanged if none contains such a list, or if another column
    is at least as likely to hold the question, by the order of `QUESTION_NAMES`.
    """
    ranks: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if (rank := _rank_question_list(value)) is not None:
                ranks[name] = min(rank, ranks.get(name, rank))
    nested = list(ranks)
    outside = {normalise_name(name) for row in rows for name in row if name not in ranks}
    if len(nested) != 1 or outside & set(QUESTION_NAMES[: ranks[nested[0]] + 1]):
        return list(rows)
    (name,) = nested
    found: list[Row] = []
    for row in rows:
        outer = {key: value for key, value in row.items() if key != name}
        for number, inner in enumerate(row.get(name) or (), 1):
            ids = {"id": f"{outer['id']}/{inner.get('id', number)}", "clip_key": outer["id"]} if "id" in outer else {}
            found.append({**outer, **inner, **ids})
    return found


def _rank_question_list(value: Any) -> int | None:
    """Return the rank of a list of objects as a list of questions; None for other values.

    The rank is the index in `QUESTION_NAMES` of the first name that is a key of all objects. The keys `text` and
    `input` are ignored, because options, references and parts of a transcript may have them, too.
    """
    if not (isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value)):
        return None
    keys = set.intersection(*({normalise_name(str(key)) for key in one} for one in value)) - {"text", "input"}
    return next((rank for rank, name in enumerate(QUESTION_NAMES) if name in keys), None)


def _is_object(file: Path) -> bool:
    """Return True if a file is one JSON object, and not one object per line."""
    with file.open("rb") as opened:
        first = opened.readline().removeprefix(b"\xef\xbb\xbf").strip()
        if not first.startswith(b"{"):
            return False
        try:
            return not (isinstance(parse_json(first), dict) and any(line.strip() for line in opened))
        except ValueError:
            return True


def _list_leaf_names(row: Row, depth: int = 2) -> list[str]:
    """Return the keys of a row, and dotted paths to the keys of nested objects."""
    names = []
    for name, value in row.items():
        names.append(name)
        if depth and isinstance(value, Mapping):
            names += [f"{name}.{leaf}" for leaf in _list_leaf_names(value, depth - 1)]
    return names


def _convert_columns_to_rows(document: Any) -> list[Row] | None:
    """Return the rows of an object that holds columns, as pandas writes it; None for any other document.

    A column is a list of values, or an object that maps row numbers to values.
    """
    if not isinstance(document, dict) or len(document) < 2:
        return None
    columns = list(document.values())
    if not any(normalise_name(name) in _ROW_NAMES for name in document):
        return None
    if all(isinstance(column, list) and all(isinstance(one, Mapping) for one in column) for column in columns):
        return None  # several lists of rows
    if all(isinstance(column, list) for column in columns) and len({len(column) for column in columns}) == 1:
        return [dict(zip(document, values, strict=True)) for values in zip(*columns, strict=True)]
    if all(isinstance(column, dict) for column in columns) and len({tuple(column) for column in columns}) == 1:
        return [{name: column[key] for name, column in document.items()} for key in columns[0]]
    return None


def _read_csv(file: Path) -> list[Row]:
    """Read a file with comma, semicolon or tab between cells; the header decides which. Rows of empty cells are left
    out."""
    header = read_text(file).lstrip("\r\n").partition("\n")[0]
    counts = {delimiter: header.count(delimiter) for delimiter in (",", ";", "\t")}
    default = "\t" if file.suffix.lower() == ".tsv" else ","
    delimiter = default if counts[default] else max(counts, key=lambda one: counts[one])
    rows = read_csv(file, [], delimiter if counts[delimiter] else default)
    if not rows:
        return []
    names = {name: name.strip() for name in rows[0] if not _UNNAMED.fullmatch(name.strip())}
    if len(set(names.values())) < len(names):
        raise DataError(f"{file}: two columns of the header differ in blanks only")
    same = all(name == stripped for name, stripped in names.items()) and len(names) == len(rows[0])
    kept = [row for row in rows if any(value.strip() for value in row.values())]
    return list(kept) if same else [{names[name]: row[name] for name in names} for row in kept]


def _flatten_columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of all rows. The column of an object is replaced by columns of its parts (`meta.id`).

    Objects that are clips or lists of options are not replaced.
    """
    if all(row.keys() == rows[0].keys() for row in rows):
        first = {name: next((row[name] for row in rows if row[name] is not None), None) for name in rows[0]}
    else:
        first = {}
        for row in rows:
            for name, value in row.items():
                if first.get(name) is None:
                    first[name] = value
    columns: list[str] = []
    for name, value in first.items():
        columns += _expand_column(name, value)
    return tuple(columns)


def _expand_column(name: str, value: Any, depth: int = 3) -> list[str]:
    """Return the columns of one key: the key itself, or dotted paths to the parts of an object."""
    if not depth or not isinstance(value, Mapping) or not value or is_clip_object(value):
        return [name]
    if all(len(str(key)) <= 2 for key in value) or isinstance(value.get("text"), list) or is_option_list(value):
        return [name]  # options by letter, number or name, or texts of options or answers
    return [path for key, part in value.items() for path in _expand_column(f"{name}.{key}", part, depth - 1)]


def is_clip_object(value: Mapping[str, Any]) -> bool:
    """Return True for an object that holds a clip: `{"path": ..., "bytes": ...}` or `{"array": ..., ...}`."""
    keys = set(map(str, value))
    return bool(keys & {"bytes", "array", "path", "audio_path"}) and keys <= {
        *("bytes", "array", "path", "sampling_rate", "audio_path", "sample_rate", BINARY_CLIP)
    }


def is_embedded(value: Any) -> bool:
    """Return True for a clip whose bytes are inside the question file."""
    return isinstance(value, AudioRef)
