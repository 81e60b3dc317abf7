"""`caption-metrics`: files in, figures out."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, refusal

from alm_bench.core import Metric
from alm_bench.reports.figures import build_metric_cell

ROWS = [
    {"id": "one", "candidate": "a dog barks", "references": ["a dog is barking", "barking of a dog"]},
    {"id": "two", "candidate": "rain falls", "references": ["it rains on a roof"]},
]
CHEAP = ("--metrics", "bleu_1,rouge_l,cider")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(rows[0])
            for row in rows:
                cells = [json.dumps(v) if isinstance(v, list) and len(v) > 1 else v for v in row.values()]
                writer.writerow([v[0] if isinstance(v, list) else v for v in cells])
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, suffix: str) -> None:
    found = alm("caption-metrics", written(tmp_path / f"c{suffix}", ROWS), *CHEAP, "--json").json
    assert set(found["corpus"]) == {"bleu_1", "rouge_l", "cider"}
    assert set(found["corpus"]["cider"]) == {"value", "low", "high", "n", "reason"}
    assert [item["id"] for item in found["items"]] == ["one", "two"]
    mean = sum(item["rouge_l"] for item in found["items"]) / 2
    assert found["corpus"]["rouge_l"]["value"] == pytest.approx(mean)


def test_ids_are_numbers_where_there_are_none(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "id"} for row in ROWS]
    found = alm("caption-metrics", written(tmp_path / "c.json", rows), *CHEAP, "--json").json
    assert [item["id"] for item in found["items"]] == ["1", "2"]


def test_every_metric_is_printed_on_the_scale_of_all_tables(tmp_path: Path) -> None:
    file = written(tmp_path / "c.json", ROWS)
    chosen = ("--metrics", "cider,rouge_l")
    corpus = alm("caption-metrics", file, *chosen, "--json").json["corpus"]
    printed = [line.split("|") for line in alm("caption-metrics", file, *chosen).out.splitlines() if "|" in line]
    lines = {cells[1].strip(): cells[3].strip() for cells in printed}
    for name, title in (("cider", "CIDEr"), ("rouge_l", "ROUGE-L")):
        assert corpus[name]["value"] > 0.1
        assert lines[title].startswith(f"{100 * corpus[name]['value']:.1f}")
        assert build_metric_cell(Metric(**corpus[name]), name).text == lines[title], "as in leaderboards and runs"


def test_ids_from_0_and_lists_as_python_writes_them(tmp_path: Path) -> None:
    rows = [{"id": n, "candidate": "a dog", "references": "['a dog', 'the dog barks']"} for n in range(2)]
    found = alm("caption-metrics", written(tmp_path / "c.json", rows), *CHEAP, "--json").json
    assert [item["id"] for item in found["items"]] == ["0", "1"]
    assert found["corpus"]["bleu_1"]["value"] == pytest.approx(1)
    assert found["corpus"]["bleu_1"]["low"] is None, "two items that are alike are no certainty"


def test_the_table_names_what_could_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    ran = alm("caption-metrics", written(tmp_path / "c.json", ROWS))
    assert ran.status == 0
    lines = {line.split("|")[1].strip(): line for line in ran.out.splitlines() if line.startswith("| ")}
    for name in ("METEOR", "SPICE"):
        (number,) = re.findall(r"\| n/a (\[\d\]) ", lines[name])
        assert f"\n{number} needs Java" in ran.out
    assert lines["CIDEr"].split("|")[2].strip() == "2"
    assert "words split by NLTK" in ran.out


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "holds no captions"),
        ([{"candidate": "a"}], "item 1 has no 'references'; it has candidate"),
        ([{"references": ["a"]}], "item 1 has no 'candidate'"),
        ([{"candidate": 5, "references": ["a"]}], "item 1: the candidate is a int, expected text"),
        ([{"candidate": "a", "references": []}], "references are [], expected a list of one text or more"),
        ([ROWS[0], ROWS[0]], "the id 'one' occurs 2 times"),
        ([{"candidate": "a", "references": ["a", " "]}], "item 1: a reference is empty, expected a text"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, rows: list[Any], reason: str) -> None:
    assert reason in refusal(alm("caption-metrics", written(tmp_path / "c.json", rows)))


def test_unknown_metrics_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "c.json", ROWS)
    assert "unknown metric 'blue'; known: bleu_1" in refusal(alm("caption-metrics", file, "--metrics", "blue"))
    assert "names no metric" in refusal(alm("caption-metrics", file, "--metrics", ","))


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")
def test_everything_of_two_captions(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_SPICE_HOME", str(shared / "spice"))
    ran = alm("caption-metrics", written(tmp_path / "c.json", ROWS), "--json")
    assert ran.json["tokenizer"] == "CoreNLP 3.4.1"
    assert all(metric["value"] is not None for metric in ran.json["corpus"].values())


def test_files_of_other_programs_need_no_rewriting(tmp_path: Path) -> None:
    """`prediction, ref1..ref5` in a CSV, lists of captions, and columns under names of their own."""
    wide = tmp_path / "wide.csv"
    wide.write_text("prediction,ref1,ref2,ref10,note\na dog barks,a dog is barking,,barking of a dog,x\n")
    lists = written(tmp_path / "lists.json", [{"caption": ["a dog barks"], "captions": ROWS[0]["references"]}])
    own = tmp_path / "own.csv"
    own.write_text("said,truth\na dog barks,\"['a dog is barking', 'barking of a dog']\"\n")
    expected = alm("caption-metrics", written(tmp_path / "c.json", ROWS[:1]), *CHEAP, "--json").json["corpus"]
    for arguments in ((wide,), (lists,), (own, "--column", "said", "--column", "references=truth")):
        assert alm("caption-metrics", *arguments, *CHEAP, "--json").json["corpus"] == expected
    line = refusal(alm("caption-metrics", own))
    assert "item 1 has no 'candidate'; it has said, truth: name its column with --column candidate=NAME" in line
    assert "unknown role 'truth'; known: " in refusal(alm("caption-metrics", own, "--column", "truth=x"))


def test_short_answers_are_scored_with_their_question(tmp_path: Path) -> None:
    rows = [{"prediction": "2 dogs and 3 cats", "reference": "two", "question": "How many dogs?"}]
    for questions, value in ((rows, 1), ([{**rows[0], "question": ""}], 0)):
        file = written(tmp_path / "c.json", questions)
        assert (
            alm("caption-metrics", file, "--metrics", "contained", "--json").json["corpus"]["contained"]["value"]
            == value
        )
