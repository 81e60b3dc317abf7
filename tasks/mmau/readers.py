"""Readers of MMAU's two layouts, the official JSON and the parquet files of the Hugging Face hub, as rows of the same
form."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from string import ascii_lowercase
from typing import Any

from alm_bench.core import AudioRef, DataError, DataRoot
from alm_bench.data.readers import ParquetRow, read_json, read_parquet

REQUIRED_KEYS = ("audio_id", "question", "choices", "task", "difficulty")


def _check_row(row: Any, number: int, path: Path) -> Mapping[str, Any]:
    """Return item `number` of the file at `path` if it is valid, else raise DataError."""
    if not isinstance(row, dict):
        raise DataError(
            f"{path}: item {number} is {type(row).__name__}, expected an object with {', '.join(REQUIRED_KEYS)}"
        )
    for key in REQUIRED_KEYS:
        if key not in row:
            raise DataError(f"{path}: item {number} has no {key!r}; it has {', '.join(sorted(row))}")
    choices = row["choices"]
    if not isinstance(choices, list) or len(choices) < 2:
        raise DataError(f"{path}: item {number} has choices {choices!r}, expected a list of two or more")
    if len(choices) > len(ascii_lowercase):
        raise DataError(f"{path}: item {number} has {len(choices)} choices, more than there are letters")
    if not isinstance(row["audio_id"], str):
        raise DataError(f"{path}: item {number} has the audio_id {row['audio_id']!r}, expected a clip's name")
    return row


def read_question_list(path: Path) -> list[Mapping[str, Any]]:
    """Read the list of questions of the official JSON. Raises DataError."""
    document = read_json(path)
    if not isinstance(document, list):
        raise DataError(f"{path}: found {type(document).__name__}, expected a list of questions")
    return [_check_row(item, number, path) for number, item in enumerate(document)]


def get_item_id(row: Mapping[str, Any]) -> str:
    """Return the id of a row. The first revision of MMAU has no `id`; there it is the stem of `audio_id`."""
    return str(row["id"]) if "id" in row else PurePosixPath(row["audio_id"]).stem


def read_official_rows(
    path: Path, data: DataRoot, shards: Sequence[Path] = ()
) -> Iterator[tuple[Mapping[str, Any], AudioRef]]:
    """Yield the rows of the official JSON, each with its clip. If the clip does not exist below the data root, the clip
    of the row with the same id in the parquet files `shards` is used."""
    clips_by_id: dict[str, AudioRef] | None = None
    for row in read_question_list(path):
        clip, name = PurePosixPath(row["audio_id"]), get_item_id(row)
        place = data.audio(f"mmau/{clip}", str(clip), f"mmau/{clip.name}", clip.name)
        if shards and place.read is None and not place.path.is_file():
            clips_by_id = {row["id"]: ref for row, ref in read_hub_rows(shards)} if clips_by_id is None else clips_by_id
            place = replace(clips_by_id.get(name, place), id=place.id)
        yield {**row, "id": name}, place


def _strip_letter(text: str) -> str:
    """Remove the letter that the hub's files write into an option: `(A) Man` becomes `Man`."""
    head, _, rest = text.partition(") ")
    return rest if rest and len(head) == 2 and head[0] == "(" and head[1].isalpha() else text


def read_hub_rows(files: Sequence[Path]) -> Iterator[tuple[Mapping[str, Any], AudioRef]]:
    """Yield the rows of the hub's parquet files (columns context, instruction, choices, answer, other_attributes), each
    with the clip that it contains."""
    for number, parquet in enumerate(read_parquet(files, ("context", "instruction", "choices", "other_attributes"))):
        yield _convert_hub_row(parquet, number, files[0])


def _convert_hub_row(parquet_row: ParquetRow, number: int, path: Path) -> tuple[Mapping[str, Any], AudioRef]:
    """Return row `number` of a hub file in the form of the official JSON, and the clip that it contains."""
    values = parquet_row.values
    try:
        attributes = json.loads(values["other_attributes"])
    except (TypeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: row {number}: other_attributes is not JSON: {error}") from error
    attributes = {key.replace("_", "-") if key == "sub_category" else key: value for key, value in attributes.items()}
    answer = values.get("answer")
    row = {
        "audio_id": f"{attributes.get('id', number)}.wav",
        **attributes,
        "question": values["instruction"],
        "choices": [_strip_letter(choice) for choice in values["choices"]],
        **({"answer": _strip_letter(answer)} if answer else {}),
    }
    checked = _check_row({"id": str(attributes.get("id", number)), **row}, number, path)
    return checked, parquet_row.get_audio_ref(f"mmau/{checked['id']}")
