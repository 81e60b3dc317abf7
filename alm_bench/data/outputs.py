"""A file of model outputs that another program wrote, as text by item id."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from alm_bench.core import DataError, Sample
from alm_bench.core.errors import known_first
from alm_bench.data.readers import read_csv, read_json, read_jsonl, read_text, unique

TEXT_COLUMNS = ("model_output", "model_prediction", "prediction")


def read_outputs(path: Path, column: str | None = None) -> dict[str, str | None]:
    """Item id -> the model's raw text, or None where the file has no text for the item (null, or no such key).

    JSON list, JSONL or CSV. An item's id is its `id`, else the stem of its `audio_id`. The text is under `column`, else
    under the first of `TEXT_COLUMNS` that the file has. Empty text stays empty text, also in a CSV.
    Raises DataError for a file without such a column, for an item without an id and for ids that repeat.
    """
    rows = _rows(path)
    key = _text_column(path, rows, column)
    outputs: dict[str, str | None] = {}
    for number, row in enumerate(rows, start=1):
        item = _id(path, number, row)
        if item in outputs:
            raise DataError(f"{path}: item {number} repeats the id {item!r}, expected one output an item")
        outputs[item] = _text(path, item, key, row.get(key))
    return outputs


def read_answered(path: Path, annotations: Path | None = None, column: str | None = None) -> list[tuple[Sample, str]]:
    """The file's items with their texts: options and gold from its own `choices` and `answer`, or from `annotations`.

    An item without text has the empty one; a gold that is no option has no target. Raises DataError, as `read_outputs`,
    and for items that nothing describes.
    """
    texts = read_outputs(path, column)
    described = {_id(path, number, row): row for number, row in enumerate(_rows(annotations or path), start=1)}
    found = []
    for item, text in texts.items():
        row = described.get(item, {})
        choices, gold = row.get("choices"), row.get("answer")
        if not isinstance(choices, list) or gold is None:
            raise DataError(
                f"{annotations or path}: item {item!r} has no choices and answer; name the questions with --annotations"
            )
        options, answer = tuple(map(str, choices)), str(gold)
        target = options.index(answer) if answer in options else None
        found.append((Sample(item, {}, choices=options, target=target, gold=answer), text or ""))
    return found


@dataclass(frozen=True, slots=True)
class Captioned:
    """A candidate caption and what it is compared with. `id` is the item's number where the file has none."""

    id: str
    candidate: str
    references: tuple[str, ...]


def read_captions(path: Path) -> list[Captioned]:
    """Items with `candidate`, `references` and, where there is one, `id`, of a JSON list, JSONL or CSV.

    References are a list of texts; in a CSV's cell a JSON list, or one text. Raises DataError naming file and item.
    """
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path}: holds no captions")
    return unique((_captioned(path, number, row) for number, row in enumerate(rows, start=1)), path)


def _captioned(path: Path, number: int, row: Mapping[str, Any]) -> Captioned:
    where = f"{path}: item {number}"
    for key in ("candidate", "references"):
        if key not in row:
            raise DataError(f"{where} has no {key!r}; it has {', '.join(map(str, row)) or 'nothing'}")
    references = row["references"]
    if isinstance(references, str):
        references = _listed(references)
    if not isinstance(row["candidate"], str):
        raise DataError(f"{where}: the candidate is a {type(row['candidate']).__name__}, expected text")
    if not isinstance(references, list) or not references or not all(isinstance(text, str) for text in references):
        raise DataError(f"{where}: references are {references!r:.80}, expected a list of one text or more")
    if any(not text.strip() for text in references):
        raise DataError(f"{where}: a reference is empty, expected a text")
    name = number if row.get("id") in (None, "") else row["id"]
    return Captioned(str(name), row["candidate"], tuple(references))


def _listed(cell: str) -> Any:
    """Of a CSV's cell: a list as JSON or Python writes it, or one text."""
    if cell.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(cell)
            except (ValueError, SyntaxError):
                continue  # a text that begins with a bracket
    return [cell]


def _rows(path: Path) -> Sequence[Mapping[str, Any]]:
    kind = _kind(path)
    if kind == "csv":
        return read_csv(path, [])
    if kind == "jsonl":
        return read_jsonl(path)
    document = read_json(path)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        found = "a list with other things in it" if isinstance(document, list) else f"a {type(document).__name__}"
        raise DataError(f"{path}: found {found}, expected a JSON list of objects, one an item")
    return document


def _kind(path: Path) -> str:
    """By content first: JSONL under `.json` is common."""
    text = read_text(path).lstrip()
    if text.startswith("["):
        return "json"
    if text.startswith("{"):
        return "jsonl" if _is_object(text.partition("\n")[0]) else "json"
    return path.suffix.lower().removeprefix(".") if path.suffix.lower() in (".json", ".jsonl") else "csv"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _text_column(path: Path, rows: Sequence[Mapping[str, Any]], column: str | None) -> str:
    found = list(dict.fromkeys(key for row in rows for key in row))
    if not found:
        raise DataError(f"{path}: holds no outputs")
    wanted = TEXT_COLUMNS if column is None else (column,)
    for name in wanted:
        if name in found:
            return name
    raise DataError(
        f"{path}: no column {' or '.join(wanted)} with the model's text; found {known_first(wanted[0], found)}; "
        "name the right one"
    )


def _id(path: Path, number: int, row: Mapping[str, Any]) -> str:
    if row.get("id") not in (None, ""):
        return str(row["id"])
    clip = row.get("audio_id")
    if isinstance(clip, str) and clip:
        return PurePosixPath(clip).stem
    raise DataError(
        f"{path}: item {number} has neither id nor audio_id; it has {', '.join(map(str, row)) or 'nothing'}"
    )


def _text(path: Path, item: str, key: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):  # how a data frame writes a missing cell
        return None
    if isinstance(value, (int, float)):  # a program that wrote the answer 5 as a number
        return json.dumps(value)
    raise DataError(f"{path}: the {key} of {item!r} is a {type(value).__name__}, expected text")
