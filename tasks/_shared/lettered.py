"""Base class of benchmarks with the fields `choice_a` to `choice_d` and `answer_gt` (AIR-Bench, MMSU)."""

from alm_bench.core import Sample
from alm_bench.scoring.edge_letter import find_edge_letter, is_correct_letter
from alm_bench.task_bases import Row
from alm_bench.tasks._shared.benchmark import BenchmarkTask

CHOICE_FIELDS = ("choice_a", "choice_b", "choice_c", "choice_d")


class LetteredTask(BenchmarkTask):
    """Base class of benchmarks whose official script reads the selected option's letter from the first or the
    second-last character of an answer."""

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        return is_correct_letter(sample, find_edge_letter(text))


def read_lettered_choices(values: Row) -> list[str]:
    """Return the texts of the options. Questions have two to four: missing ones at the end are left out, so that every
    option keeps its letter."""
    texts = ["" if (text := values.get(key)) is None else str(text) for key in CHOICE_FIELDS]
    while texts and not texts[-1]:
        texts.pop()
    return texts
