"""TREA (Bhattacharya et al., arXiv 2505.13115): order, duration and number of sound events; tasks trea and
trea-normalised."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from string import ascii_uppercase

from alm_bench.core import DataRoot, Sample, Scored
from alm_bench.core.escape import print_notice
from alm_bench.scoring.multiple_choice import is_correct_option
from alm_bench.tasks._shared.benchmark import BenchmarkRow, BenchmarkTask, create_choice_sample, read_text_field

OPTION_FIELDS = ("optionA", "optionB", "optionC", "optionD")

SPELLING = "option in raw form"
"""Name of the text-only baseline that selects the option which is spelled like a class label."""

_RAW = re.compile(r"[a-z]+(_[a-z]+)*")

_CLASS_NAMES = {"insects flying": "insects", "door knock": "door wood knock"}
"""Words of the class label in ESC-50, by the name of the class in options, for classes for which the two differ."""


class Trea(BenchmarkTask):
    columns = ("id", "question", "audio_path", *OPTION_FIELDS, "correct")

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        samples = list(super().samples(data, split))
        if not self._is_normalised:
            _warn_of_spelling_leak(tuple(self.files(data, split).values()), *count_spelling_leaks(samples))
        return iter(samples)

    @property
    def _is_normalised(self) -> bool:
        """True for the task whose options are all written in one form."""
        return self.card.name == "trea-normalised"

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        choices = [str(values[key]) for key in OPTION_FIELDS]
        target = read_letter(str(values["correct"]))
        if self._is_normalised:
            choices = [normalise_class_name(choice) for choice in choices]
        name = f"trea/{row.role}/audios/{PurePosixPath(read_text_field(values, 'audio_path')).name}"
        return create_choice_sample(
            f"{row.role}-{values['id']}",
            values["question"],
            choices,
            choices[target],
            (row.find_clip(name, f"TREA_dataset/{name.removeprefix('trea/')}"),),
            {"part": row.role},
            target=target,
        )

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        """Return True if the first character is the reference's letter. The script does not strip the text."""
        return sample.target is not None and text[:1] == ascii_uppercase[sample.target]

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the scores of the text-only baselines.

        If options are written in different forms, one baseline selects the option in raw form (written like a class
        label, see `find_raw_option`), or the first option of an item that does not have exactly one in raw form.
        """
        if self._is_normalised or not rows:
            return super().blind_scores(rows)
        spelled = [
            float(is_correct_option(row.sample, find_class_label_option(row.sample.choices) or 0)) for row in rows
        ]
        return {**super().blind_scores(rows), SPELLING: spelled}


def read_letter(letter: str) -> int:
    """Return the index of an option's letter. Raises ValueError for other letters."""
    letters = list(ascii_uppercase[: len(OPTION_FIELDS)])
    if letter.strip() not in letters:
        raise ValueError(f"correct is {letter!r}, expected one of {', '.join(letters)}")
    return letters.index(letter.strip())


def find_class_label_option(choices: Sequence[str]) -> int | None:
    """Return the index of the only option that is written like a class label (`keyboard_typing`); None if there is not
    exactly one."""
    raw = [index for index, choice in enumerate(choices) if _RAW.fullmatch(choice)]
    return raw[0] if len(raw) == 1 else None


def normalise_class_name(text: str) -> str:
    """Return an option in lower case without punctuation, so that class labels and their names are equal."""
    words = " ".join(re.sub(r"[\W_]+", " ", text).lower().split())
    return _CLASS_NAMES.get(words, words)


def count_spelling_leaks(samples: Sequence[Sample]) -> tuple[int, int]:
    """Return the number of items with exactly one option in raw form (written like a class label, see
    `find_raw_option`), and the number of these items in which that option is correct."""
    raw = [(sample, find_class_label_option(sample.choices)) for sample in samples]
    given_away = [is_correct_option(sample, index) for sample, index in raw if index is not None]
    return len(given_away), sum(given_away)


@cache
def _warn_of_spelling_leak(files: tuple[Path, ...], items: int, correct: int) -> None:
    """Print a warning if the only option in raw form is correct in more than half of the items that have one.

    `items` is the number of items with exactly one option in raw form, `correct` the number of these in which that
    option is correct. The cache limits the warning to one per set of files.
    """
    if items and correct > items / 2:
        print_notice(
            f"trea: {items:,} items have one option in raw form (keyboard_typing), which is the right one in "
            f"{correct:,}: text alone answers them; --tasks trea-normalised writes all options alike"
        )


create = Trea.create
