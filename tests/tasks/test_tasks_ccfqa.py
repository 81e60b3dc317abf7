"""CCFQA: eight languages of questions and of answers, and the F1 of characters of its own script."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from small_world import alm, only_run, outputs, refusal, replay, stored, tone

from alm_bench.core import DataError, Sample
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.tasks.ccfqa.plugin import BASELINE, LANGUAGES, compute_character_f1

ROWS = 20


def question(number: int) -> dict[str, Any]:
    parts = {
        code: {
            "audio": f"{code}/{number}-2025.wav",
            "question": f"spoken {code} {number}",
            "answer": "1912" if number % 5 == 0 else f"{code} harbour {number}",
        }
        for code in LANGUAGES
    }
    return {"index": number, "source": "made", **parts, "label": ("History", "Maps")[number % 2]}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/ccfqa").mkdir(parents=True)
    text = "\n".join(json.dumps(question(number)) for number in range(ROWS))
    (tmp_path / "data/ccfqa/test.jsonl").write_text(text, encoding="utf-8")
    for number in range(ROWS):
        tone(tmp_path / f"data/ccfqa/eng/{number}-2025.wav", 200 + 20 * number, seconds=0.1)
    return tmp_path / "data"


def samples(root: Path, **options: str) -> list[Sample]:
    return list(catalogue().get_task("ccfqa").create(options).samples(LocalRoot(root), "test"))


def test_questions_are_spoken_in_one_language_and_answered_in_another(data: Path) -> None:
    same, crossed = samples(data), samples(data, question_language="jpn", answer_language="fra")
    assert [sample.id for sample in same] == [sample.id for sample in crossed], "ids are paired across languages"
    assert (same[1].gold, crossed[1].gold) == ("eng harbour 1", "fra harbour 1")
    assert crossed[1].audio[0].id == "ccfqa/jpn/1-2025.wav"
    assert crossed[1].fields == {"language": "French"}
    assert (same[1].groups["languages"], crossed[1].groups["languages"]) == ("eng", "jpn to fra")
    assert crossed[1].groups["language"] == "jpn"


def test_all_pairs_of_languages_in_one_run(data: Path) -> None:
    every = samples(data, question_language="all", answer_language="all")
    assert len(every) == 64 * ROWS
    assert len({sample.id for sample in every}) == 64 * ROWS
    few = samples(data, question_language="eng+spa")
    assert sorted({sample.groups["languages"] for sample in few}) == ["eng", "spa"]
    card = catalogue().get_task("ccfqa").create({"question_language": "all", "answer_language": "all"}).card
    assert card.items["test"] == 64_000


def test_the_hubs_layout_gives_the_same_questions(data: Path, tmp_path: Path) -> None:
    rows = []
    for number in range(ROWS):
        for code in ("eng", "jpn"):
            texts = {
                f"{each}_{kind[0]}": question(number)[each][kind]
                for each in LANGUAGES
                for kind in ("question", "answer")
            }
            rows.append({"lang": code, "audio": {"bytes": code.encode(), "path": "x.wav"}, **texts})
    folder = tmp_path / "hub/ccfqa/data"
    folder.mkdir(parents=True)
    pa.parquet.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
    found = samples(tmp_path / "hub", question_language="jpn", answer_language="eng")
    expected = samples(data, question_language="jpn", answer_language="eng")
    assert [(s.id, s.gold, s.metadata) for s in found] == [(s.id, s.gold, s.metadata) for s in expected]
    reader = found[0].audio[0].read
    assert reader is not None
    assert reader() == b"jpn"


def test_scores_and_the_baseline_of_a_run(data: Path) -> None:
    answers = {str(n): question(n)["eng"]["answer"] if n < 10 else "the harbour" for n in range(ROWS)}
    run = alm("run", *replay(outputs(Path("said.json"), answers)), "--tasks", "ccfqa", "--data", data, "--json").run
    assert run["revision"].startswith("part: 20 of 1,000 items")
    assert run["metrics"]["exact"]["value"] == pytest.approx(0.5)
    f1 = [1.0 if n < 10 else 0.0 if n % 5 == 0 else 0.5 for n in range(ROWS)]  # one of three words, without the article
    assert run["metrics"]["token_f1"]["value"] == pytest.approx(sum(f1) / ROWS)
    official = [compute_character_f1(answers[str(n)], question(n)["eng"]["answer"]) for n in range(ROWS)]
    assert run["metrics"]["official_f1"]["value"] == pytest.approx(sum(official) / ROWS)
    assert run["baselines"][BASELINE]["accuracy"]["value"] == pytest.approx(4 / ROWS)
    assert run["margins"]["all"]["all"]["baseline"] == BASELINE
    assert run["groups"]["subject"]["History"]["accuracy"]["n"] == 10


def test_the_question_is_in_no_prompt(data: Path) -> None:
    ran = alm("run", "--model", "echo", "--tasks", "ccfqa", "--data", data, "--json").run
    assert ran["status"]["error"] == 0
    assert all("spoken" not in record["prompt"] for record in stored(only_run(Path("results/runs"))))


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("1788", "1788", 1.0),
        ("8871", "1788", 1.0),  # sets of characters have no order
        ("abc", "abd", round(4 / 6, 3)),
        ("", "1788", 0.0),
        ("x", "1788", 0.0),
    ],
)
def test_the_official_f1_compares_sets_of_characters(answer: str, reference: str, value: float) -> None:
    assert compute_character_f1(answer, reference) == value


def test_unknown_languages_and_broken_rows_are_refused(data: Path) -> None:
    asked = ("--tasks", "ccfqa", "--data", data, "--task-arg", "ccfqa.answer_language=deu")
    assert "ccfqa.answer_language: unknown language 'deu'" in refusal(alm("run", "--model", "echo", *asked))
    broken = {**question(0), "kor": {"audio": "kor/0.wav"}}
    (data / "ccfqa/test.jsonl").write_text(json.dumps(broken))
    with pytest.raises(DataError, match=r"row 1: kor is .* expected an object with audio, question and answer"):
        samples(data)


def test_the_repositorys_rows(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ccfqa/jsonl"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").symlink_to(shared / "data/ccfqa/test.first1600.jsonl")
    assert len(samples(tmp_path, question_language="all")) == 1600
