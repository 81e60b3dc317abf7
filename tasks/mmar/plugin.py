"""MMAR (Ma et al., arXiv 2505.13032): multiple choice on speech, sound, music and their mix, with reasoning traces."""

from alm_bench.core import Sample
from alm_bench.scoring.mmau_match import contains_words, is_officially_correct
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.benchmark import (
    BenchmarkRow,
    BenchmarkTask,
    create_choice_sample,
    read_choices,
    read_text_field,
    select_values,
)

Options = AnnotationsOption

TRACES = ("thinking", "cue", "rubric")
"""Fields that give the answer away. They are stored with the item for a judge of the reasoning."""

_LANGUAGES = {"kr": "ko"}
"""Codes of languages that the file writes in two ways."""


class Mmar(BenchmarkTask):
    columns = ("id", "audio_path", "question", "choices", "answer", "modality", "category")

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        languages = str(values.get("language") or "").split("|")
        return create_choice_sample(
            values["id"],
            values["question"],
            read_choices(values, "choices"),
            values["answer"],
            (row.find_named_clip("mmar", read_text_field(values, "audio_path")),),
            {
                **{key: values.get(key) for key in ("modality", "category", "sub-category")},
                "language": "|".join(_LANGUAGES.get(code, code) for code in languages),
            },
            select_values(values, TRACES),
        )

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        """Return True if the text is correct by MMAU's rule and contains a word, which MMAR's script requires in
        addition.
        """
        return contains_words(text) and is_officially_correct(text, sample.gold or "", sample.choices)


create = Mmar.create
