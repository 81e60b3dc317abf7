"""MMSU (Wang et al., arXiv 2506.04779): multiple choice on spoken language, 47 tasks of perception and reasoning."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from alm_bench.core import AudioRef, Sample, Scored
from alm_bench.scoring.edge_letter import count_script_answers, find_edge_letter, is_empty_answer
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.benchmark import BenchmarkRow, create_choice_sample, read_text_field
from alm_bench.tasks._shared.lettered import LetteredTask, read_lettered_choices

Options = AnnotationsOption

GROUPS = {
    "task": "task_name",
    "category": "category",
    "sub-category": "sub-category",
    "sub-sub-category": "sub-sub-category",
    "linguistics": "linguistics_sub_discipline",
}
"""Field of each grouping."""


class Mmsu(LetteredTask):
    columns = ("id", "question", "choice_a", "choice_b", "answer_gt", "task_name", "category")

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        return create_choice_sample(
            values["id"],
            values["question"],
            read_lettered_choices(values),
            values["answer_gt"],
            (_find_clip(row),),
            {name: values.get(field) for name, field in GROUPS.items()},
        )

    def describe_official_script(self, rows: Sequence[Scored]) -> str | None:
        """Return the accuracies by MMSU's script and by its first version, as a sentence.

        The script counts an empty answer as wrong, and leaves out other answers without a letter. Its first version
        gave an empty answer the letter of the answer before. Returns None if every answer has a letter.
        """
        texts = [row.text for row in rows if row.text is not None and row.sample.gold is not None]
        empty = sum(map(is_empty_answer, texts))
        others = sum(find_edge_letter(text) is None for text in texts) - empty
        if not empty and not others:
            return None
        return (
            f"MMSU's own script: {count_script_answers(rows, 'wrong')}, since it leaves out {others:,} in another "
            f"format; its first version: {count_script_answers(rows, 'stale')}, since it also gives {empty:,} empty "
            "ones the letter of the answer before"
        )


def _find_clip(row: BenchmarkRow) -> AudioRef:
    """Return the clip of a row: the file at `audio_path`, or the clip that the row itself contains (the hub's parquet
    files).

    In both cases, the clip's id is `mmsu/audio/` and the file name in the row.
    """
    if row.embedded_clip is not None:
        return row.find_clip(f"mmsu/audio/{PurePosixPath(row.embedded_clip.id).name}")
    if "audio_path" not in row.values:
        raise ValueError("no 'audio_path', and the file contains no clips")
    path = read_text_field(row.values, "audio_path")
    return row.find_clip(f"mmsu/audio/{PurePosixPath(path).name}", f"mmsu/{path}", path)


create = Mmsu.create
