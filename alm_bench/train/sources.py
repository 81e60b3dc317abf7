"""Sources of training rows: JSON files in the format of ReasonAQA with a folder of audio files, the demo data, folders
of clips by class, and files of questions."""

import fnmatch
import itertools
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alm_bench.core import AudioRef, DataError, DataRoot, Sample
from alm_bench.data import LocalRoot, read_json
from alm_bench.train.audioset import SUFFIXES, TagFile, read_tags
from alm_bench.train.config import DataConfig
from alm_bench.train.paraphrase import Paraphrases

ClipKey = tuple[str, Path, str | None]
"""Key that identifies a clip over all sources."""

FIELDS = ("filepath1", "filepath2", "input", "answer")
"""Required fields of a row."""
DIFFICULTIES = ("easy", "medium", "hard")
"""Difficulties of rows, in ascending order."""


def build_clip_key(ref: AudioRef) -> ClipKey:
    """Return a key that identifies a clip over all sources. The id alone does not: two folders may both contain
    `train/a.wav`."""
    return ref.id, ref.path, ref.content


@dataclass(frozen=True, slots=True)
class Row:
    """A training example."""

    prompt: str
    """Prompt (`input` in ReasonAQA)."""

    answer: str
    """Answer, as in ReasonAQA."""

    clips: tuple[AudioRef, ...]
    """One or two clips."""

    subtype: str = ""
    """Part of the data to which the row belongs, in lower case and without `.json`."""

    difficulty: str = "easy"
    """`easy`, `medium` or `hard`; `easy` if the data does not specify it."""

    pass_rate: float | None = None
    """Share of a model's sampled answers that are right, 0 to 1, from the field `pass_rate` of the row or the table
    `pass_rates` of its source (`alm-bench train difficulty`). None if it was not measured."""


@dataclass(slots=True)
class Source:
    """Training rows or labelled clips of one `[[data]]` table."""

    config: DataConfig
    """Settings of the source."""

    rows: list[Row]
    """Training rows; empty for a file of labels."""

    root: DataRoot
    """Folder of the clips."""

    missing: list[str] = field(default_factory=list)
    """Ids of clips that were left out because their files are missing."""

    tagged: TagFile | None = None
    """Content of a file of labels, None for other sources."""

    samples: Sequence[Sample] = ()
    """Question of each row, for folders of clips and files of questions; empty for other sources."""

    @property
    def clips(self) -> list[AudioRef]:
        """Clips without duplicates, in order of appearance."""
        tagged = self.tagged.clips if self.tagged is not None else ()
        found = {build_clip_key(ref): ref for ref in (*(ref for row in self.rows for ref in row.clips), *tagged)}
        return list(found.values())

    def keep_rows(self, is_kept: Sequence[bool]) -> None:
        """Remove the rows for which `is_kept` is False."""
        self.rows = list(itertools.compress(self.rows, is_kept))
        self.samples = list(itertools.compress(self.samples, is_kept))

    def paraphrase_row(self, index: int, seed: int) -> tuple[str, str]:
        """Return the prompt and answer of row `index`, with a paraphrase that depends on `seed` and `index` alone."""
        row = self.rows[index]
        return Paraphrases.load_bundled().rewrite(row.prompt, row.answer, random.Random(f"{seed}/{index}"))


def read_source(config: DataConfig, missing_audio: str) -> Source:
    """Read the rows of a source. Raises DataError for an empty or malformed file, with row and field, and for missing
    audio.

    With `missing_audio` set to `skip`, rows with missing clips are left out, and the clips are listed in
    `Source.missing`.
    """
    source = _read_source_rows(config)
    if config.pass_rates is not None:
        source.rows = _attach_pass_rates(source.rows, config.pass_rates)
    if not source.clips:
        raise DataError(f"training data {config.name}: no rows{_format_subtype_hint(config)}")
    absent = {ref.id for ref in source.clips if ref.read is None and not ref.path.is_file()}
    if absent and missing_audio == "error":
        raise DataError(
            f"training data {config.name}: {len(absent)} clips are missing below {source.root.path}, the first is "
            f"{min(absent)}; name the right root, or leave their rows out with --missing-audio skip"
        )
    if absent:
        source.missing = sorted(absent)
        source.keep_rows([not any(ref.id in absent for ref in row.clips) for row in source.rows])
        if source.tagged is not None:
            available = {ref: labels for ref, labels in source.tagged.clips.items() if ref.id not in absent}
            source.tagged = TagFile(available, source.tagged.classes)
        if not source.clips:
            raise DataError(f"training data {config.name}: no clip of its rows is below {source.root.path}")
    return source


def _format_subtype_hint(config: DataConfig) -> str:
    """Return the end of the error message for a source without rows."""
    return f" of the parts {', '.join(config.subtypes)}" if config.subtypes else ""


def _attach_pass_rates(rows: Sequence[Row], path: Path) -> list[Row]:
    """Return the rows with their pass rates from a table. Raises DataError if the table has none of the rows."""
    from alm_bench.train.difficulty import compute_row_key, read_pass_rates

    rates = read_pass_rates(path.expanduser())
    found = [replace(row, pass_rate=rates.get(compute_row_key(row), row.pass_rate)) for row in rows]
    if rows and all(row.pass_rate is None for row in found):
        raise DataError(f"{path}: none of its {len(rates):,} rows is in the data; measure these data with it")
    return found


