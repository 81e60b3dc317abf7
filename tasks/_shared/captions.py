"""Captions of Clotho and AudioCaps, for captioning and retrieval: their files, and their clips below a data root.

Each clip has five captions. AudioCaps' file has one row per caption. Clotho's own file has five columns of captions;
the entailment file of Clotho's evaluation clips has the five captions as a list in one cell.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

from alm_bench.core import AudioRef, DataError, DataRoot, TaskCard
from alm_bench.data.readers import read_csv
from alm_bench.tasks._shared.clips import list_audiocaps_paths, list_clip_paths


def locate_captions(card: TaskCard, data: DataRoot) -> Mapping[str, Path]:
    """Return the first file of the card that exists, as a mapping with its role as the only key. Raises DataError if
    none exists.
    """
    there = next((file for file in card.files if data.has(file)), card.files[0])
    return {there.role: data.locate(there)}


def read_captions(source: str, role: str, path: Path) -> dict[str, list[str]]:
    """Return the captions of each clip, by the clip's name. `source` is `clotho` or `audiocaps`, `role` the role of the
    file on the card. Raises DataError.
    """
    return _READERS[source, role](path)


def find_captioned_clip(data: DataRoot, source: str, name: str) -> AudioRef:
    """Return a clip of `clotho` or `audiocaps`. `name` is the clip's name in the file of captions."""
    names = list_audiocaps_paths(name) if source == "audiocaps" else list_clip_paths(f"ClothoV21/evaluation/{name}")
    return data.audio(*names)


def _read_audiocaps_captions(path: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for row in read_csv(path, ("youtube_id", "caption")):
        captions.setdefault(row["youtube_id"], []).append(row["caption"])
    return captions


def _read_clotho_captions(path: Path) -> dict[str, list[str]]:
    columns = [f"caption_{number}" for number in range(1, 6)]
    return {row["file_name"]: [row[column] for column in columns] for row in read_csv(path, ("file_name", *columns))}


def _read_entailment_captions(path: Path) -> dict[str, list[str]]:
    """Return the captions by clip name. Raises DataError if a cell is not a list of texts."""
    captions = {}
    for row in read_csv(path, ("Audio file", "Caption")):
        try:
            found = ast.literal_eval(row["Caption"])
        except (ValueError, SyntaxError):
            found = None
        if not isinstance(found, list) or not found or not all(isinstance(text, str) for text in found):
            raise DataError(f"{path}: the captions of {row['Audio file']} are no list of texts: {row['Caption']:.60}")
        captions[row["Audio file"]] = found
    return captions


_READERS = {
    ("audiocaps", "annotations"): _read_audiocaps_captions,
    ("clotho", "annotations"): _read_clotho_captions,
    ("clotho", "entailment"): _read_entailment_captions,
}
