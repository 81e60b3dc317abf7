"""MMAU (Sakshi et al., arXiv 2410.19168): multiple choice over sound, music and speech."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import (
    AudioRef,
    DataError,
    DataRoot,
    Metric,
    Metrics,
    Parsed,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
    UsageError,
)
from alm_bench.data.readers import check_unique_ids
from alm_bench.scoring.blind import compute_baseline_accuracies, score_choice_baselines, select_rows_with_reference
from alm_bench.scoring.mmau_match import is_officially_correct
from alm_bench.scoring.multiple_choice import (
    compute_by_group,
    compute_choice_metrics,
    compute_mean_score,
    is_correct_option,
)
from alm_bench.task_bases import ChoiceTask
from alm_bench.tasks.mmau.readers import get_item_id, read_hub_rows, read_official_rows, read_question_list

_GROUPS = {"domain": "task", "difficulty": "difficulty", "skill": "sub-category"}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the task. `annotations` is the question file to use; None for the file in the data folder. It is
    needed if the folder contains several revisions, or none."""

    annotations: Path | None = None


class Mmau(ChoiceTask):
    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        if self.options.annotations is not None:
            if not self.options.annotations.is_file():
                raise DataError(f"task mmau: annotations={self.options.annotations} is not a file")
            return {"annotations": self.options.annotations}
        declared = {file.role: file for file in self.card.files if file.split == split}
        found = {}
        if data.has(declared["annotations"]) or not data.has(declared["parquet"]):
            found["annotations"] = data.locate(declared["annotations"])
        if data.has(declared["parquet"]):
            shards = data.locate_all(declared["parquet"])
            found |= {f"parquet-{number:02}": shard for number, shard in enumerate(shards)}
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
                skip="gold not among the options" if gold is not None and not listed else None,
            )

    def row_groups(self, row: Mapping[str, Any]) -> Mapping[str, str]:
        group_values = {key: str(row[name]) for key, name in _GROUPS.items() if row.get(name)}
        return {key: name if key == "skill" else name.lower() for key, name in group_values.items()}

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        if sample.gold is None:
            return {}
        official = float(is_officially_correct(text, sample.gold, sample.choices))
        if sample.target is None:
            return {"official_accuracy": official}
        return {"accuracy": float(is_correct_option(sample, parsed.index)), "official_accuracy": official}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        return TaskScore(
            metrics=_compute_metrics(rows),
            groups=compute_by_group(rows, self.card.groups, _compute_metrics),
            blind=compute_baseline_accuracies(
                select_rows_with_reference(rows), score_choice_baselines(select_rows_with_reference(rows))
            ),
        )

    def submission(self, rows: Sequence[Scored], annotations: Path) -> Any:
        """Return the official annotations with each item's model output. It is stored under two names, because the
        README of MMAU and its evaluation script expect different ones.

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


def _compute_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return the metrics of rows. The official accuracy is computed over all items with a reference, including those
    without a parsed answer."""
    with_reference_only = [row for row in rows if row.sample.gold is not None]
    if not with_reference_only:
        return {**compute_choice_metrics(rows), "official_accuracy": Metric.missing("answers are withheld")}
    if all(row.text is None for row in with_reference_only) and any(
        row.parsed is not None for row in with_reference_only
    ):
        return compute_choice_metrics(rows)  # options were scored by likelihood, so that there is no text
    return {
        **compute_choice_metrics(rows),
        "official_accuracy": compute_mean_score(with_reference_only, "official_accuracy"),
    }


def create(card: TaskCard, options: Options) -> Mmau:
    return Mmau(card, options)
