"""A table of answers: which option a text selects, by which rule, and which texts select none."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_bench.parsing import PARSER, parse_choice

ANIMALS = ("Dog", "Cat", "Bird", "Frog")
VERDICTS = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")


@pytest.mark.parametrize(
    ("text", "choices", "index", "rule"),
    [
        ("Cat", ANIMALS, 1, "exact"),
        ("  cat. ", ANIMALS, 1, "exact"),
        ("**Cat**", ANIMALS, 1, "exact"),
        ('"CAT"', ANIMALS, 1, "exact"),
        ("“Cat”\n", ANIMALS, 1, "exact"),
        ("Ｃａｔ", ANIMALS, 1, "exact"),  # full width
        ("a   dog\nbarks", ("A cat meows", "A dog barks"), 1, "exact"),
        ("b", ANIMALS, 1, "letter"),
        ("B", ANIMALS, 1, "letter"),
        ("B.", ANIMALS, 1, "letter"),
        ("(b)", ANIMALS, 1, "letter"),
        ("b)", ANIMALS, 1, "letter"),
        ("[B]", ANIMALS, 1, "letter"),
        ("**B**", ANIMALS, 1, "letter"),
        ("The answer is B", ANIMALS, 1, "letter"),
        ("The correct answer is (B).", ANIMALS, 1, "letter"),
        ("answer: b", ANIMALS, 1, "letter"),
        ("Option B", ANIMALS, 1, "letter"),
        ("The answer is option B.", ANIMALS, 1, "letter"),
        ("c) it is plausible", VERDICTS, 2, "letter_and_text"),  # Mellow's own form
        ("C) It is plausible.", VERDICTS, 2, "letter_and_text"),
        ("(B) Cat", ANIMALS, 1, "letter_and_text"),
        ("B. Cat", ANIMALS, 1, "letter_and_text"),
        ("B: Cat", ANIMALS, 1, "letter_and_text"),
        ("The correct answer is (B) Cat.", ANIMALS, 1, "letter_and_text"),
        ("(A) Cat", ANIMALS, 1, "letter_and_text"),  # the text that it states beats a letter that contradicts it
        ("d) it is definitely false", VERDICTS, 1, "letter_and_text"),
        ("z) Cat", ANIMALS, 1, "letter_and_text"),  # a letter that no option has
        ("b) the second one", ANIMALS, 1, "letter_prefix"),
        ("B. Because it meows.", ANIMALS, 1, "letter_prefix"),
        ("<answer>Cat</answer>", ANIMALS, 1, "answer_tag:exact"),
        ("It barks, so Dog.\n<ANSWER> (b) </ANSWER>", ANIMALS, 1, "answer_tag:letter"),
        ("<answer>Dog</answer> no: <answer>b) Cat</answer>", ANIMALS, 1, "answer_tag:letter_and_text"),  # the last
        ("cat", ("Dog", "Cat", "cat"), 1, "exact"),  # among equal options the first
        ("B", ("Cat", "Cat"), 1, "letter"),
        ("a", ("b", "a"), 1, "exact"),  # an option that is a letter is that option
        ("Yes", ("Yes", "No"), 0, "exact"),
        ("B", ("Yes", "No"), 1, "letter"),
        ("H", tuple("12345678"), 7, "letter"),
        ("h) 8", tuple("12345678"), 7, "letter_and_text"),
    ],
)
def test_texts_that_select(text: str, choices: tuple[str, ...], index: int, rule: str) -> None:
    parsed = parse_choice(text, choices)
    assert (parsed.status, parsed.index, parsed.value, parsed.rule) == ("ok", index, choices[index], rule)
    assert parsed.span is not None
    start, end = parsed.span
    if rule.startswith("answer_tag"):
        assert text[:start].lower().endswith("<answer>")
        assert text[end:].lower().startswith("</answer>")
    else:
        assert (start, end) == (0, len(text))


@pytest.mark.parametrize("count", range(2, 9))
def test_every_letter_of_every_number_of_options(count: int) -> None:
    choices = tuple(f"option number {i}" for i in range(count))
    for i, letter in enumerate(string.ascii_lowercase):
        for form in ("{}", "({})", "{})", "{}.", "Answer: {}"):
            parsed = parse_choice(form.format(letter), choices)
            assert (parsed.status, parsed.index) == (("ok", i) if i < count else ("unparsed", None))


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "<answer></answer>", "Cat <answer> \n</answer>"])
def test_nothing_said_is_empty(text: str) -> None:
    parsed = parse_choice(text, ANIMALS)
    assert (parsed.status, parsed.index, parsed.value, parsed.span) == ("empty", None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "It is not a Cat",
        "It is not Cat.",
        "Fish",
        "Cat or Dog",
        "Dog, Cat",
        "I cannot determine the answer.",
        "None of the above",
        "E",
        "(z)",
        "A dog barks",  # an article is no letter
        "I think so",
        "category",
        "<answer>Fish</answer>",
        "Cat <answer>Fish</answer>",
        "4",
    ],
)
def test_texts_that_select_nothing(text: str) -> None:
    parsed = parse_choice(text, ANIMALS)
    assert (parsed.status, parsed.index, parsed.value) == ("unparsed", None, None)


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=8))
def test_any_text_is_read_or_not_and_an_option_is_itself(text: str, choices: list[str]) -> None:
    parsed = parse_choice(text, choices)
    assert (parsed.status == "ok") == (parsed.index is not None) == (parsed.value is not None)
    assert parsed.value is None or parsed.value == choices[parsed.index]  # type: ignore[index]
    for choice in choices:
        if choice.isalnum():
            assert parse_choice(choice, choices).status == "ok"


def test_on_labelled_outputs_it_selects_nothing_that_a_reader_does_not(shared: Path) -> None:
    """These strict rules may leave a text unread; where they read one, a careful reader agrees."""
    lines = (shared / "data/mcq/mcq_dev.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    read = [(row, parsed) for row in rows if (parsed := parse_choice(row["output"], row["choices"])).status == "ok"]
    assert len(rows) == 403
    assert len(read) > 100
    wrong = [row for row, parsed in read if row["label"] is None or not twins(row, parsed.index)]
    assert len(wrong) / len(read) < 0.03, wrong[:3]


def twins(row: dict[str, object], index: int | None) -> bool:
    choices = row["choices"]
    assert isinstance(choices, list)
    label = row["label"]
    assert isinstance(label, int)
    assert index is not None
    return str(choices[index]).casefold() == str(choices[label]).casefold()


def test_the_rules_have_a_version() -> None:
    assert PARSER == "mcq@1"
