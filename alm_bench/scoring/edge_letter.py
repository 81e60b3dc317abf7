"""Rule of the scripts of AIR-Bench and MMSU: the letter is the first or the second-last character of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from alm_bench.core.types import Sample, Scored

EmptyAnswers = Literal["wrong", "left out", "stale"]
"""Treatment of an empty answer by a script: it counts as wrong, is left out of the denominator, or gets the letter of
the answer before it (`stale`)."""

LETTERS = "ABCD"
"""Letters that both scripts accept, also for questions with more or fewer options."""


def find_edge_letter(text: str, letters: str = LETTERS) -> str | None:
    """Return the option letter that the scoring scripts of AIR-Bench and MMSU read from a text; None if there is none.

    It is the first character if it is in `letters`, else the second-last character if it is in `letters` (`The answer
    is A.`). All line breaks, and white space at the ends, are removed first.
    """
    said = text.strip().replace("\n", "")
    return next((said[at] for at in (0, -2) if -len(said) <= at < len(said) and said[at] in letters), None)


def is_correct_letter(sample: Sample, letter: str | None) -> bool:
    """Return True if the option of this letter has the text of the reference."""
    index = -1 if letter is None else ascii_uppercase.index(letter)
    return 0 <= index < len(sample.choices) and sample.choices[index] == sample.gold


def is_empty_answer(text: str) -> bool:
    """Return True for an answer without text, and for the text `None`, which the scripts treat as an empty answer."""
    return text.strip() in ("", "None")


@dataclass(frozen=True, slots=True)
class ScriptCounts:
    """Accuracy by a benchmark's scoring script, which leaves some answers out of the denominator."""

    correct: int
    """Number of answers that the script counts as correct."""

    counted: int
    """Number of answers in the denominator."""

    def __str__(self) -> str:
        rate = f"{100 * self.correct / self.counted:.2f} % of " if self.counted else ""
        return f"{rate}{self.counted:,} answers"


def count_script_answers(rows: Sequence[Scored], empty: EmptyAnswers) -> ScriptCounts:
    """Count the correct answers and the answers in the denominator as a benchmark's scoring script does.

    Answers that contain text but no letter are left out of the denominator.

    `empty` is the script's treatment of empty answers. `rows` must be in the order of the file. Rows without a text or
    a reference are ignored.
    """
    correct = counted = 0
    before: str | None = None
    for row in rows:
        if row.sample.gold is None or row.text is None:
            continue
        is_empty = is_empty_answer(row.text)
        letter = find_edge_letter(row.text) if not is_empty else before if empty == "stale" else None
        before = letter if letter is not None else before
        if letter is None and (not is_empty or empty == "left out"):
            continue
        counted += 1
        correct += is_correct_letter(row.sample, letter)
    return ScriptCounts(correct, counted)
