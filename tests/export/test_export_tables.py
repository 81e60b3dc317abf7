"""Tables of items: complete, readable by pandas and datasets, and with the run's figures when they are replayed."""

import json
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest
from small_world import alm, cle, mmau, model, only_run, outputs, questions, refusal, replay, stored

from alm_bench.core.escape import quote_formula, unquote_formula
from alm_bench.items import make_schema

ANSWERS = """
    audio = AudioPolicy()

    def generate(self, batch, decoding):
        return [self.one(request) for request in batch]

    def one(self, request):
        number = int(request.id[-3:])
        if number == 1:
            return Output("", truncated=False)
        if number == 2:
            return Output(None, refusal="content filter")
        if number == 3:
            return Output(None, error="the server is gone")
        if number == 4:
            return Output("Let me think, the first", truncated=True)
        if number == 5:
            return Output('=1+1\\r\\n"Dog", I\\x1b[1mthink')
        if number == 6:
            return Output("'Tis (b)\\n\\nNone")
        return Output(f"({'abcd'[number % len(request.choices)]})" if number != 8 else "None of them")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run with every outcome: answered, empty, refused, failed, truncated, unparsed and skipped items."""
    home = tmp_path_factory.mktemp("exports")
    data = mmau(home / "data", 12)
    (data / "mmau/test-mini-audios/item-007.wav").unlink()
    name = model(home / "many.py", ANSWERS)
    asked = ("--tasks", "mmau", "--data", data, "--out", home / "runs", "--missing-audio", "skip", "--max-failures", 9)
    assert alm("run", "--model", name, *asked).status == 0
    return only_run(home / "runs")


FIGURES = ("n", "skipped", "status", "main", "metrics", "groups", "baselines", "margins", "tables", "questions")


def figures(folder: Path) -> dict[str, Any]:
    (summary,) = json.loads((folder / "summary.json").read_text())["runs"]
    return {name: summary[name] for name in FIGURES}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("data", ["own", "named"])
def test_a_replay_of_the_exported_file_has_the_figures_of_the_run(
    form: str, data: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert alm("export", run, "--to", form, "--file", f"items.{form}").status == 0
    place = ("--data", run.parents[1] / "data") if data == "named" else ()
    assert alm("run", *replay(Path(f"items.{form}")), "--tasks", "mmau", *place, "--max-failures", 9).status == 0
    again = only_run(Path("results/runs"))
    assert figures(again) == figures(run)
    before, after = stored(run), stored(again)
    counts = {line["status"] for line in before}
    assert counts == {"ok", "unparsed", "refused", "truncated", "error", "skipped"}
    asked = ("id", "status", "reason", "choices", "target", "groups")
    assert [[line[key] for key in asked] for line in after] == [[line[key] for key in asked] for line in before]
    said = ("text", "parsed", "scores")  # of an item that was skipped because of its clip, nothing is known
    answers = [
        [[line[key] for key in said] for line in lines if line["status"] != "skipped"] for lines in (before, after)
    ]
    assert answers[0] == answers[1]


def test_entailment_and_open_answers_have_equal_figures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cle(tmp_path / "data")
    for task, tail in (("cle", ()), ("clotho_aqa", ("--data", "demo", "--limit", 6))):
        assert alm("run", "--model", "echo", "--tasks", task, "--out", f"{task}-runs", *tail).status == 0
        assert alm("export", "latest", "--out", f"{task}-runs", "--to", "csv", "--file", f"{task}.csv").status == 0
        asked = (*replay(Path(f"{task}.csv")), "--tasks", task, "--out", f"{task}-again", *tail)
        assert alm("run", *asked).status == 0
        assert figures(only_run(Path(f"{task}-again"))) == figures(only_run(Path(f"{task}-runs"))), task


def test_pandas_and_datasets_read_what_was_exported(run: Path, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "dataset"):
        ran = alm("export", run, "--to", form, "--file", tmp_path / f"items.{form}", "--json")
        assert ran.json == {
            "run": run.name, "format": form, "file": str(tmp_path / f"items.{form}"), "count": 12
        }  # fmt: skip
    accuracy = figures(run)["metrics"]["accuracy"]["value"]
    table = pandas.read_csv(tmp_path / "items.csv")
    parquet = pandas.read_parquet(tmp_path / "items.parquet")
    data = datasets.load_from_disk(str(tmp_path / "items.dataset"))
    for frame in (table, parquet, data.remove_columns("audio").to_pandas()):
        counted = frame[frame["status"] != "skipped"]
        assert counted["score_accuracy"].fillna(0).mean() == accuracy
        assert list(frame["id"]) == [line["id"] for line in stored(run)]
        assert set(frame["group_difficulty"]) == {"easy", "medium", "hard"}
    assert list(parquet.columns) == list(table.columns) == data.column_names[:-1]
    assert json.loads(table["choices"][5]) == list(parquet["choices"][5]) == ["Rain", "Wind"]
    text = '=1+1\r\n"Dog", I\x1b[1mthink'
    assert (table["text"][5], parquet["text"][5], data[5]["text"]) == ("'" + text, text, text)
    assert data[0]["audio"]["path"].endswith("item-000.wav")
    assert data[7]["audio"] is None, "its file is gone"


def test_tables_of_two_runs_have_equal_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data")
    texts = {row["id"]: row["answer"] for row in questions(12)}
    for name, said in (("first", texts), ("second", texts | {"item-000": "no idea"})):
        alm("run", *replay(outputs(Path(f"{name}.json"), said)), "--tasks", "mmau")
        alm("export", "latest", "--to", "dataset", "--file", name)
    both = datasets.concatenate_datasets([datasets.load_from_disk(name) for name in ("first", "second")])
    assert both.num_rows == 24
    assert make_schema(["reason"]).field("reason").type == "string"
    (tmp_path / "notes").mkdir()
    assert "notes exists and is no data set" in refusal(alm("export", "latest", "--to", "dataset", "--file", "notes"))
    assert alm("export", "latest", "--to", "dataset", "--file", "first").status == 0, "its own kind is replaced"
    assert "--to 'xml' is unknown; known: " in refusal(alm("export", "latest", "--to", "xml"))


@pytest.mark.parametrize("text", ["=1+1", " +2", "'", "''=1", "-", "-3.5", "plain", "", "＝1", "\t=1", "'tis"])
def test_a_quoted_text_comes_back_and_is_no_formula(text: str) -> None:
    quoted = quote_formula(text)
    assert unquote_formula(quoted) == text
    assert not quoted.lstrip(" ").startswith(("=", "+", "@", "\t", "＝"))
