"""AIR-Bench, foundation part (Yang et al., arXiv 2402.07729): 19 tasks on speech, sound and music."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from alm_bench.core import AudioRef, Sample, Scored
from alm_bench.scoring.edge_letter import count_script_answers
from alm_bench.tasks._shared.annotations import AnnotationsOption
from alm_bench.tasks._shared.benchmark import BenchmarkRow, create_choice_sample, read_text_field
from alm_bench.tasks._shared.lettered import LetteredTask, read_lettered_choices

Options = AnnotationsOption

FLAC_TASK = "Audio_Grounding"
"""Task whose clips are FLAC files, whatever suffix the rows give."""


class AirBenchFoundation(LetteredTask):
    columns = ("path", "question", "choice_a", "choice_b", "answer_gt", "task_name", "dataset_name", "uniq_id")

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        return create_choice_sample(
            values["uniq_id"],
            values["question"],
            read_lettered_choices(values),
            values["answer_gt"],
            (_find_clip(row),),
            {"task": values["task_name"], "data set": values["dataset_name"]},
        )

    def describe_official_script(self, rows: Sequence[Scored]) -> str | None:
        """Return the accuracy by AIR-Bench's script as a sentence, if the script leaves out answers; else None."""
        texts = [row.text for row in rows if row.text is not None and row.sample.gold is not None]
        counts = count_script_answers(rows, "left out")
        if counts.counted == len(texts):
            return None
        return f"AIR-Bench's own script: {counts}, since it leaves out {len(texts) - counts.counted:,} without a letter"


def _find_clip(row: BenchmarkRow) -> AudioRef:
    """Return the clip of a row, which is in a folder named by its task and data set."""
    values = row.values
    path = read_text_field(values, "path")
    if values["task_name"] == FLAC_TASK:
        path = str(PurePosixPath(path).with_suffix(".flac"))
    name = f"Foundation/{values['task_name']}_{values['dataset_name']}/{path}"
    return row.find_named_clip("air-bench-foundation", name)


create = AirBenchFoundation.create
