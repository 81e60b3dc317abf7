"""Readers of SAKURA's layouts as rows of the same form: the repository's JSON and CSV, and the hub's parquet files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from alm_bench.core import AudioRef, DataError
from alm_bench.data.readers import read_csv, read_json, read_parquet

COLUMNS = ("attribute_label", "single_instruction", "single_answer", "multi_instruction", "multi_answer")


def read_annotations(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the base name of each clip of a track, and its row in `metadata.json` or `metadata.csv`.

    The JSON file is an object with one row per clip, by the clip's path. Raises DataError.
    """
    if path.suffix == ".csv":
        for row in read_csv(path, ("file", *COLUMNS)):
            yield PurePosixPath(row["file"]).name, row
        return
    document = read_json(path)
    if not isinstance(document, dict):
        raise DataError(f"{path}: found {type(document).__name__}, expected an object with one row per clip")
    for key, row in document.items():
        yield PurePosixPath(key).name, _check_row(row, f"{path}: {key}")


def _check_row(row: Any, location: str) -> Mapping[str, str]:
    """Return `row` if it is valid, else raise DataError. `location`: start of the message, such as file and row."""
    if not isinstance(row, dict):
        raise DataError(f"{location}: found {type(row).__name__}, expected an object with {', '.join(COLUMNS)}")
    for column in COLUMNS:
        if not isinstance(row.get(column), str):
            raise DataError(f"{location}: {column} is {row.get(column)!r}, expected a text")
    return row


def read_hub_rows(shards: Sequence[Path], track: str) -> Iterator[tuple[str, Mapping[str, str], AudioRef]]:
    """Yield base name, row and clip for each row of the hub's parquet files. Raises DataError."""
    for number, row in enumerate(read_parquet(shards, COLUMNS, clip_column="audio")):
        name = PurePosixPath(str(row.values.get("file") or row.name or f"{number:06d}.wav")).name
        yield name, _check_row(row.values, f"{shards[0]}: row {number}"), row.get_audio_ref(build_clip_id(track, name))


def build_clip_id(track: str, name: str) -> str:
    """Return the id of a clip: its path below the data root in the layout of the card."""
    return f"sakura/{track}/audio/{name}"
