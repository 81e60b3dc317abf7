"""`alm-bench parse`: what is read in a text, and why."""

import io
from pathlib import Path

import pytest
from small_world import alm, refusal

RAIN = ("--choices", "Rain", "--choices", "Thunder", "--choices", "Wind")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_choice_is_shown_with_the_characters_that_decided() -> None:
    ran = alm("parse", "It rains a bit, but the answer is (B).", *RAIN)
    assert ran.status == 0, ran.err
    lines = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    assert (lines["answer"], lines["status"]) == ("(b) Thunder", "ok")
    assert lines["rule"].startswith("said:")
    assert "»B«" in lines["span"].replace("»(B)«", "(»B«)")
    assert "(characters 3" in lines["span"]


def test_json_holds_all_of_it() -> None:
    text = "No, the audio does not contain a dog"
    found = alm("parse", text, "--form", "yes_no", "--json").json
    assert (found["form"], found["text"], found["status"], found["value"], found["index"]) == (
        "yes_no",
        text,
        "ok",
        "no",
        1,
    )
    assert text[slice(*found["span"])] == "No"


@pytest.mark.parametrize(
    ("text", "arguments", "answer"),
    [
        ("There is a dog barking", ("--form", "yes_no", "--question", "Is there a dog?"), "yes"),
        ("There is a dog barking", ("--form", "yes_no"), "none"),
        ("entails", ("--form", "entailment"), "Entailment"),
        ("3 dogs and 2 cats", ("--form", "number", "--question", "How many dogs are there?"), "3"),
        ("3 dogs and 2 cats", ("--form", "number"), "none"),
        ("<verdict9>B</verdict9> not A", (*RAIN, "--answer-tag", "verdict9"), "(b) Thunder"),
        ("A, C", (*RAIN, "--several"), "(a) Rain + (c) Wind"),
        ("A, C", RAIN, "none"),
    ],
)
def test_every_form(text: str, arguments: tuple[str, ...], answer: str) -> None:
    ran = alm("parse", text, *arguments)
    assert ran.out.splitlines()[0] == f"answer  {answer}", ran


def test_texts_and_options_from_files_and_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("said.txt").write_text("The answer is thunder.\n", encoding="utf-8")
    Path("options.txt").write_text("Rain\nThunder\n\nWind, strong\n", encoding="utf-8")
    assert alm("parse", "said.txt", "--choices", "options.txt").out.startswith("answer  (b) Thunder\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("C"))
    assert alm("parse", "--choices", "options.txt").out.startswith("answer  (c) Wind, strong\n")
    assert alm("parse", "x" * 5000, "--form", "number").out.startswith("answer  none\n"), "longer than a file's name"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("parse", "B"), "--form choice needs --choices"),
        (("parse", "B", "--form", "yesno"), "--form 'yesno' is unknown; known: yes_no"),
        (("parse", "yes", "--form", "yes_no", "--choices", "yes"), "--choices goes with --form choice"),
        (("parse", "yes", "--form", "yes_no", "--several"), "--several goes with --form choice"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    assert says in refusal(alm(*arguments))
