"""MMAU (Sakshi et al., arXiv 2410.19168): multiple choice over sound, music and speech."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import (
    AudioRef,
    DataRoot,
    Sample,
    Scored,
    TaskCard,
    UsageError,
)
from alm_bench.data.inline_options import REFERENCE_NOT_AN_OPTION
from alm_bench.data.readers import check_unique_ids
from alm_bench.demo.shortcut import check_shortcut
from alm_bench.scoring.mmau_match import is_officially_correct
from alm_bench.task_bases import OfficialChoiceTask
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.shards import name_shards
from alm_bench.tasks.mmau.readers import get_item_id, read_hub_rows, read_official_rows, read_question_list

_GROUPS = {"domain": "task", "difficulty": "difficulty", "skill": "sub-category"}


@dataclass(frozen=True, slots=True)
class Options(AnnotationsOption):
    """Options of MMAU."""

    shortcut: float = 0.0
    """Share, -1 to 1, of the demo questions whose wording points to an option: to the right one above 0, to a wrong one
    below 0."""

    def __post_init__(self) -> None:
        check_shortcut(self.shortcut, "task mmau: shortcut", lowest=-1.0)


class Mmau(OfficialChoiceTask):
    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        if (named := self.options.get_annotations_file(self.card.name)) is not None:
            return {"annotations": named}
        declared = {file.role: file for file in self.card.files if file.split == split}
        found = {}
        if data.has(declared["annotations"]) or not data.has(declared["parquet"]):
            found["annotations"] = data.locate(declared["annotations"])
        if data.has(declared["parquet"]):
            found |= name_shards(data.locate_all(declared["parquet"]))
        return found

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        files = self.files(data, split)
        source = next(iter(files.values()))
        shards = [path for role, path in files.items() if role != "annotations"]
        rows = read_official_rows(source, data, shards) if "annotations" in files else read_hub_rows(shards)
        return iter(check_unique_ids(self._create_samples(rows), source))

    def _create_samples(self, rows: Iterable[tuple[Mapping[str, Any], AudioRef]]) -> Iterator[Sample]:
        for row, clip in rows:
            gold = None if row.get("answer") is None else str(row["answer"])
            choices = tuple(str(choice) for choice in row["choices"])
            listed = gold in choices
            yield Sample(
                id=str(row["id"]),
                fields={"question": str(row["question"])},
                audio=(clip,),
                choices=choices,
                target=choices.index(gold) if listed else None,
                gold=gold,
                groups=self.row_groups({**row, "sub-category": row.get("sub-category") or "unnamed"}),
                skip=REFERENCE_NOT_AN_OPTION if gold is not None and not listed else None,
            )

    def row_groups(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        group_values = {key: str(row[name]) for key, name in _GROUPS.items() if row.get(name)}
        return {key: name if key == "skill" else name.lower() for key, name in group_values.items()}

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        return is_officially_correct(text, sample.gold or "", sample.choices)

    def submission(self, rows: Sequence[Scored], annotations: Path) -> Any:
        """Return the official annotations with each item's model output. Each output is stored under two keys, because
        the README of MMAU and its evaluation script expect different ones.

        Raises UsageError if `annotations` is not a JSON file, or if an item has no output.
        """
        if annotations.suffix == ".parquet":
            raise UsageError(f"{annotations} is no JSON list of questions: name the official one with --annotations")
        texts = {row.sample.id: row.text for row in rows}
        filled = []
        for item in read_question_list(annotations):
            text = texts.get(get_item_id(item))
            if text is None:
                raise UsageError(
                    f"item {get_item_id(item)} has no output: a submission needs a text for each item of {annotations} "
                    "(a run without --limit and without failures)"
                )
            filled.append({**item, "model_output": text, "model_prediction": text})
        return filled


def create(card: TaskCard, options: AnnotationsOption) -> Mmau:
    return Mmau(card, options)
