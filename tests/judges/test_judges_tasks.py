"""Tasks whose answers need a judge: open questions, instructions, reasoning by rubrics, answers in detail, captions."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_rows import mmau_pro_rows
from scripted_judge import read_prompts, verdict, write_own_judge
from small_world import Ran, alm, model, only_run, stored


def run(tmp_path: Path, task: str, judge: str, *more: object) -> Ran:
    """Run a text-only model that answers `B` in a sentence of its own."""
    named = model(tmp_path / "m.py", "    def answer(self, request):\n        return '(B), as I hear'\n", audio="None")
    where = ("--tasks", task, "--data", tmp_path, "--out", tmp_path / "runs", "--judge", judge)
    return alm("run", "--model", named, *where, *more, "--json")


def test_open_questions_and_instructions_of_mmau_pro_are_judged(tmp_path: Path) -> None:
    """They stay out of the accuracy by rules, and have a judged figure beside it."""
    (tmp_path / "mmau-pro").mkdir()
    (tmp_path / "mmau-pro/test.jsonl").write_text("\n".join(map(json.dumps, mmau_pro_rows())))
    script = {"Requirement: Number Words (at most), N: 10\n": verdict("wrong"), "default": verdict("right")}
    judge, _ = write_own_judge(tmp_path, json.dumps(script))
    ran = run(tmp_path, "mmau-pro", judge)
    assert ran.status == 0, ran.err
    judged = [row for row in stored(only_run(tmp_path / "runs")) if row.get("judgements")]
    assert [row["groups"]["category"] for row in judged] == ["open", "open", "instruction following"]
    assert all(row["status"] == "skipped" and not row["choices"] for row in judged)
    assert ran.run["metrics"]["judged"]["n"] == 3
    assert ran.run["metrics"]["judged"]["value"] == pytest.approx(2 / 3)
    assert ran.run["metrics"]["accuracy"]["n"] == 17
    groups = ran.run["tables"]["judges"][0]["groups"]["category"]
    assert {key: metric["value"] for key, metric in groups.items()} == {"open": 1.0, "instruction following": 0.0}


def test_reasoning_of_mmar_is_judged_by_its_rubrics(tmp_path: Path) -> None:
    (tmp_path / "mmar").mkdir()
    point = {"name": "x", "note": "", "choices": [0, 1]}
    rows: list[dict[str, Any]] = [
        {"id": f"m{n}", "audio_path": f"./audio/m{n}.wav", "question": f"Which, {n}?", "choices": ["one", "two"],
         "answer": ("one", "two")[n], "modality": "sound", "category": "Signal Layer", "sub-category": "x",
         "rubric": [{**point, "scoring_point": f"names fact {k}"} for k in range(5)]}
        for n in range(2)
    ]  # fmt: skip
    (tmp_path / "mmar/MMAR-meta.jsonl").write_text("\n".join(map(json.dumps, rows)))
    judge, script = write_own_judge(tmp_path, json.dumps({"default": '{"points": [1, 1, 1, 1, 0]}'}))
    ran = run(tmp_path, "mmar", judge, "--judge-preset", "mmar-rubrics")
    assert ran.status == 0, ran.err
    wrong, right = (row["judgements"][0] for row in stored(only_run(tmp_path / "runs")))
    assert (wrong["status"], wrong["score"], wrong["label"], wrong["replies"]) == ("judged", 0.0, "wrong option", [])
    assert (right["status"], right["score"], len(right["replies"])) == ("judged", pytest.approx(0.8), 5)
    assert len(set(read_prompts(script))) == 5
    refused = run(tmp_path, "mmar", judge)
    assert refused.status == 2
    assert "--judge-preset qa suits no item of mmar (a multiple-choice question)" in refused.err
    assert len(stored(only_run(tmp_path / "runs"))) == 2, "the answers are kept"


def test_answers_in_detail_and_captions_have_a_judged_figure_beside_the_rules(tmp_path: Path) -> None:
    row = {"subtype": "Clotho_Detail.json", "filepath1": "ClothoV21/evaluation/rain.wav", "filepath2": "",
           "input": "Describe the scene.", "answer": "Rain falls on a roof."}  # fmt: skip
    (tmp_path / "reasonaqa").mkdir()
    (tmp_path / "reasonaqa/test.json").write_text(json.dumps([row]))
    ratings = '{"accuracy": 5, "completeness": 5, "hallucination": 1}'
    judge, _ = write_own_judge(tmp_path, json.dumps({"hallucination:": ratings, "default": verdict("partly")}))
    ran = run(tmp_path, "clotho-detail", judge, "--metrics", "rouge_l")
    assert ran.status == 0, ran.err
    assert ran.run["metrics"].keys() == {"rouge_l", "answered", "judged"}
    assert ran.run["metrics"]["judged"]["value"] == 0.5
    ran = run(tmp_path, "clotho-detail", judge, "--metrics", "rouge_l", "--judge-preset", "caption")
    assert ran.status == 0, ran.err
    table = ran.run["tables"]["judges"][1]
    assert table["preset"] == "caption"
    assert {name: metric["value"] for name, metric in table["metrics"].items()} == {
        "judged": 1.0, "judged_accuracy": 1.0, "judged_completeness": 1.0, "judged_hallucination": 0.0}  # fmt: skip
