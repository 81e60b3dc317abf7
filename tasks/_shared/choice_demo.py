"""Demo data of multiple-choice benchmarks: questions about synthesised scenes as rows of a benchmark's own form."""

from collections.abc import Callable, Iterator
from itertools import islice

from alm_bench.demo.dataset import DatasetRows, Row
from alm_bench.demo.mcq import BLOCK, Question, iterate_questions

ITEMS = BLOCK
"""Number of questions: the fewest in which each option is correct equally often."""


def create_choice_rows(
    seed: int, count: int, build_clip_path: Callable[[Question], str], create_row: Callable[[Question], Row]
) -> DatasetRows:
    """Return the rows of `count` questions, with the scenes of their clips.

    `build_clip_path` is a function that returns the path of a question's clip below the data root, `create_row` one
    that returns its row in the benchmark's format. Each benchmark has a `seed` of its own, so that two benchmarks do
    not ask the same questions.
    """
    dataset = DatasetRows()
    for question in islice(iterate_questions("test", seed), count):
        dataset.scenes[build_clip_path(question)] = question.scene
        dataset.rows.append(create_row(question))
    return dataset


def pair_fields_with_choices(question: Question, field_names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield pairs of a field name and the text of the option that belongs into this field.

    `field_names` are the benchmark's field names of options. A question may have fewer options than there are names.
    """
    yield from zip(field_names, question.choices, strict=False)
