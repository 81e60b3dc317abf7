"""Base class of multiple-choice benchmarks, which reads rows from JSON, JSON Lines, CSV and parquet files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from alm_bench.core import NOTHING, AudioRef, DataFile, DataRoot, Sample
from alm_bench.data.inline_options import REFERENCE_NOT_AN_OPTION
from alm_bench.data.questions.arrow import read_arrow_rows
from alm_bench.data.readers import check_unique_ids
from alm_bench.task_bases import OfficialChoiceTask, Row, convert_rows, read_rows
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.shards import PARQUET, name_shards

NO_OPTIONS = "no options"


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """A row of a benchmark's file."""

    values: Row
    """Values by field name."""

    role: str
    """Role of the file on the task's card."""

    data: DataRoot
    """Source of the clips that are not in the row."""

    embedded_clip: AudioRef | None = None
    """Clip that the row itself contains; None if it contains none."""

    def find_clip(self, *names: str) -> AudioRef:
        """Return the clip that the row contains. If it contains none, return the first of the paths `names` below the
        data root that exists (see `DataRoot.audio`)."""
        if self.embedded_clip is None:
            return self.data.audio(*names)
        return replace(self.embedded_clip, id=normalise_clip_name(names[0]))

    def find_named_clip(self, folder: str, path: str) -> AudioRef:
        """Return the row's clip. `path` is its path as the benchmark writes it, relative to `folder` of the data root
        or to the data root itself."""
        return self.find_clip(f"{folder}/{normalise_clip_name(path)}", normalise_clip_name(path))


def normalise_clip_name(path: str) -> str:
    """Return a clip's path without a leading `./` or `/`."""
    return PurePosixPath(path.replace("\\", "/").removeprefix("./").lstrip("/")).as_posix()


class BenchmarkTask(OfficialChoiceTask):
    """Base class of multiple-choice benchmarks. A subclass converts one row to a sample.

    All required files of the card that exist are read. Optional files are alternatives, such as the copy on the Hugging
    Face hub: if no required file exists, the first optional one that exists is read.
    """

    columns: ClassVar[tuple[str, ...]]
    """Fields that every row must have."""

    def convert_row(self, row: BenchmarkRow) -> Sample:
        """Convert a row to a sample. Raises ValueError, which says what is wrong with the row."""
        raise NotImplementedError(f"task {self.card.name} has no convert_row()")

    def read_file(self, path: Path) -> Iterable[Row]:
        """Return the rows of a CSV or JSON file. Parquet files are not read by this method."""
        return read_rows(path, self.columns)

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        if isinstance(self.options, AnnotationsOption) and (named := self.options.get_annotations_file(self.card.name)):
            return {"annotations": named}
        declared = [file for file in self.card.files if file.split in (None, split)]
        present = [file for file in declared if data.has(file)]
        chosen = [file for file in present if not file.optional] or present[:1]
        if not chosen:
            data.locate(declared[0])  # raises DataError, which says what was searched for
        return {role: path for file in chosen for role, path in _locate_file(file, data).items()}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        files = self.files(data, split)
        samples = (sample for role, path in files.items() for sample in self._read_samples(role, path, data))
        return iter(check_unique_ids(samples, next(iter(files.values()))))

    def _read_samples(self, role: str, path: Path, data: DataRoot) -> Iterator[Sample]:
        """Yield the samples of one file of the card, whose role is `role`."""
        rows = read_arrow_rows(path) if path.suffix == ".parquet" else self.read_file(path)

        def convert(values: Row) -> Sample:
            clips = [value for value in values.values() if isinstance(value, AudioRef)]
            return self.convert_row(BenchmarkRow(values, role, data, clips[0] if len(clips) == 1 else None))

        return convert_rows(rows, path, self.columns, convert)


def _locate_file(file: DataFile, data: DataRoot) -> dict[str, Path]:
    """Return the path of a file, or of each shard of a data set, by role."""
    return name_shards(data.locate_all(file)) if file.role == PARQUET else {file.role: data.locate(file)}


def create_choice_sample(
    id: object,
    question: object,
    choices: Sequence[str],
    answer: object,
    audio: Sequence[AudioRef],
    groups: Mapping[str, object],
    metadata: Mapping[str, Any] = NOTHING,
    target: int | None = None,
) -> Sample:
    """Return the sample of a multiple-choice question.

    `answer` is the text of the correct option, None if it is withheld. `target` is the index of the correct option, if
    the file contains it; otherwise the option with the text `answer` is searched, ignoring spaces at the ends. The
    texts of options are not changed. An item whose answer is not among its options, or that has fewer than two options,
    gets a reason to be skipped. `groups` are keys by grouping; those without a value are left out.
    """
    texts = tuple(choices)
    gold = None if answer is None else str(answer)
    stripped = [text.strip() for text in texts]
    if target is None and gold is not None and gold.strip() in stripped:
        target = texts.index(gold) if gold in texts else stripped.index(gold.strip())
    named = {name: str(value) for name, value in groups.items() if value not in (None, "")}
    skip = None
    if len(texts) < 2:
        target, skip = None, NO_OPTIONS
    elif gold is not None and target is None:
        skip = REFERENCE_NOT_AN_OPTION
    return Sample(
        id=str(id),
        fields={"question": str(question).strip()},
        audio=tuple(audio),
        choices=texts,
        target=target,
        gold=gold,
        groups={**named, **({"clip": audio[0].id} if audio else {})},
        skip=skip,
        metadata=metadata,
    )


def read_choices(values: Row, key: str) -> list[str]:
    """Return the texts of a field that holds a list. Raises ValueError for another type."""
    listed = values[key]
    if not isinstance(listed, (list, tuple)):
        raise ValueError(f"{key} is {listed!r}, expected a list of options")
    return [str(choice) for choice in listed]


def read_text_field(values: Row, key: str) -> str:
    """Return a text that is not empty. Raises ValueError for anything else."""
    text = values[key]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{key} is {text!r}, expected a text")
    return text


def select_values(values: Row, keys: Iterable[str]) -> dict[str, Any]:
    """Return the values of `keys` that the row has, without empty ones, to be stored as metadata of the item."""
    return {key: values[key] for key in keys if values.get(key) not in (None, "", [], {})}
