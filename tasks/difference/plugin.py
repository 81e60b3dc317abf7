"""Difference between two clips (ADIFF, Deshmukh et al., arXiv 2502.04476): CLD on Clotho, ACD on AudioCaps.

There are three tiers: the difference is described in few words, in a sentence, or in detail. Rows come from ADIFF's CSV
files, or from ReasonAQA's test file, in which `subtype` names the data set and `input` the tier.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from alm_bench.core import AudioRef, DataError, DataRoot, Parsed, Sample, TaskCard
from alm_bench.data.readers import check_unique_ids, read_csv, read_json
from alm_bench.scoring.sentences import CaptionOptions, parse_text
from alm_bench.task_bases import SentenceTask
from alm_bench.tasks._shared.clips import list_clip_paths

COLUMNS = ("filepath1", "filepath2", "input", "answer")

INSTRUCTIONS = {
    "1": "explain the difference between the two audios in few words.",
    "2": "explain the difference between the two audios in one extended sentence.",
    "3": "explain the difference between the two audios in detail.",
}
"""Instruction in the prompt, by tier."""

TIERS = {
    "explain the difference in few words": "1",
    "explain the difference in a sentence": "2",
    "explain the difference in detail": "3",
    **{asked.rstrip("."): tier for tier, asked in INSTRUCTIONS.items()},
}
"""Tier by the `input` of a row, in the words of the files or of INSTRUCTIONS."""

Options = CaptionOptions


class Difference(SentenceTask):
    @property
    def tier(self) -> str:
        return self.card.name.rpartition("-")[2]

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        """Return the annotation file: ADIFF's file of the tier if it exists, else ReasonAQA's. Raises DataError if
        there is neither."""
        declared = [file for file in self.card.files if file.split == split]
        there = next((file for file in declared if data.has(file)), declared[0])
        return {"annotations": data.locate(there)}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        path = self.files(data, split)["annotations"]
        rows = [row for row in _read_rows(path) if self._belongs_to_task(path, row)]
        seen: Counter[str] = Counter()
        return iter(check_unique_ids((self._create_sample(data, row, seen) for row in rows), path))

    def _belongs_to_task(self, path: Path, row: Mapping[str, Any]) -> bool:
        """Return True if a row belongs to this task: `input` names the tier, and `subtype`, if the row has it, the data
        set. Raises DataError for an unknown `input`."""
        asked = str(row["input"]).strip().lower().rstrip(".")
        subtype = str(row.get("subtype") or "").lower().removesuffix(".json")
        if subtype and not subtype.startswith(self.card.name.partition("-")[0]):
            return False
        if asked not in TIERS:
            raise DataError(f"{path}: the input {asked!r} asks for no tier; expected one of {', '.join(TIERS)}")
        return TIERS[asked] == self.tier

    def _create_sample(self, data: DataRoot, row: Mapping[str, Any], pair_counts: Counter[str]) -> Sample:
        """Return the sample of a row. The sample's id consists of the two clips and the number of earlier rows with the
        same clips, which is counted in `pair_counts`."""
        first, second = (self._find_clip(data, str(row[key])) for key in ("filepath1", "filepath2"))
        pair = f"{PurePosixPath(first.id).stem}+{PurePosixPath(second.id).stem}"
        pair_counts[pair] += 1
        return Sample(
            id=f"{pair}#{pair_counts[pair] - 1}",
            fields={"asked": INSTRUCTIONS[self.tier]},
            audio=(first, second),
            target=[str(row["answer"])],
            gold=str(row["answer"]),
            groups={"clip": first.id},
        )

    def _find_clip(self, data: DataRoot, name: str) -> AudioRef:
        return data.audio(*list_clip_paths(name))

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return list(read_csv(path, COLUMNS))
    found = read_json(path)
    if not isinstance(found, list) or not all(isinstance(row, dict) and set(COLUMNS) <= row.keys() for row in found):
        raise DataError(f"{path}: expected a JSON list of objects with {', '.join(COLUMNS)}")
    return found


def create(card: TaskCard, options: CaptionOptions) -> Difference:
    return Difference(card, options)
