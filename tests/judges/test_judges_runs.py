"""Runs with a judge: what is stored, asked once, refused, and shown as bounds."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from scripted_judge import read_prompts, verdict, write_judge
from small_world import alm, model, only_run, refusal, stored

import alm_bench as ab

QUESTIONS = 10


def write_questions(folder: Path, count: int = QUESTIONS) -> Path:
    """Write open questions about things, without clips."""
    path = folder / "things.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "answer"])
        writer.writerows([f"q{n}", f"Which thing is number {n}? thing{n}.", f"thing{n}"] for n in range(count))
    return path


def run(tmp_path: Path, *more: object, status: int = 0) -> Any:
    named = model(tmp_path / "answers.py", "    def answer(self, request):\n        return request.id\n", audio="None")
    path = tmp_path / "things.csv"
    if not path.exists():
        write_questions(tmp_path)
    where = ("--kind", "open", "--out", tmp_path / "runs")
    ran = alm("run", "--model", named, "--tasks", path, *where, *more)
    assert ran.status == status, ran.err
    return ran


@pytest.fixture(autouse=True)
def _own_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))


SCRIPT = {"number 3?": verdict("wrong"), "number 4?": verdict("partly"), "default": verdict("right")}


def test_verdicts_are_stored_with_each_item(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    ran = run(tmp_path, "--judge", judge, "--json")
    (table,) = ran.run["tables"]["judges"]
    assert (table["items"], table["judged"], table["problems"]) == (10, 10, {})
    assert ran.run["metrics"]["judged"]["value"] == pytest.approx(0.85)
    assert (table["low"], table["high"]) == (0.85, 0.85)
    rows = stored(only_run(tmp_path / "runs"))
    (one,) = rows[3]["judgements"]
    assert {key: one[key] for key in ("judge", "preset", "status", "score", "label", "reason", "replies")} == {
        "judge": "scripted", "preset": "qa", "status": "judged", "score": 0.0, "label": "wrong",
        "reason": "as the reference", "replies": [verdict("wrong")],
    }  # fmt: skip
    assert len(one["prompt_hash"]) == 12
    prompts = read_prompts(script)
    assert len(prompts) == 10
    assert all(f"Reference: thing{n}" in one and f"Answer: q{n}" in one for n, one in enumerate(sorted(prompts)))
    assert table["usage"] == {"prompt_tokens": 100, "completion_tokens": 20, "cost": pytest.approx(0.01)}


def test_a_second_command_asks_nothing_and_score_keeps_the_verdicts(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    first = run(tmp_path, "--judge", judge, "--json").run["metrics"]["judged"]
    assert run(tmp_path, "--judge", judge, "--json").run["metrics"]["judged"] == first
    folder = only_run(tmp_path / "runs")
    assert alm("score", folder, "--json").run["metrics"]["judged"] == first
    assert alm("score", folder, "--judge", judge, "--json").run["metrics"]["judged"] == first
    assert len(read_prompts(script)) == 10
    other = f"{judge},label=second,weights=2"
    both = alm("score", folder, "--judge", other, "--json").run["tables"]["judges"]
    assert [table["judge"] for table in both] == ["scripted", "second"]
    assert both[0]["kappa"][both[1]["key"]]["value"] == 1.0
    assert len(read_prompts(script)) == 20


def test_unreadable_verdicts_widen_the_bounds_and_move_nothing_else(tmp_path: Path) -> None:
    """Two of ten items without a verdict: the value stays, the ends are those with 0 and with 1 in their place."""
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    clear = run(tmp_path, "--judge", judge, "--json").run["metrics"]["judged"]
    script.write_text(json.dumps({"number 5?": "Well done!", "number 6?": '{"verdict": 7}', **SCRIPT}))
    ran = run(tmp_path, "--judge", f"{judge},label=other,weights=2", "--json")
    table = ran.run["tables"]["judges"][1]
    assert table["problems"] == {"prose without a verdict": 1, "a verdict outside the scale": 1}
    assert (table["low"], table["high"]) == (pytest.approx(0.65), pytest.approx(0.85))
    found = table["metrics"]["judged"]
    assert found["value"] == pytest.approx(6.5 / 8)
    assert found["n"] == 10
    assert found["low"] < clear["low"]
    assert found["high"] == clear["high"], "the missing ones may have been right, as they were"
    text = alm("score", only_run(tmp_path / "runs"), "--details").out
    assert "65.0 to 85.0" in text
    assert "not calibrated" in text


def test_a_model_does_not_judge_itself(tmp_path: Path) -> None:
    named = f"{tmp_path / 'answers.py'}:Model"
    assert "is the evaluated model" in run(tmp_path, "--judge", named, status=2).err
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    run(tmp_path)
    folder = only_run(tmp_path / "runs")
    assert "does not judge its own answers" in refusal(alm("score", folder, "--judge", f"{judge},label=org/model[x]"))
    assert read_prompts(script) == []
    assert "judgements" not in stored(folder)[0]
    assert (folder / "summary.json").is_file(), "the run is as finished as before"


def test_a_dry_run_counts_the_calls_of_the_judge(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    planned = run(tmp_path, "--judge", judge, "--dry-run", "--json").json["runs"]
    assert [(one["model"], one["calls"], one["cost"]) for one in planned[1:]] == [("judge scripted", 10, 0.01)]
    run(tmp_path, "--judge", judge)
    again = alm("score", only_run(tmp_path / "runs"), "--judge", judge, "--dry-run", "--json").json["runs"]
    assert [(one["stored"], one["calls"]) for one in again] == [(10, 0)]
    assert len(read_prompts(script)) == 10


def test_the_budget_ends_the_calls_and_the_rest_follows(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    run(tmp_path)
    folder = only_run(tmp_path / "runs")
    ran = alm("score", folder, "--judge", judge, "--max-cost", "0.005", "--json")
    assert ran.status == 1
    assert "2 by scripted: not asked: --max-cost is reached" in ran.err
    assert ran.run["tables"]["judges"][0]["judged"] == 8, "calls are made in batches"
    assert alm("score", folder, "--judge", judge, "--json").run["tables"]["judges"][0]["judged"] == 10
    assert len(read_prompts(script)) == 10


def test_an_item_without_an_answer_is_wrong_and_not_asked(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    empty = model(tmp_path / "answers.py", "    def answer(self, request):\n        return ''\n", audio="None")
    ran = alm("run", "--model", empty, "--tasks", write_questions(tmp_path), "--kind", "open",
              "--out", tmp_path / "runs", "--judge", judge, "--json")  # fmt: skip
    assert ran.status == 0, ran.err
    assert ran.run["tables"]["judges"][0]["no_answer"] == 10
    assert ran.run["metrics"]["judged"]["value"] == 0.0
    assert read_prompts(script) == []


def test_judges_in_python(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    say = model(tmp_path / "answers.py", "    def answer(self, request):\n        return request.id\n", audio="None")
    where: dict[str, Any] = {"out": tmp_path / "runs"}
    (run,) = ab.evaluate(say, str(write_questions(tmp_path)), kind="open", judge=judge, **where)
    assert run.summary.metrics["judged"].value == pytest.approx(0.85)
    (run,) = ab.rescore(str(run.folder), judge=[f"{judge},label=second,weights=2"], **where)
    assert [table["judge"] for table in run.summary.tables["judges"]] == ["scripted", "second"]
    assert len(read_prompts(script)) == 20
    script.write_text(json.dumps({"default": {"text": None, "error": "down"}}))
    with pytest.raises(ab.RunFailedError, match="10 by third: down"):
        ab.rescore(str(run.folder), judge=f"{judge},label=third,weights=3", **where)


def test_misuse_is_one_line_before_anything_runs(tmp_path: Path) -> None:
    faults = {
        ("--judge", "nobody"): "unknown model 'nobody'",
        ("--judge", "clap"): "a judge writes text of its own",
        ("--judge", "echo", "--judge-preset", "qq"): "unknown judge preset 'qq'; known: qa",
        ("--calibrate", "x.csv"): "--calibrate goes with --judge MODEL",
        ("--judge", "echo", "--calibrate", "nowhere.csv"): "nowhere.csv",
        ("--judge", "echo", "--judge", "echo"): "names a model twice",
        ("--judge", ":x=1"): "--judge takes MODEL",
    }
    for options, line in faults.items():
        assert line in refusal(run(tmp_path, *options, status=2))
    assert not list((tmp_path / "runs").glob("*/samples.jsonl"))
