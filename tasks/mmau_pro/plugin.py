"""MMAU-Pro (Kumar et al., arXiv 2508.13992): questions on sound, music, speech and several clips at once.

Closed questions are multiple choice. Open questions and instructions to follow are asked and stored with the status
`skipped`: no rule scores them, a judge does (`--judge`, docs/judges.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alm_bench.core import REQUIREMENT, Parsed, Sample, Scored, TaskScore
from alm_bench.core.foreign import parse_json
from alm_bench.scoring.multiple_choice import split_by_labels
from alm_bench.scoring.sentences import parse_text
from alm_bench.task_bases import Row
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.benchmark import (
    BenchmarkRow,
    BenchmarkTask,
    create_choice_sample,
    read_choices,
    select_values,
)

Options = AnnotationsOption

OPEN, INSTRUCTIONS = "open", "instruction following"
"""Categories of questions without options."""

NOT_SCORED = {OPEN: "open answer: needs a judge", INSTRUCTIONS: "instruction following: needs a judge"}

METADATA = (
    "perceptual_skills",
    "reasoning_skills",
    "transcription",
    "task_classification",
    "task_identifier",
    "kwargs",
)
"""Fields that are stored with the item for later scoring."""

ENDING = "\nAnswer with the letter of the correct option."
"""Last line of the prompt set `letters`, for questions with options."""


class MmauPro(BenchmarkTask):
    columns = ("id", "audio_path", "question", "answer", "choices", "category")
    no_official_rule = (
        "the authors' rule takes the option whose text embedding is nearest to the answer, so that even an empty "
        "answer selects one: not comparable"
    )

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        category = str(values["category"])
        has_options = category not in NOT_SCORED and values["choices"] is not None
        sample = create_choice_sample(
            values["id"],
            values["question"],
            read_choices(values, "choices") if has_options else (),
            values["answer"],
            [row.find_named_clip("mmau-pro", path) for path in read_paths(values)],
            {"category": category, "sub-category": values.get("sub-cat"), "length": values.get("length_type")},
            {**select_values(values, METADATA), **_describe_requirement(values)},
        )
        ending = ENDING if len(sample.choices) > 1 else ""
        skip = NOT_SCORED.get(category, sample.skip)
        return replace(sample, skip=skip, fields={**sample.fields, "ending": ending})

    def parse(self, sample: Sample, text: str) -> Parsed:
        return super().parse(sample, text) if len(sample.choices) > 1 else parse_text(text)

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Return the metrics, also by skill; an item counts for each of its perceptual and reasoning skills."""
        score = super().score(rows)
        parts = split_by_labels(rows, lambda row: list_skills(row.sample.metadata))
        return replace(
            score, groups={**score.groups, "skill": {key: self.compute_metrics(part) for key, part in parts.items()}}
        )


def _describe_requirement(values: Row) -> dict[str, str]:
    """Return the requirement that an answer must meet, for items that test instruction following; else {}.

    A judge gets the requirement, such as `Number Words (at most), N: 10`. It is the only value, by `REQUIREMENT`.
    Raises ValueError if the arguments of the requirement are not a JSON object.
    """
    if str(values["category"]) != INSTRUCTIONS or not values.get("task_identifier"):
        return {}
    arguments = values.get("kwargs")
    if isinstance(arguments, str):  # the file has them as JSON
        try:
            arguments = parse_json(arguments)
        except ValueError as error:
            raise ValueError(f"kwargs is {arguments!r:.60}, expected a JSON object") from error
    known = arguments.items() if isinstance(arguments, Mapping) else ()
    parts = [str(values["task_identifier"]), *(f"{name}: {value}" for name, value in known if value is not None)]
    return {REQUIREMENT: ", ".join(parts)}


def read_paths(values: Row) -> list[str]:
    """Return the paths of an item's clips, one or more. Raises ValueError if there is none."""
    found = values["audio_path"]
    paths = [found] if isinstance(found, str) else [str(path) for path in found or () if path]
    if not paths:
        raise ValueError(f"audio_path is {found!r}, expected one or more paths")
    return paths


def list_skills(metadata: Row) -> list[str]:
    """Return the perceptual and reasoning skills of an item, each once."""
    listed = (metadata.get(key) or () for key in ("perceptual_skills", "reasoning_skills"))
    return list(dict.fromkeys(str(skill) for skills in listed for skill in _convert_to_list(skills)))


def _convert_to_list(value: object) -> Sequence[object]:
    """Return a list or tuple unchanged, any other value as the only item of a list."""
    return value if isinstance(value, (list, tuple)) else [value]


create = MmauPro.create
