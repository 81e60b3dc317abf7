"""Division of a user's own data into training and validation rows that share no clip."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alm_bench.core import AudioRef, DataError, Sample
from alm_bench.core.files import compute_sha256
from alm_bench.core.rng import create_item_generator
from alm_bench.train.config import FOLDS
from alm_bench.train.own_data import write_questions
from alm_bench.train.sources import Row, Source, build_clip_key

HELD_OUT = "held_out.jsonl"
"""Name of the file of held-out questions in the folder of a run."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Rows of a source that are held out for validation, and those that remain for training."""

    training: Source
    """Rows to train on."""

    validation: Source
    """Rows that share no clip with those to train on."""

    seed: int
    """Seed of the division."""

    folds: int
    """Number of parts into which the clips were divided."""

    fold: int
    """Index of the part that is held out."""

    untested_parts: list[str] = field(default_factory=list)
    """Parts of the data (labels) that have too few clips to hold one out."""

    def describe(self) -> str:
        """Return the division in one line."""
        train, held_out = self.training, self.validation
        untested = f"; no clip is held out of {', '.join(self.untested_parts)}" if self.untested_parts else ""
        return (
            f"{train.config.name}: {len(train.rows):,} rows on {len(train.clips):,} clips to train on, "
            f"{len(held_out.rows):,} on {len(held_out.clips):,} other clips held out (fold {self.fold} of "
            f"{self.folds}, seed {self.seed}){untested}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the division as an entry of the training log, with the ids of the clips that are held out."""
        return {
            "source": self.training.config.name,
            "seed": self.seed,
            "folds": self.folds,
            "fold": self.fold,
            "rows": len(self.training.rows),
            "clips": len(self.training.clips),
            "rows_held_out": len(self.validation.rows),
            "clips_held_out": [clip.id for clip in self.validation.clips],
        }


def is_divisible(source: Source) -> bool:
    """Return True for a folder of clips or a file of questions, unless its recipe sets `folds = 1` to train on all
    rows."""
    return bool(source.samples) and source.config.folds != 1


def divide_source(source: Source, seed: int) -> Holdout:
    """Hold out one of `folds` parts of a source's clips for validation.

    Rows that share a clip stay together; clips with the same bytes are one clip. Within each part of the data, such as
    a label, the clips are shuffled by `seed` and dealt to the folds in turn, so that every label with at least two
    clips is trained on and, in fold 0, held out. Raises DataError if nothing would be left on one side.
    """
    folds, fold = source.config.folds or FOLDS, source.config.fold or 0
    groups = _group_rows(source.rows)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups:
        strata[source.rows[group[0]].subtype].append(group)
    held_out: set[int] = set()
    untested = []
    for name, members in sorted(strata.items()):
        if len(members) == 1:
            untested.append(name)
            continue
        order = create_item_generator("holdout", seed, name).permutation(len(members))
        held_out.update(row for place, index in enumerate(order) if place % folds == fold for row in members[index])
    is_held_out = [index in held_out for index in range(len(source.rows))]
    if not any(is_held_out):
        raise DataError(
            f"training data {source.config.name}: found {len(groups)} clips or groups of clips that share questions, "
            f"too few to hold out part {fold} of {folds}: add clips, name a [[validation]] source, or set folds = 1"
        )
    kept = _select_rows(source, [not flag for flag in is_held_out])
    return Holdout(kept, _select_rows(source, is_held_out), seed=seed, folds=folds, fold=fold, untested_parts=untested)


def _select_rows(source: Source, is_kept: Sequence[bool]) -> Source:
    """Return a copy of a source that has only the rows for which `is_kept` is True."""
    part = replace(source)
    part.keep_rows(is_kept)
    return part


def _group_rows(rows: Sequence[Row]) -> list[list[int]]:
    """Return the indices of rows that share clips, directly or through other rows, as groups in order of appearance."""
    parent: dict[Hashable, Hashable] = {}

    def find_root(key: Hashable) -> Hashable:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    contents = _hash_contents({build_clip_key(clip): clip for row in rows for clip in row.clips})
    for row in rows:
        first, *others = (contents[build_clip_key(clip)] for clip in row.clips)
        for other in others:
            parent[find_root(other)] = find_root(first)
    groups: dict[Hashable, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(find_root(contents[build_clip_key(row.clips[0])]), []).append(index)
    return list(groups.values())


def _hash_contents(clips: dict[Any, AudioRef]) -> dict[Any, Hashable]:
    """Return a value per key that is equal for clips with the same bytes, and different for others: the hash of the
    bytes, or the key itself for a file that is not read because no other file has the same size."""
    sizes = defaultdict(list)
    for key, clip in clips.items():
        sizes[-1 if clip.read is not None else clip.path.stat().st_size].append(key)
    found: dict[Any, Hashable] = {}
    for keys in sizes.values():
        for key in keys:
            found[key] = _hash_bytes(clips[key]) if len(keys) > 1 else key
    return found


def _hash_bytes(clip: AudioRef) -> str:
    """Return the sha256 of a clip's encoded bytes."""
    return compute_sha256(clip.path) if clip.read is None else hashlib.sha256(clip.read()).hexdigest()


def write_held_out_questions(holdouts: Sequence[Holdout], folder: Path) -> None:
    """Write the questions about held-out clips into a run's folder, as a file that `--tasks` takes. Clips that are
    stored within a table have no path, and their questions are left out."""
    questions = [
        sample
        for holdout in holdouts
        for sample in list_evaluated_questions(holdout.validation)
        if all(clip.read is None for clip in sample.audio)
    ]
    if questions:
        write_questions(questions, folder / HELD_OUT)


def list_evaluated_questions(source: Source) -> list[Sample]:
    """Return the questions by which held-out rows are evaluated: all questions of a file of questions, or the first
    question about each clip of a folder of clips."""
    if source.config.folder is None:
        return list(source.samples)
    first = {sample.audio[0].id: sample for sample in reversed(source.samples)}
    return [first[clip.id] for clip in source.clips]
