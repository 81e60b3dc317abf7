"""Audio captioning on AudioCaps (Kim et al., NAACL 2019) and Clotho (Drossos et al., arXiv 1910.09387).

Each clip has five references. AudioCaps' file has one row per caption. Clotho's own file has five columns of captions;
the entailment file of Clotho's evaluation clips has the five captions as a list in one cell.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from alm_bench.core import DataError, DataRoot, Parsed, Sample, TaskCard
from alm_bench.data.readers import check_unique_ids, read_csv
from alm_bench.scoring.sentences import CaptionOptions, parse_text
from alm_bench.task_bases import SentenceTask
from alm_bench.tasks._shared.clips import list_audiocaps_paths, list_clip_paths

OPENINGS = ("the audio 1 is ",)
"""Phrases with which Mellow was trained to begin a caption. They are removed before scoring."""

Options = CaptionOptions


class Captioning(SentenceTask):
    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        there = next((file for file in self.card.files if data.has(file)), self.card.files[0])
        return {there.role: data.locate(there)}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        ((role, path),) = self.files(data, split).items()
        captions = READERS[self.card.name, role](path)
        return iter(
            check_unique_ids((self._create_sample(data, name, texts) for name, texts in captions.items()), path)
        )

    def _create_sample(self, data: DataRoot, name: str, texts: list[str]) -> Sample:
        names = (
            list_audiocaps_paths(name)
            if self.card.name == "audiocaps"
            else list_clip_paths(f"ClothoV21/evaluation/{name}")
        )
        clip = data.audio(*names)
        return Sample(id=name, fields={}, audio=(clip,), target=texts, gold=texts[0], groups={"clip": name})

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text, OPENINGS)


def _read_audiocaps(path: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for row in read_csv(path, ("youtube_id", "caption")):
        captions.setdefault(row["youtube_id"], []).append(row["caption"])
    return captions


def _read_clotho(path: Path) -> dict[str, list[str]]:
    columns = [f"caption_{number}" for number in range(1, 6)]
    return {row["file_name"]: [row[column] for column in columns] for row in read_csv(path, ("file_name", *columns))}


def _read_entailment(path: Path) -> dict[str, list[str]]:
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


READERS = {
    ("audiocaps", "annotations"): _read_audiocaps,
    ("clotho", "annotations"): _read_clotho,
    ("clotho", "entailment"): _read_entailment,
}


def create(card: TaskCard, options: CaptionOptions) -> Captioning:
    return Captioning(card, options)
