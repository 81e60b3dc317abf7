"""Clips of the rows of a question file: paths, lists of paths, objects of the `datasets` library, and bytes."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from alm_bench.core import AudioError, AudioRef
from alm_bench.core.files import is_file
from alm_bench.data.index import AUDIO_SUFFIXES
from alm_bench.data.outputs.row import parse_list_text
from alm_bench.data.questions.cells import is_empty
from alm_bench.data.root import LocalRoot

_SEPARATORS = (";", "|", ",")


def parse_clips(cells: Sequence[Any], root: LocalRoot, row_name: str) -> tuple[AudioRef, ...]:
    """Return the clips of an item, in order. Empty cells are left out.

    A path refers to the folder of `root`, unless it is absolute. `row_name` names the row, for clips without a name.
    Raises ValueError for a cell that holds no clip.
    """
    found: list[AudioRef] = []
    for cell in cells:
        value = _split_paths(cell, root) if isinstance(cell, str) else cell
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if not is_empty(one):
                found.append(_parse_clip(one, root, f"{row_name}-{len(found)}"))
    return tuple(found)


def make_ids_unique(items: Sequence[tuple[AudioRef, ...]]) -> list[tuple[AudioRef, ...]]:
    """Return the clips of all items. Embedded clips with the same id, but different bytes, get different ids.

    Data sets store the base name of a file, which clips from several folders may share. The first clip `001.wav` keeps
    its id; a clip with other bytes gets an id with the first digits of its hash, `001-1a2b3c4d.wav`. Bytes are read
    only if an id repeats.
    """
    counts = Counter(clip.id for clips in items for clip in clips if clip.read is not None)
    if all(count == 1 for count in counts.values()):
        return list(items)
    first: dict[str, str] = {}

    def rename_clip(clip: AudioRef) -> AudioRef:
        if clip.read is None or counts[clip.id] == 1:
            return clip
        try:
            digest = hashlib.sha256(clip.read()).hexdigest()
        except AudioError:  # the item fails for this reason when its clip is decoded
            digest = ""
        if first.setdefault(clip.id, digest) == digest:
            return clip
        name = PurePosixPath(clip.id)
        return replace(clip, id=f"{name.stem}-{digest[:8]}{name.suffix}")

    return [tuple(map(rename_clip, clips)) for clips in items]


def _split_paths(text: str, root: LocalRoot) -> Any:
    """Return the list of paths in a cell, or the text unchanged if it is a single path.

    Several paths are written as a JSON or Python list, or with a separator between them. The text is split at a
    separator only if each part has an audio suffix and no file has the whole text as its name.
    """
    listed = parse_list_text(text)
    if not isinstance(listed, str):
        return listed
    for separator in _SEPARATORS:
        parts = [part.strip() for part in text.split(separator)]
        if len(parts) > 1 and all(PurePosixPath(part).suffix.lower() in AUDIO_SUFFIXES for part in parts):
            return text if is_file(root.path / text) else parts
    return text


def _parse_clip(value: Any, root: LocalRoot, name: str) -> AudioRef:
    if isinstance(value, AudioRef):
        return value
    if isinstance(value, (bytes, bytearray)):
        return AudioRef(name, root.path / name, _BytesReader(bytes(value)))
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path") or value.get("audio_path")
        if isinstance(data, (bytes, bytearray)):
            label = Path(str(path)).name if path else name
            return AudioRef(label, root.path / label, _BytesReader(bytes(data)))
        value = path
    if not isinstance(value, str):
        raise ValueError(f"{_shorten(value)} is no clip, expected a path or a list of paths")
    text = value.strip()
    if text.startswith(("http://", "https://", "gs://", "s3://")):
        raise ValueError(f"{_shorten(text)} is an address, expected a file: download the clips first")
    return root.audio(str(Path(text).expanduser()) if text.startswith("~") else text)


class _BytesReader:
    """Reader of a clip whose bytes are in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self) -> bytes:
        return self._data


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
