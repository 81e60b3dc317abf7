"""Runs that an older version of the parser read: parsed again, and what that changes is said."""

import json
from pathlib import Path

import pytest
from small_world import Ran, alm, mmau, only_run, outputs, questions, replay, stored

from alm_bench.parsing import PARSER

RUNS = Path("results/runs")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"))


def run() -> Ran:
    texts = {row["id"]: row["answer"] for row in questions(12)}
    return alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")


def made_older(unread: int, header: bool = True) -> Path:
    """The run's folder, as an older parser that could not read the first items would have left it."""
    folder = only_run(RUNS)
    entries = stored(folder)
    for entry in entries[:unread]:
        entry["status"], entry["reason"], entry["scores"]["accuracy"] = "unparsed", "off_list", 0.0
        entry["parsed"] |= {"status": "unparsed", "rule": "off_list", "index": None, "value": None, "span": None}
    (folder / "samples.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    (name, key) = ("run.json", "parser") if header else ("summary.json", "parser")
    content = json.loads((folder / name).read_text())
    (content if header else content["runs"][0])[key] = "mcq@1"
    (folder / name).write_text(json.dumps(content))
    if not header:
        content = json.loads((folder / "run.json").read_text())
        content.pop("parser", None)
        (folder / "run.json").write_text(json.dumps(content))
    return folder


LINE = f"parsed again by {PARSER} (before: mcq@1): 3 of 12 items changed, accuracy 75.0 -> 100.0\n"


@pytest.mark.parametrize("header", [True, False], ids=["parser in run.json", "parser in summary.json alone"])
def test_scoring_an_older_run_says_in_one_line_what_changed(header: bool) -> None:
    run()
    folder = made_older(3, header)
    ran = alm("score", folder, "--json")
    assert ran.err == f"{folder.name}: {LINE}"
    assert ran.run["metrics"]["accuracy"]["value"] == 1
    assert ran.run["parser"] == json.loads((folder / "run.json").read_text())["parser"] == PARSER
    again = alm("score", folder, "--json")
    assert (again.err, again.out) == ("", ran.out), "once it is scored, nothing changes any more"


def test_an_older_run_that_goes_on_is_parsed_by_one_version() -> None:
    run()
    folder = made_older(3)
    lines = (folder / "samples.jsonl").read_text().splitlines(keepends=True)
    (folder / "samples.jsonl").write_text("".join(lines[:8]))
    ran = run()
    assert ran.status == 0, ran.err
    assert f"mmau: parsed again by {PARSER} (before: mcq@1): 3 of 8 items changed, accuracy 62.5 -> 100.0\n" in ran.err
    assert [entry["status"] for entry in stored(folder)] == ["ok"] * 12
    assert json.loads((folder / "run.json").read_text())["parser"] == PARSER
