"""Training rows: ReasonAQA's JSON with an audio root, or the demo world's."""

import fnmatch
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alm_bench.core import AudioRef, DataError, DataRoot
from alm_bench.data import LocalRoot, read_json
from alm_bench.train.audioset import SUFFIXES, TagFile, read_tags
from alm_bench.train.config import DataConfig
from alm_bench.train.paraphrase import Paraphrases

ClipKey = tuple[str, Path, str | None]

FIELDS = ("filepath1", "filepath2", "input", "answer")
DIFFICULTIES = ("easy", "medium", "hard")


def clip_key(ref: AudioRef) -> ClipKey:
    """Return a key that is unique over all sources: two roots may both have a `train/a.wav`."""
    return ref.id, ref.path, ref.content


@dataclass(frozen=True, slots=True)
class Row:
    """One training example."""

    prompt: str
    """Prompt, as in ReasonAQA."""

    answer: str
    """Answer, as in ReasonAQA."""

    clips: tuple[AudioRef, ...]
    """One or two clips."""

    subtype: str = ""
    """Part of the data that it belongs to."""

    difficulty: str = "easy"
    """easy, medium or hard; easy if the data does not say."""


@dataclass(slots=True)
class Source:
    """Rows or tagged clips of one `[[data]]` table."""

    config: DataConfig
    """The table."""

    rows: list[Row]
    """Its rows."""

    root: DataRoot
    """Folder of the clips."""

    missing: list[str] = field(default_factory=list)
    """Clips that were left out because their files are missing."""

    tagged: TagFile | None = None
    """Content of a tag file, None for other sources."""

    @property
    def clips(self) -> list[AudioRef]:
        """Every clip once, in order of appearance."""
        tagged = self.tagged.clips if self.tagged is not None else ()
        found = {clip_key(ref): ref for ref in (*(ref for row in self.rows for ref in row.clips), *tagged)}
        return list(found.values())

    def paraphrase(self, index: int, seed: int) -> tuple[str, str]:
        """Return prompt and answer of row `index` with paraphrases drawn for this `seed`."""
        row = self.rows[index]
        return Paraphrases.load_shipped().rewrite(row.prompt, row.answer, random.Random(f"{seed}/{index}"))


def read_source(config: DataConfig, missing_audio: str) -> Source:
    """Rows of a source. Raises DataError for an empty or malformed file (row and field) and for missing audio.

    With `missing_audio` skip, rows without their clips are left out, counted and listed.
    """
    source = _demo(config) if config.file == "demo" else _file(config)
    if not source.clips:
        raise DataError(f"training data {config.file}: no rows{_subtype_hint(config)}")
    absent = {ref.id for ref in source.clips if ref.read is None and not ref.path.is_file()}
    if absent and missing_audio == "error":
        raise DataError(
            f"training data {config.file}: {len(absent)} clips are missing below {source.root.path}, the first is "
            f"{min(absent)}; name the right root, or leave their rows out with --missing-audio skip"
        )
    if absent:
        source.missing = sorted(absent)
        source.rows = [row for row in source.rows if not any(ref.id in absent for ref in row.clips)]
        if source.tagged is not None:
            heard = {ref: labels for ref, labels in source.tagged.clips.items() if ref.id not in absent}
            source.tagged = TagFile(heard, source.tagged.classes)
        if not source.clips:
            raise DataError(f"training data {config.file}: no clip of its rows is below {source.root.path}")
    return source


def _subtype_hint(config: DataConfig) -> str:
    return f" of the parts {', '.join(config.subtypes)}" if config.subtypes else ""


def _demo(config: DataConfig) -> Source:
    from alm_bench.demo import training_root, training_rows

    made = training_rows(config.rows or 20_000, split=config.split)
    root = training_root(made)
    return Source(config, _rows(made.rows, root, "the demo data", config), root)


def _file(config: DataConfig) -> Source:
    path = Path(config.file).expanduser()
    if not path.is_file():
        raise DataError(f"training data {config.file}: no such file (known besides a file: demo)")
    if config.root is None:
        raise DataError(f"training data {config.file} needs a root: the folder that its clips' paths are below")
    root = LocalRoot(config.root.expanduser())
    if path.suffix in SUFFIXES:
        return Source(config, [], root, tagged=read_tags(path, root, config.classes))
    document = read_json(path)
    if not isinstance(document, list):
        raise DataError(f"{path}: found {type(document).__name__}, expected a list of rows as ReasonAQA has")
    return Source(config, _rows(document, root, str(path), config)[: config.rows], root)


def _rows(document: Sequence[Any], root: DataRoot, where: str, config: DataConfig) -> list[Row]:
    wanted = {name.casefold() for name in config.subtypes}
    parts = Counter(_part(item) for item in document if isinstance(item, dict))
    left_out = {pattern: fnmatch.filter(parts, pattern.casefold()) for pattern in config.without}
    absent = sorted(wanted - parts.keys()) + [pattern for pattern, found in left_out.items() if not found]
    if absent:
        raise DataError(f"{where}: no rows of {', '.join(absent)}; parts there: {', '.join(parts)}")
    kept = (wanted or parts.keys()) - {part for found in left_out.values() for part in found}
    return [
        _row(item, number, root, where)
        for number, item in enumerate(document)
        if not isinstance(item, dict) or _part(item) in kept
    ]


def _part(item: Mapping[str, Any]) -> str:
    """`ACD-1.json` -> `acd-1`."""
    return str(item.get("subtype", "")).casefold().removesuffix(".json")


def _row(item: Any, number: int, root: DataRoot, where: str) -> Row:
    if not isinstance(item, dict):
        raise DataError(f"{where}: row {number} is {json.dumps(item)[:40]}, expected an object")
    for key in FIELDS:
        if not isinstance(item.get(key), str):
            raise DataError(f"{where}: row {number}: field {key!r} is {item.get(key)!r}, expected text")
    if not item["filepath1"] or not item["answer"]:
        key = "filepath1" if not item["filepath1"] else "answer"
        raise DataError(f"{where}: row {number}: field {key!r} is empty")
    clips = tuple(root.audio(*_names(item[key])) for key in ("filepath1", "filepath2") if item[key])
    difficulty = item.get("difficulty") or DIFFICULTIES[0]
    if difficulty not in DIFFICULTIES:
        raise DataError(f"{where}: row {number}: difficulty is {difficulty!r}, expected {', '.join(DIFFICULTIES)}")
    return Row(item["input"], item["answer"], clips, _part(item), difficulty)


def _names(path: str) -> tuple[str, ...]:
    """AudioCaps clips are found as `Y<id>.wav`, `<id>.wav` and `<id>_<start>.wav`."""
    folder, _, name = path.rpartition("/")
    if "AudioCaps" not in folder or not name.startswith("Y"):
        return (path,)
    bare = name.removesuffix(".wav")[1:]
    return (path, f"{folder}/{bare}.wav", f"{folder}/{bare}_*.wav")
