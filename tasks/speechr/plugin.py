"""SpeechR (Yang et al., arXiv 2508.02018): multiple choice on spoken reasoning problems of eleven text benchmarks.

Question and context are spoken in the clip, so the prompt consists of the row's instruction and the options alone.
"""

from pathlib import PurePosixPath

from alm_bench.core import Sample
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.benchmark import (
    BenchmarkRow,
    BenchmarkTask,
    create_choice_sample,
    read_choices,
    read_text_field,
    select_values,
)
from alm_bench.tasks.speechr.official import select_option

Options = AnnotationsOption

SPOKEN = ("question", "context")
"""Fields whose text is spoken in the clip. They are stored with the item and never part of a prompt."""


class SpeechR(BenchmarkTask):
    columns = ("id", "audio_path", "options", "label", "instruction")

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        choices, path = read_choices(values, "options"), read_text_field(values, "audio_path")
        target = read_label(values["label"], len(choices))
        folders = PurePosixPath(path).parts[:-1]
        return create_choice_sample(
            read_text_field(values, "id"),
            read_text_field(values, "instruction"),
            choices,
            None if target is None else choices[target],
            (row.find_named_clip("speechr", path),),
            {"set": get_benchmark_name(values["id"]), "reasoning": folders[-2] if len(folders) > 1 else None},
            select_values(values, SPOKEN),
            target=target,
        )

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        return sample.target is not None and select_option(text, sample.choices, sample.target) == sample.target


def read_label(label: object, option_count: int) -> int | None:
    """Return the index of the correct option, from 0; None if it is withheld.

    The file counts options from 1. Raises ValueError for a number that is not an option's.
    """
    if label is None:
        return None
    if isinstance(label, bool) or not isinstance(label, int) or not 1 <= label <= option_count:
        raise ValueError(f"label is {label!r}, expected a number from 1 to {option_count}")
    return label - 1


def get_benchmark_name(id: str) -> str:
    """Return the name of the text benchmark that the row with this id comes from, as the authors' script does.

    For example, `Boolq-0` comes from `Boolq`, `moral-easy-3` from `moral-easy`.
    """
    parts = id.split("-")
    return "-".join(parts[:2]) if parts[0] == "moral" and parts[1:2] in (["easy"], ["hard"]) else parts[0]


create = SpeechR.create
