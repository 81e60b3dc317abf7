"""A right answer in every format in which models give one, for every MMAU question; and texts that answer nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

import pytest
from answer_formats import NOTHING, RIGHT, Form, texts

from alm_bench.parsing import parse_choice

REVISIONS = ("2024-10-23", "2025-03-25", "2025-05-16", "2025-08-09")


def share(questions: Sequence[tuple[Sequence[str], int]], form: Form) -> float:
    """Of answers read as the gold option or a twin of it."""
    right = 0
    for choices, gold in questions:
        index = parse_choice(texts(choices, gold, form), choices).index
        right += index is not None and choices[index].casefold() == choices[gold].casefold()
    return right / len(questions)


def questions(shared: Path, revision: str) -> list[tuple[list[str], int]]:
    rows = json.loads((shared / f"data/mmau/mmau-test-mini.{revision}.json").read_text(encoding="utf-8"))
    return [(row["choices"], row["choices"].index(row["answer"])) for row in rows if row["answer"] in row["choices"]]


def names_another(choices: Sequence[str], gold: int) -> bool:
    """Whether the gold option's letter is the text of another option, as that of a chord or a key can be."""
    others = [choice.strip().casefold() for index, choice in enumerate(choices) if index != gold]
    return ascii_uppercase[gold].casefold() in others


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("form", RIGHT)
def test_right_answers_are_read_in_every_format(shared: Path, revision: str, form: str) -> None:
    found = questions(shared, revision)
    asked = [(choices, gold) for choices, gold in found if not names_another(choices, gold)]
    assert len(found) - len(asked) <= 2
    assert share(asked, RIGHT[form]) >= 0.998


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("form", NOTHING)
def test_nothing_is_read_where_nothing_is_said(shared: Path, revision: str, form: str) -> None:
    found = questions(shared, revision)
    read = [parse_choice(texts(choices, gold, NOTHING[form]), choices).index for choices, gold in found]
    assert read == [None] * len(found)


KINDS = (
    "Dog barking",
    "A cat",
    "Heavy rain on a roof",
    "Church bells",
    "Two people talking",
    "Jazz",
    "a flute",
    "Wind",
)


@pytest.mark.parametrize("count", [2, 5, 8])
@pytest.mark.parametrize("form", [*RIGHT, *NOTHING])
def test_any_number_of_options(count: int, form: str) -> None:
    asked = [(KINDS[:count], gold) for gold in range(count)]
    assert share(asked, {**RIGHT, **NOTHING}[form]) == (form in RIGHT)
