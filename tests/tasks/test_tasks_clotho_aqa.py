"""ClothoAQA: three ways of counting yes and no, and one word."""

from pathlib import Path
from typing import Any

import pytest
from small_world import alm, only_run, outputs, replay, stored, tone, write_csv

from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.tasks.clotho_aqa.plugin import normalised

HEADER = ["file_name", "QuestionText", "answer", "confidence"]
QUESTIONS = [
    ("a.wav", "Is there a dog?", ("yes", "yes", "yes")),
    ("a.wav", "Is it loud?", ("no", "no", "yes")),
    ("b.wav", "Is there a cat?", ("No", "no", "no")),
    ("b.wav", "What is heard?", ("Dog", "the dog.", "barking")),
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [[clip, question, answer, "yes"] for clip, question, answers in QUESTIONS for answer in answers]
    write_csv(tmp_path / "data/clotho_aqa/clotho_aqa_test.csv", rows, HEADER)
    for clip in ("a.wav", "b.wav"):
        tone(tmp_path / "data/clotho_aqa/audio_files" / clip, 300)
    return tmp_path / "data"


def asked(data: Path, *texts: Any) -> Any:
    names = ["a.wav#0", "a.wav#1", "b.wav#0", "b.wav#1"]
    file = outputs(Path("said.json"), dict(zip(names, texts, strict=True)))
    ran = alm("run", *replay(file), "--tasks", "clotho_aqa", "--data", data, "--out", "runs", "--fresh", "--json")
    assert ran.status == 0, ran.err
    return ran.run


def values(run: Any) -> list[float]:
    names = ("binary_accuracy", "majority_accuracy", "unanimous_accuracy", "open_accuracy")
    return [run["metrics"][name]["value"] for name in names]


def test_questions_have_their_annotators_answers(data: Path) -> None:
    samples = list(catalogue().task("clotho_aqa").create().samples(LocalRoot(data), "test"))
    assert [sample.target for sample in samples] == [
        ["yes"] * 3,
        ["no", "no", "yes"],
        ["no"] * 3,
        ["dog", "dog", "barking"],
    ]
    assert [sample.groups["kind"] for sample in samples] == [
        "yes/no, all three agree",
        "yes/no, two of three",
        "yes/no, all three agree",
        "open",
    ]
    assert [ref.path.name for sample in samples for ref in sample.audio] == ["a.wav", "a.wav", "b.wav", "b.wav"]


def test_rows_majority_and_unanimity(data: Path) -> None:
    right = asked(data, "Yes.", "No, it is quiet.", "no", "A dog!")
    assert values(right) == pytest.approx([8 / 9, 1, 1, 1])
    assert right["metrics"]["unanimous_accuracy"]["n"] == 2
    assert right["main"] == "binary_accuracy"
    wrong = asked(data, "no", "yes", "yes", "cat")
    assert values(wrong) == pytest.approx([1 / 9, 0, 0, 0])
    unread = asked(data, "I cannot tell", "", "yes or no", "")
    assert values(unread) == [0, 0, 0, 0]
    assert unread["metrics"]["answered"]["value"] == 0


def test_blind_rows_by_hand(data: Path) -> None:
    blind = asked(data, "yes", "yes", "yes", "dog")["blind"]
    always_no = blind["always the more frequent of yes and no"]
    assert always_no["binary_accuracy"]["value"] == pytest.approx(5 / 9)
    assert always_no["majority_accuracy"]["value"] == pytest.approx(2 / 3)
    assert always_no["unanimous_accuracy"]["value"] == 0.5
    assert blind["always the most frequent word"].keys() == {"open_accuracy"}


def test_what_is_read_is_stored(data: Path) -> None:
    asked(data, "Yes.", "yes", "no", " The Dog. ")
    records = stored(only_run(Path("runs")))
    assert [record["parsed"]["value"] for record in records] == ["yes", "yes", "no", "dog"]
    assert alm("score", only_run(Path("runs"))).status == 0


def test_tables_and_leaderboards_have_its_figures(data: Path) -> None:
    asked(data, "Yes.", "No", "no", "dog")
    board = alm("leaderboard", "--out", "runs")
    assert board.status == 0, board.err
    assert "yes/no, majority" in board.out
    assert "over the best blind row" not in board.out.split("## clotho_aqa")[1]


@pytest.mark.parametrize(("text", "word"), [("A Dog!", "dog"), ("the", ""), ("it's raining", "it's raining"), ("", "")])
def test_words_without_case_articles_and_punctuation(text: str, word: str) -> None:
    assert normalised(text) == word
