"""Rule of the scripts of AIR-Bench and MMSU: the letter is the first or the second-last character of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from alm_bench.core.types import Sample, Scored

EmptyAnswers = Literal["wrong", "left out", "stale"]
"""Treatment of empty answers by a script."""

LETTERS = "ABCD"
"""Letters that both scripts know, whatever the number of options."""


def find_edge_letter(text: str, letters: str = LETTERS) -> str | None:
    """Return the first character of the text if it is one of `letters`, else the second-last one if that is (`The
    answer is A.`); None if neither is. Line breaks and blanks at the ends are ignored."""
    said = text.strip().replace("\n", "")
    return next((said[at] for at in (0, -2) if -len(said) <= at < len(said) and said[at] in letters), None)


def is_correct_letter(sample: Sample, letter: str | None) -> bool:
    """Return True if the option of this letter has the text of the reference."""
    index = -1 if letter is None else ascii_uppercase.index(letter)
    return 0 <= index < len(sample.choices) and sample.choices[index] == sample.gold


def is_empty_answer(text: str) -> bool:
    """Return True for an answer without text, and for `None`, which the scripts treat as such."""
    return text.strip() in ("", "None")


@dataclass(frozen=True, slots=True)
class ScriptCounts:
    """Result of a script that does not count every answer."""

    correct: int
    """Number of answers that it counts as correct."""

    counted: int
    """Number of answers in its denominator."""

    def __str__(self) -> str:
        rate = f"{100 * self.correct / self.counted:.2f} % of " if self.counted else ""
        return f"{rate}{self.counted:,} answers"


def count_script_answers(rows: Sequence[Scored], empty: EmptyAnswers) -> ScriptCounts:
    """Return what a script counts that leaves answers in another format out of its denominator.

    `empty` says what becomes of an empty answer: `wrong`, `left out`, or `stale`, if it gets the letter of the answer
    before it. Rows are in the order of the file. Rows without a text or a reference are ignored.
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
