"""MMAU against the official scorer's figures, its four real revisions, and hand-made cases of the official rule."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, only_run, outputs, questions, refusal, replay, stored

from alm_bench.core import DataRoot, Scored
from alm_bench.core.prompt import render
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue

SYSTEMS = ("qwen2", "r1-aqa", "qwen2-caption-gpt4o")


def revision(shared: Path, name: str, root: Path) -> Path:
    (root / "mmau").mkdir(parents=True, exist_ok=True)
    shutil.copy(shared / f"data/mmau/mmau-test-mini.{name}.json", root / "mmau")
    return root


def run(data: Path, *arguments: object) -> Ran:
    where = ("--data", data, "--out", data / "runs", "--batch-size", 100)
    return alm("run", "--tasks", "mmau", *where, "--json", *arguments)


def percent(metric: dict[str, Any]) -> float:
    return round(100 * float(metric["value"]), 2)


@pytest.fixture(scope="module")
def official() -> Any:
    from alm_bench.plugins import catalogue

    catalogue().get_task("mmau").create()  # the plug-in's module is known once its task was made
    import importlib

    return importlib.import_module("alm_bench.scoring.mmau_match").is_officially_correct


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_figure_of_the_official_scorer(shared: Path, tmp_path: Path, system: str) -> None:
    expected = json.loads((shared / "data/mmau_outputs/official_scores.json").read_text())[system]
    data = revision(shared, "2025-03-25", tmp_path)
    ran = run(data, *replay(shared / f"data/mmau_outputs/{system}.json"))
    assert ran.status == 0
    found = ran.run
    assert found["revision"] == "2025-03-25"
    assert (found["n"], found["skipped"], found["metrics"]["official_accuracy"]["n"]) == (1000, 0, expected["n"])
    assert percent(found["metrics"]["official_accuracy"]) == expected["overall"]
    for grouping, keys in (("domain", ("sound", "music", "speech")), ("difficulty", ("easy", "medium", "hard"))):
        parts = found["groups"][grouping]
        assert sorted(parts) == sorted(keys)
        assert {key: percent(m["official_accuracy"]) for key, m in parts.items()} == {k: expected[k] for k in keys}
        assert {key: m["official_accuracy"]["n"] for key, m in parts.items()} == {k: expected[f"{k}_n"] for k in keys}
    skills = {key: percent(m["official_accuracy"]) for key, m in found["groups"]["skill"].items()}
    assert skills == expected["subcategory"]
    assert len(skills) == 27


@pytest.mark.parametrize(
    ("prediction", "gold", "choices", "right"),
    [
        ("dog", "Dog", ["Dog", "Cat"], True),
        ("It is a Dog.", "dog", ["dog", "cat"], True),
        ("", "dog", ["dog", "cat"], False),
        ("", "?", ["?", "cat"], False),  # a gold without words is in any text, but nothing was said
        ("anything", "?", ["?", "cat"], True),
        ("dog or cat", "dog", ["dog", "cat"], False),
        ("cat", "dog", ["dog", "cat"], False),
        ("dogs", "dog", ["dog", "cat"], False),
        ("b", "dog", ["cat", "dog"], False),
        ("old man", "old man", ["old man", "old woman"], True),
        ("old man, not woman", "old man", ["old man", "old woman"], False),
        ("man old", "old man", ["old man", "young man"], True),  # a bag of words has no order
        ("two, one", "one, two", ["one, two", "two, one", "three"], True),  # a twin of the gold is no other option
        ("one two three", "one, two", ["one, two", "two, one", "three"], False),
        ("five", "five", ["one", "two"], True),  # the gold need not be an option
        ("five one", "five", ["one", "two"], False),
        ("It is not dog", "dog", ["dog", "cat"], True),  # as the official script has it
        ("c-3", "C 3", ["C 3", "D 3"], True),
        ("C#", "C", ["C", "C#"], True),  # one set of words, so twins
    ],
)
def test_the_official_rule(official: Any, prediction: str, gold: str, choices: list[str], right: bool) -> None:
    assert official(prediction, gold, choices) is right


def test_blind_rows_of_the_newest_revision(shared: Path, tmp_path: Path) -> None:
    data = revision(shared, "2025-08-09", tmp_path)
    first = run(data, "--model", "blind").run
    longest = run(data, "--model", "blind", "--model-arg", "strategy=longest").run
    assert (first["revision"], first["n"]) == ("2025-08-09", 1000)
    assert percent(first["metrics"]["accuracy"]) == 39.5
    assert round(percent(first["groups"]["domain"]["sound"]["accuracy"]), 2) == 49.25
    assert percent(longest["metrics"]["accuracy"]) == 39.4
    for found in (first, longest):  # and the same figures stand beside any model
        blind = {name: percent(metrics["accuracy"]) for name, metrics in found["baselines"].items()}
        assert blind["first option"] == 39.5
        assert blind["longest option"] == 39.4
        assert blind["uniform guess (expected)"] == pytest.approx(25.9, abs=0.05)
        assert blind["most frequent letter"] >= 39.5


@pytest.mark.parametrize(
    ("name", "n", "skipped"),
    [("2024-10-23", 1000, 0), ("2025-03-25", 1000, 0), ("2025-05-16", 854, 146), ("2025-08-09", 1000, 0)],
)
def test_every_revision_loads(shared: Path, tmp_path: Path, name: str, n: int, skipped: int) -> None:
    ran = run(revision(shared, name, tmp_path), "--model", "blind")
    found = ran.run
    assert ran.status == 0
    assert (found["revision"], found["n"], found["skipped"], found["items"]) == (name, n, skipped, 1000)
    assert found["metrics"]["accuracy"]["n"] == n
    assert found["metrics"]["official_accuracy"]["n"] == 1000
    assert sorted(found["groups"]["difficulty"]) == ["easy", "hard", "medium"]
    assert len(found["groups"]["domain"]) == 3
    rows = stored(only_run(tmp_path / "runs"))
    assert all(len(row["id"]) == 36 and "/" not in row["id"] for row in rows)
    assert {row["reason"] for row in rows if row["status"] == "skipped"} <= {"gold not among the options"}


def test_the_newest_known_revision_of_a_folder_is_run(shared: Path, tmp_path: Path) -> None:
    for name in ("2025-08-09", "2025-03-25"):
        revision(shared, name, tmp_path)
    assert run(tmp_path, "--model", "blind", "--limit", 1).run["revision"] == "2025-08-09"
    older = shared / "data/mmau/mmau-test-mini.2024-10-23.json"
    named = run(tmp_path, "--model", "blind", "--limit", 1, "--task-arg", f"mmau.annotations={older}").run
    assert named["revision"] == "2024-10-23"


def test_rows_of_any_shape_that_the_benchmark_had(tmp_path: Path) -> None:
    rows = questions(7)
    rows[0]["category"] = ["Reasoning", "Perception"]
    del rows[1]["id"]
    rows[2]["difficulty"] = "Medium"
    del rows[3]["sub-category"]
    rows[4].update(choices=["Dog", "dog", "Cat"], answer="dog")
    rows[5].update(choices=[3, 4], answer=4)
    rows[6].update(choices=list("abcdefgh"), answer="h")
    data = mmau(tmp_path, rows=rows, clips=False)
    texts = {f"item-{i:03}": "Dog" for i in range(7)} | {"item-005": "4", "item-006": "H"}
    found = run(data, *replay(outputs(tmp_path / "said.json", texts))).run
    assert (found["n"], found["skipped"], found["items"]) == (7, 0, 7)
    assert found["revision"].startswith("unknown (")
    assert set(found["groups"]["difficulty"]) == {"easy", "medium", "hard"}
    assert found["groups"]["skill"]["unnamed"]["accuracy"]["n"] == 1
    by_id = {row["id"]: row for row in stored(only_run(data / "runs"))}
    assert by_id["item-004"]["scores"] == {"accuracy": 1.0, "official_accuracy": 1.0}, "a twin of the gold is right"
    assert by_id["item-005"]["scores"] == {"accuracy": 1.0, "official_accuracy": 1.0}
    assert by_id["item-006"]["parsed"]["index"] == 7
    assert by_id["item-006"]["scores"]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"choices": "Dog"}, "item 1 has choices 'Dog'"),
        ({"choices": ["Dog"]}, "expected a list of"),
        ({"choices": [f"option {i}" for i in range(27)]}, "item 1 has 27 choices"),
        ({"audio_id": None}, "item 1 has the audio_id None"),
        ({"id": "item-000"}, "the id 'item-000' occurs 2 times"),
        ({"question": ...}, "item 1 has no 'question'"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    rows = questions(3)
    rows[1] = {key: value for key, value in {**rows[1], **change}.items() if value is not ...}
    line = refusal(run(mmau(tmp_path, rows=rows, clips=False), "--model", "blind"))
    assert expected in line
    assert "mmau-test-mini.json" in line


def test_withheld_answers_are_not_scored_as_wrong(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "answer"} for row in questions(4)]
    data = mmau(tmp_path, rows=rows, clips=False)
    (data / "mmau/mmau-test-mini.json").rename(data / "mmau/mmau-test.json")
    found = run(data, "--model", "blind", "--split", "test").run
    for name in ("accuracy", "official_accuracy"):
        assert (found["metrics"][name]["value"], found["metrics"][name]["reason"]) == (None, "answers are withheld")
    assert found["metrics"]["answered"]["value"] == 1
    assert found["baselines"] == {}


def test_the_submission_has_both_names_for_every_item(tmp_path: Path) -> None:
    data = mmau(tmp_path, 6, clips=False)
    texts = {row["id"]: f"say {i}" for i, row in enumerate(questions(6))}
    assert run(data, *replay(outputs(tmp_path / "said.json", texts))).status == 0
    folder = only_run(data / "runs")
    ran = alm("submit", "mmau", folder, "--json")
    written = json.loads((folder / "submission.json").read_text())
    assert ran.json == {"file": str(folder / "submission.json"), "items": 6}
    assert written == [
        {**row, "model_output": f"say {i}", "model_prediction": f"say {i}"} for i, row in enumerate(questions(6))
    ]


def test_no_submission_of_an_unfinished_run(tmp_path: Path) -> None:
    data = mmau(tmp_path, 6, clips=False)
    run(data, "--model", "blind", "--limit", 5)
    line = refusal(alm("submit", "mmau", only_run(data / "runs")))
    assert "item item-005 has no output" in line
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"item-000": "Dog"}')
    assert "wrong.json" in refusal(alm("submit", "mmau", only_run(data / "runs"), "--annotations", wrong))
    line = refusal(alm("submit", "mmau", only_run(data / "runs"), "--annotations", tmp_path / "hub.parquet"))
    assert "hub.parquet is no JSON list of questions: name the official one with --annotations" in line


NATIVE = "what is heard in clip 1? a) dog b) cat c) bird d) frog"
LETTERS = """What is heard in clip 1?
(A) Dog
(B) Cat
(C) Bird
(D) Frog
Answer with the letter of the correct option."""


REASONING_SETS = ("r1-aqa", "r1-aqa-think", "sari-structured", "sari-free")
R1_AQA = (
    "What is heard in clip 1? Please choose the answer from the following options: ['Dog', 'Cat', 'Bird', 'Frog']. "
)
THINK = "Output the thinking process in <think> </think> and final answer in <answer> </answer>."
OPTIONS = "What is heard in clip 1?\n(A) Dog\n(B) Cat\n(C) Bird\n(D) Frog\n"
STRUCTURED = (
    "Think in <think> </think> before you answer, in four sections: plan how to find the answer in <planning> "
    "</planning>, describe what you hear in <caption> </caption>, reason step by step in <reasoning> </reasoning>, and "
    "sum up in <summary> </summary>. "
)
FINAL = "Then give the final answer in <answer> </answer>."


@pytest.mark.parametrize(
    ("name", "expected", "digest"),
    [
        ("native", NATIVE, "69eab70df54a"),
        ("letters", LETTERS, "6e2c2edf1cd3"),
        ("bare", "What is heard in clip 1?", "fe51be2be3c9"),
        ("r1-aqa", R1_AQA + "Output the final answer in <answer> </answer>.", "16efb58bd3fd"),
        ("r1-aqa-think", R1_AQA + THINK, "c6b54137866c"),
        ("sari-structured", OPTIONS + STRUCTURED + FINAL, "4c71027778f0"),
        ("sari-free", OPTIONS + "Think in <think> </think> before you answer, in any form. " + FINAL, "f70543dab9ac"),
    ],
)
def test_rendered_prompts_are_frozen(tmp_path: Path, name: str, expected: str, digest: str) -> None:
    """A changed wording needs a new version and new figures: change these lines only with both."""
    entry = catalogue().get_task("mmau")
    root: DataRoot = LocalRoot(mmau(tmp_path, 2, clips=False))
    template = entry.load_prompts()[name]
    assert {"native", "letters", "bare", *REASONING_SETS} <= set(entry.load_prompts())
    request = render(list(entry.create().samples(root, "test-mini"))[1], template)
    assert request.prompt == expected
    assert (template.id, template.version, template.hash) == (f"mmau/{name}", 1, digest)


def test_scores_of_a_skipped_item_stay_out_of_our_figures(tmp_path: Path) -> None:
    rows = questions(4)
    rows[0]["answer"] = "Thunder"
    found = run(mmau(tmp_path, rows=rows, clips=False), "--model", "blind")
    domain = found.run["groups"]["domain"]["sound"]
    assert (found.run["n"], found.run["skipped"]) == (3, 1)
    assert (domain["accuracy"]["n"], domain["official_accuracy"]["n"]) == (1, 2)


def test_an_empty_run_has_no_figures() -> None:
    rows: list[Scored] = []
    score = catalogue().get_task("mmau").create().score(rows)
    assert score.metrics["accuracy"].value is None
    assert score.blind == {}
