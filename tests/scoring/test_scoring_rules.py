"""Other programs' rules earn what was measured of them, on the same questions and formats."""

import json
from pathlib import Path

import pytest
from answer_formats import NOTHING, RIGHT, texts

from alm_bench.core import DataError, Sample
from alm_bench.data import read_paired_outputs
from alm_bench.scoring.other_parsers import RULES, Answer, compute_rule_accuracies

ANIMALS = ("Dog", "Cat", "Bird", "Frog")


def earned(name: str, answers: list[Answer]) -> list[float | None]:
    return next(rule for rule in RULES if rule.name.startswith(name)).score(answers)


def answer(text: str, choices: tuple[str, ...], gold: str) -> Answer:
    return Answer(Sample("q", {}, choices=choices, target=choices.index(gold), gold=gold), text)


def one(name: str, text: str, gold: str = "Cat", choices: tuple[str, ...] = ANIMALS) -> float | None:
    return earned(name, [answer(text, choices, gold)])[0]


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ("alm-bench", "It is a cat.", 1.0),
        ("alm-bench", "", 0.0),
        ("MMAU, official", "cat, I think", 1.0),
        ("MMAU, official", "cat or dog", 0.0),
        ("Mellow's authors", "b) cat", 1.0),
        ("Mellow's authors", "cat", 0.0),
        ("Mellow's authors", "", 0.0),
        ("EvalScope", "ANSWER: B", 1.0),
        ("EvalScope", "my answer: because", 1.0),  # no word boundary: B of "because"
        ("EvalScope", "so B it is", 1.0),
        ("EvalScope", "a cat", 0.0),  # always A
        ("lmms-eval, MMAU", "(A) no, (B)", 0.0),
        ("lmms-eval, MMAR", "(A) no, (B)", 1.0),
        ("lmms-eval, MMAU", "meow", 0.25),
        ("lmms-eval, MMAR", "I am sure that it is a cat", 1.0),
        ("MMSU", "B) cat", 1.0),
        ("MMSU", "It is B.", 1.0),
        ("MMSU", "cat", None),
        ("MMSU", "", None),
        ("MuChoMusic", "B: A cat", 0.0),
        ("MuChoMusic", "the answer is B", 1.0),
        ("letter alone", "(b)", 1.0),
        ("letter alone", "b) cat", 0.0),
        ("containment", "a cat meows", 1.0),
        ("containment", "It is not a cat", 1.0),
        ("containment", "cats and dogs", 0.0),
    ],
)
def test_rules(rule: str, text: str, value: float | None) -> None:
    assert one(rule, text) == value


def test_an_empty_answer_takes_the_letter_before_it() -> None:
    answers = [answer(text, ANIMALS, "Cat") for text in ("", "B", "", "A", "")]
    assert earned("MMSU", answers) == [None, 1.0, 1.0, 0.0, 0.0]


def test_twins_of_the_gold_are_right() -> None:
    assert one("lmms-eval, MMAU", "", "six", ("nine", "eight", "six", "six")) == 0.5
    assert one("EvalScope", "D", "six", ("nine", "eight", "six", "six")) == 1.0


FORMATS = (
    *("B", "(b)", "(B) text", "c) text, lower case", "B. text", "text", "The answer is text."),
    *("The correct answer is (B) text.", "**B**", "<answer>B</answer>", "not another", "empty", "negation"),
)
# Percent that the programs themselves give a perfect model on MMAU test-mini, revision 2025-08-09.
MEASURED = {
    "MMAU, official": (0.2, 0.2, 96.7, 96.7, 96.7, 100, 90.7, 87.9, 0.2, 0.2, 0.8, 0, 97.7),
    "lmms-eval, MMAU": (100, 25.9, 100, 25.9, 94.9, 27.8, 27.8, 100, 25.9, 25.9, 39.4, 25.9, 27.8),
    "lmms-eval, MMAR": (100, 26.2, 100, 37.8, 94.9, 33.3, 48.6, 100, 26.2, 26.2, 0, 26.2, 48.6),
}


@pytest.mark.parametrize("rule", MEASURED)
def test_rules_earn_what_was_measured_of_them(shared: Path, rule: str) -> None:
    """Their guesses were drawn once, ours are expectations: half a point."""
    rows = json.loads((shared / "data/mmau/mmau-test-mini.2025-08-09.json").read_text(encoding="utf-8"))
    for form, expected in zip(FORMATS, MEASURED[rule], strict=True):
        answers = []
        for row in rows:
            choices, gold = tuple(row["choices"]), row["answer"]
            text = texts(choices, choices.index(gold), {**RIGHT, **NOTHING}[form])
            answers.append(answer(text, choices, gold))
        values = [value for value in earned(rule, answers) if value is not None]
        assert 100 * sum(values) / len(rows) == pytest.approx(expected, abs=0.5), form


def test_a_thousand_empty_outputs(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/mmau/mmau-test-mini.2025-08-09.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    (tmp_path / "empty.json").write_text(json.dumps([{"id": row["id"], "model_output": ""} for row in rows]))
    answered = read_paired_outputs(tmp_path / "empty.json", annotations=file)
    table = {row.rule.name: row for row in compute_rule_accuracies([Answer(sample, text) for sample, text in answered])}
    for name, percent in (
        ("MMAU, official", 0),
        ("lmms-eval, MMAU", 25.9),
        ("EvalScope", 39.5),
        ("alm-bench, mcq@4", 0),
    ):
        value = table[name].accuracy.value
        assert value is not None
        assert 100 * value == pytest.approx(percent, abs=0.05)
        assert table[name].empty == table[name].accuracy


def test_a_gold_that_is_no_option_is_right_for_nobody(tmp_path: Path) -> None:
    row = {"id": "a", "model_output": "", "choices": ["Dog", "Cat"], "answer": "Cow"}
    (tmp_path / "out.json").write_text(json.dumps([row]))
    answers = [Answer(sample, text) for sample, text in read_paired_outputs(tmp_path / "out.json")]
    assert [row.accuracy.value for row in compute_rule_accuracies(answers)] == [0, 0, 0, 0, 0, 0, None, 0, 0, 0]


def test_outputs_without_questions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('[{"id": "a", "model_output": "Cat"}]')
    with pytest.raises(DataError, match="item 'a' has no choices and answer; name the questions with --annotations"):
        read_paired_outputs(tmp_path / "out.json")