def _read_source_rows(config: DataConfig) -> Source:
    """Read or generate the rows of a source, before pass rates are attached and missing clips are checked. Raises
    DataError and UsageError."""
    if config.file:
        return _generate_demo(config) if config.file == "demo" else _read_file(config)
    from alm_bench.train.own_data import convert_samples, read_class_folder, read_question_file

    samples, root = read_class_folder(config) if config.folder is not None else read_question_file(config)
    samples = samples[: config.rows]
    return Source(config, convert_samples(samples), root, samples=samples)


def _generate_demo(config: DataConfig) -> Source:
    from alm_bench.demo import INSTRUCTIONS, build_chain_rows, build_training_rows, create_training_root

    rows = config.rows or 20_000
    if config.chains is None:
        generated = build_training_rows(rows, split=config.split, shortcut=config.shortcut)
    else:
        generated = build_chain_rows(rows, config.chains, split=config.split)
        _format_prompts(generated.rows, config.prompt or f"{{prompt}} {INSTRUCTIONS[config.chains]}")
    root = create_training_root(generated)
    return Source(config, _convert_rows(generated.rows, root, "the demo data", config), root)


def _format_prompts(rows: Sequence[dict[str, Any]], template: str) -> None:
    """Replace the prompt (`input`) of each row, in place, by one from the template of a recipe. The rows have chains of
    thought."""
    from alm_bench.train.objectives.grpo import format_prompt  # it depends on this module
    from alm_bench.train.rewards import build_question

    for row in rows:
        row["input"] = format_prompt(template, row["input"], build_question(row["input"], row["reference"]))


def _read_file(config: DataConfig) -> Source:
    """Read a JSON file of training rows, or a file of sound labels of clips (suffix .csv or .tsv). Raises DataError."""
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
    return Source(config, _convert_rows(document, root, str(path), config)[: config.rows], root)


def _convert_rows(document: Sequence[Any], root: DataRoot, location: str, config: DataConfig) -> list[Row]:
    """Convert the rows of a JSON document, restricted to the parts that `config` selects. `location`: name of the
    source for error messages. Raises DataError."""
    selected = {name.casefold() for name in config.subtypes}
    parts = Counter(_normalise_subtype(item) for item in document if isinstance(item, dict))
    excluded = {pattern: fnmatch.filter(parts, pattern.casefold()) for pattern in config.without}
    absent = sorted(selected - parts.keys()) + [pattern for pattern, found in excluded.items() if not found]
    if absent:
        raise DataError(f"{location}: no rows of {', '.join(absent)}; parts there: {', '.join(parts)}")
    used_parts = (selected or parts.keys()) - {part for found in excluded.values() for part in found}
    return [
        _convert_row(item, number, root, location)
        for number, item in enumerate(document)
        if not isinstance(item, dict) or _normalise_subtype(item) in used_parts
    ]


def _normalise_subtype(item: Mapping[str, Any]) -> str:
    """Return the part of the data to which a row belongs: its subtype in lower case without suffix, so `ACD-1.json`
    becomes `acd-1`."""
    return str(item.get("subtype", "")).casefold().removesuffix(".json")


def _convert_row(item: Any, number: int, root: DataRoot, location: str) -> Row:
    """Convert one row of a JSON document. `number`: its index, for error messages. Raises DataError."""
    if not isinstance(item, dict):
        raise DataError(f"{location}: row {number} is {json.dumps(item)[:40]}, expected an object")
    for key in FIELDS:
        if not isinstance(item.get(key), str):
            raise DataError(f"{location}: row {number}: field {key!r} is {item.get(key)!r}, expected text")
    if not item["filepath1"] or not item["answer"]:
        key = "filepath1" if not item["filepath1"] else "answer"
        raise DataError(f"{location}: row {number}: field {key!r} is empty")
    clips = tuple(root.audio(*_list_paths(item[key])) for key in ("filepath1", "filepath2") if item[key])
    difficulty = item.get("difficulty") or DIFFICULTIES[0]
    if difficulty not in DIFFICULTIES:
        raise DataError(f"{location}: row {number}: difficulty is {difficulty!r}, expected {', '.join(DIFFICULTIES)}")
    pass_rate = item.get("pass_rate")
    if pass_rate is not None and not (isinstance(pass_rate, int | float) and 0 <= pass_rate <= 1):
        raise DataError(f"{location}: row {number}: pass_rate is {pass_rate!r}, expected a share from 0 to 1")
    return Row(item["input"], item["answer"], clips, _normalise_subtype(item), difficulty, pass_rate)


def _list_paths(path: str) -> tuple[str, ...]:
    """Return the possible paths of a clip. A clip of AudioCaps may be stored as `Y<id>.wav`, `<id>.wav` or
    `<id>_<start>.wav`."""
    folder, _, name = path.rpartition("/")
    if "AudioCaps" not in folder or not name.startswith("Y"):
        return (path,)
    clip_id = name.removesuffix(".wav")[1:]
    return (path, f"{folder}/{clip_id}.wav", f"{folder}/{clip_id}_*.wav")
