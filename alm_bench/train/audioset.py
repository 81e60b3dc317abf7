"""AudioSet labels as training targets for an encoder, read from AudioSet's files or files in their layouts.

Weak labels (`unbalanced_train_segments.csv`) name the sound classes of a clip. The lines are `id, start, end,
"label,label"`; lines that begin with `#` are ignored. Strong labels (`audioset_train_strong.tsv`) also give times: a
header line, then the columns `segment_id`, `start_time_seconds`, `end_time_seconds` and `label`. Both files are
available at https://research.google.com/audioset/download.html.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from alm_bench.core import AudioRef, DataError, DataRoot
from alm_bench.core.errors import format_similar_names
from alm_bench.data import read_csv, read_text
from alm_bench.data.class_labels import read_class_labels

STRONG = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
"""Columns of a file of strong labels."""
SUFFIXES = (".csv", ".tsv")
"""File suffixes of weak and strong labels."""


@dataclass(frozen=True, slots=True)
class Label:
    """A sound class that occurs in a clip. Without times, it occurs at an unknown time."""

    name: str
    """Name of the class."""

    start: float | None = None
    """Start in seconds, None for a weak label."""

    stop: float | None = None
    """End in seconds, None for a weak label."""


@dataclass(frozen=True, slots=True)
class TagFile:
    """Sound labels of clips, read from one file, and the classes to which the labels belong."""

    clips: Mapping[AudioRef, Sequence[Label]]
    """Labels of each clip."""

    classes: Sequence[str]
    """Names of the classes, in the order of the encoder's outputs."""

    def build_targets(self, steps: int, seconds: float) -> Tensor:
        """Return the training targets, uint8: (clips, steps, classes) for strong labels, (clips, classes) for weak
        ones.

        `steps`: number of time steps of the encoder's output. `seconds`: length of the encoder's input.
        """
        column = {name: place for place, name in enumerate(self.classes)}
        strong = any(label.start is not None for labels in self.clips.values() for label in labels)
        shape = (len(self.clips), steps, len(column)) if strong else (len(self.clips), len(column))
        target = torch.zeros(shape, dtype=torch.uint8)
        for row, labels in enumerate(self.clips.values()):
            for label in labels:
                if label.start is None or label.stop is None:
                    target[row, column[label.name]] = 1
                    continue
                first = int(label.start / seconds * steps)
                target[row, first : max(first + 1, round(label.stop / seconds * steps)), column[label.name]] = 1
        return target


def read_tags(path: Path, root: DataRoot, classes: Path | None) -> TagFile:
    """Read a file of labels: strong ones from `.tsv`, weak ones from other files.

    `classes`: a file in the layout of AudioSet's `class_labels_indices.csv`, which gives the order of the classes. If
    it is None, the classes are the labels in the file, sorted by name. Raises DataError, with the line number, for
    another layout, and for labels that are not in `classes`.
    """
    found = _read_strong_labels(path) if path.suffix == ".tsv" else _read_weak_labels(path)
    label_names = {label.name for _, labels in found for label in labels}
    known = read_class_labels(classes, "mid") if classes is not None else sorted(label_names)
    if unknown := sorted(label_names.difference(known)):
        raise DataError(
            f"{path}: label {unknown[0]!r} is not in {classes}; known: {format_similar_names(unknown[0], known)}"
        )
    return TagFile({root.audio(*_list_file_names(name)): labels for name, labels in found}, known)


def _read_weak_labels(path: Path) -> list[tuple[str, list[Label]]]:
    """Read a file of weak labels as pairs of a segment id and its labels. Raises DataError."""
    found = []
    for number, row in enumerate(csv.reader(read_text(path).splitlines(), skipinitialspace=True), start=1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) != 4 or not row[3].strip():
            raise DataError(f'{path}: line {number} has {len(row)} fields, expected: id, start, end, "label,label"')
        found.append((row[0], [Label(name.strip()) for name in row[3].split(",")]))
    return found


def _read_strong_labels(path: Path) -> list[tuple[str, list[Label]]]:
    """Read a file of strong labels as pairs of a segment id and its labels. Raises DataError."""
    found: dict[str, list[Label]] = {}
    for number, row in enumerate(read_csv(path, STRONG, delimiter="\t"), start=2):
        name, start, stop, label = (row[column] for column in STRONG)
        try:
            strong_label = Label(label, float(start), float(stop))
        except ValueError:
            raise DataError(
                f"{path}: line {number}: from {start!r} to {stop!r}, expected two times in seconds"
            ) from None
        found.setdefault(name, []).append(strong_label)
    return list(found.items())


def _list_file_names(name: str) -> tuple[str, ...]:
    """Return the possible file names (glob patterns) of a segment: `<id>.wav`, `Y<id>.wav`, `<id>_<start time>.wav` or
    `<id>.flac`. A name that has a suffix is the only one."""
    if name.endswith((".wav", ".flac", ".mp3", ".ogg")):
        return (name,)
    return (f"{name}.wav", f"Y{name}.wav", f"{name}_*.wav", f"{name}.flac")
