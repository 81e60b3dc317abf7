"""Yes or no, labels and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_bench.parsing import parse_label, parse_number, parse_yes_no
from alm_bench.parsing.plain import ENTAILMENT


@pytest.mark.parametrize(
    ("text", "status", "value"),
    [
        ("yes", "ok", "yes"),
        ("No.", "ok", "no"),
        ("Yes, there is no wind.", "ok", "yes"),
        ("No, a dog barks.", "ok", "no"),
        ("The answer is yes.", "ok", "yes"),
        ("<answer>No</answer>", "ok", "no"),
        ("True", "ok", "yes"),
        ("yes or no", "ambiguous", None),
        ("I cannot determine that.", "refused", None),
        ("maybe", "unparsed", None),
        ("B", "unparsed", None),
        ("Option 1", "unparsed", None),
        ("", "empty", None),
    ],
)
def test_yes_and_no(text: str, status: str, value: str | None) -> None:
    parsed = parse_yes_no(text)
    assert (parsed.status, parsed.value) == (status, value)
    assert parsed.index == {"yes": 0, "no": 1, None: None}[value]


@pytest.mark.parametrize(
    ("text", "status", "value"),
    [
        ("Entailment", "ok", "Entailment"),
        ("The hypothesis is entailed by the audio.", "ok", "Entailment"),
        ("it is definitely false", "ok", "Contradiction"),
        ("The label is 'neutral'.", "ok", "Neutral"),
        ("It is not a contradiction but neutral.", "ok", "Neutral"),
        ("It is not entailed.", "unparsed", None),
        ("neutral or contradiction", "ambiguous", None),
    ],
)
def test_labels(text: str, status: str, value: str | None) -> None:
    parsed = parse_label(text, ENTAILMENT)
    assert (parsed.status, parsed.value) == (status, value)
    assert parsed.index == (None if value is None else list(ENTAILMENT).index(value))


@pytest.mark.parametrize(
    ("text", "status", "value"),
    [
        ("4", "ok", "4"),
        ("four", "ok", "4"),
        ("There are twenty-one of them.", "ok", "21"),
        ("three hundred and five", "ok", "305"),
        ("2.5 seconds", "ok", "2.5"),
        ("I hear 3 dogs and 2 cats. The answer is 5.", "ok", "5"),
        ("<think>4? 5?</think>6", "ok", "6"),
        ("It barks 4 times, so four.", "ok", "4"),
        ("3 or 4", "ambiguous", None),
        ("many", "unparsed", None),
        ("F#m7", "unparsed", None),
        ("I cannot count them.", "refused", None),
        ("", "empty", None),
    ],
)
def test_numbers(text: str, status: str, value: str | None) -> None:
    parsed = parse_number(text)
    assert (parsed.status, parsed.value, parsed.index) == (status, value, None)


@given(st.text(max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    for parse in (parse_yes_no, parse_number, lambda text: parse_label(text, ENTAILMENT)):
        parsed = parse(text)
        assert (parsed.status == "ok") == (parsed.value is not None)


@given(st.integers(0, 1000))
def test_a_number_is_itself_in_digits_and_in_words(number: int) -> None:
    from num2words import num2words

    assert parse_number(str(number)).value == parse_number(num2words(number)).value == str(number)
