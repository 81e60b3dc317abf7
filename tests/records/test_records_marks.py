"""Marks: read with care, applied to labels of every run of the task, and never to what is stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, outputs, questions, refusal, replay, stored

from alm_bench.core import Sample, UsageError
from alm_bench.records.marks import Mark, relabel_records
from alm_bench.records.schema import Record


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of twelve questions: right but for items 1 (wrong), 2 (answered in other words), 3 (failed)."""
    monkeypatch.chdir(tmp_path)
    rows = questions(12)
    rows[6]["answer"] = "Thunder"  # not among its options
    mmau(tmp_path / "data", rows=rows, clips=False)
    texts: dict[str, Any] = {row["id"]: row["answer"] for row in rows}
    texts |= {"item-001": "Frog", "item-002": "It purrs, so it is the feline one", "item-003": None, "item-006": "Cat"}
    alm("run", *replay(outputs(tmp_path / "said.json", texts)), "--tasks", "mmau", "--max-failures", 1)
    (folder,) = Path("results/runs").iterdir()
    return folder


def mark(run: Path | str, id: str, kind: str, answer: str | None = None, note: str = "", **more: Any) -> dict[str, Any]:
    name = run if isinstance(run, str) else run.name
    return {"run": name, "task": "mmau", "id": id, "kind": kind, "answer": answer, "note": note} | more


def write(*marks: dict[str, Any], **top: Any) -> Path:
    Path("marks.json").write_text(json.dumps({"alm_bench_marks": 1, "marks": marks} | top), encoding="utf-8")
    return Path("marks.json")


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_scores_are_given_with_and_without_corrected_labels_and_nothing_is_stored(run: Path) -> None:
    before = everything(run)
    write(
        mark(run, "item-001", "reference-wrong", "frog ", "a frog, clearly"),
        mark("another-run", "item-004", "clip-broken", note="silence"),
        mark(run, "item-003", "clip-broken"),
        mark(run, "item-006", "reference-wrong", "Cat"),
        mark(run, "item-002", "parsed-wrongly", "Cat"),
        mark(run, "item-099", "clip-broken"),
        mark(run, "item-005", "reference-wrong", task="cle"),
    )
    found = alm("score", run, "--labels", "marks.json", "--json").json
    (plain,), (entry,) = found["runs"], found["relabelled"]
    assert (plain["n"], plain["metrics"]["accuracy"]["value"]) == (11, 8 / 11)
    corrected = entry["corrected"]
    assert (corrected["n"], corrected["skipped"]) == (10, 2), "two clips are broken, item 6 has a right answer now"
    assert corrected["metrics"]["accuracy"]["value"] == 9 / 10
    assert entry["unknown"] == 1
    assert [(change["id"], change["before"], change["after"]) for change in entry["changes"]] == [
        ("item-001", "Cat", "Frog"), ("item-003", "Frog", None), ("item-004", "Dog", None),
        ("item-006", "Thunder", "Cat"),
    ]  # fmt: skip
    text = alm("score", run, "--labels", "marks.json").out
    assert "4 labels changed, 2 of them left out. Nothing is stored. 1 marks are on items" in text
    assert "| accuracy" in text
    assert "| +17.3" in text
    assert everything(run) == before
    assert alm("score", run).status == 0, "scored again, the labels are those of the data"
    assert json.loads((run / "summary.json").read_text())["runs"][0]["metrics"]["accuracy"]["value"] == 8 / 11


def test_review_lists_marks_and_writes_a_patch_of_labels_and_parser_cases(run: Path) -> None:
    write(
        mark(run, "item-001", "reference-wrong", "Frog", "a frog, clearly"),
        mark(run, "item-002", "parsed-wrongly", "Cat", "purrs"),
        mark(run, "item-005", "parsed-wrongly", "Wind", "it is parsed so"),
        mark(run, "item-008", "clip-broken"),
        mark("gone", "item-001", "clip-broken"),
        mark(run, "item-077", "clip-broken"),
    )
    before = everything(run)
    ran = alm("review", "marks.json", "--patch", "patch.json", "--cases", "cases.jsonl")
    assert ran.status == 0, ran.err
    assert ran.err == "2 labels written to patch.json\n2 cases written to cases.jsonl\n"
    for part in (
        "── item-001 · mmau", "corrected  Frog", "note       a frog, clearly", "meant      Cat", "rule ", "; as marked",
        "no run 'gone'", "has no item 'item-077'", "6 marks: 1 reference-wrong, 2 parsed-wrongly, 3 clip-broken",
    ):  # fmt: skip
        assert part in ran.out, part
    patch = json.loads(Path("patch.json").read_text())
    assert patch["alm_bench_labels"] == 1
    assert [(label["id"], label["reference"], label["corrected"]) for label in patch["labels"]] == [
        ("item-001", "Cat", "Frog"), ("item-008", "Dog", None),
    ]  # fmt: skip
    assert patch["labels"][0]["options"] == ["Dog", "Cat", "Bird", "Frog"]
    case, parsed = map(json.loads, Path("cases.jsonl").read_text().splitlines())
    assert (case["text"], case["expected"], case["parsed"]) == ("It purrs, so it is the feline one", "Cat", None)
    assert case["choices"] == ["Dog", "Cat", "Bird", "Frog"]
    assert parsed["parsed"] is not None
    assert everything(run) == before
    entries = alm("review", "marks.json", "--json").json["marks"]
    assert [entry["solved"] for entry in entries] == [False, False, True, False, False, False]
    assert entries[4]["problem"].startswith("no run 'gone'")


def test_marks_hold_for_every_option_order_of_a_question(run: Path) -> None:
    asked = ("--model", "blind", "--tasks", "mmau", "--options", "circular", "--out", "orders", "--limit", 2)
    assert alm("run", *asked).status == 0
    (folder,) = Path("orders").iterdir()
    ids = [line["id"] for line in stored(folder)]
    assert len(ids) > 2
    write(mark(folder, ids[-1], "reference-wrong", "Frog"))
    (entry,) = alm("score", folder, "--labels", "marks.json", "--json").json["relabelled"]
    assert [(change["id"], change["after"]) for change in entry["changes"]] == [("item-001", "Frog")]
    assert entry["corrected"]["n"] == len(ids)


def test_marks_that_cannot_be_applied_are_one_line(run: Path) -> None:
    dog, frog = (mark("x", "item-001", "reference-wrong", answer) for answer in ("Dog", "Frog"))
    for marks, message in (
        ([mark("x", "item-001", "reference-wrong", "Fish")], "'Fish', which is none of its options 'Dog', 'Cat',"),
        ([dog, frog], "two marks with different answers: 'Dog' and 'Frog'"),
        ([mark("x", "item-001", "parsed-wrongly", "Dog")], "no mark changes a label of "),
        ([], "no mark changes a label of "),
    ):
        assert message in refusal(alm("score", run, "--labels", write(*marks)))


def test_a_file_that_holds_no_marks_is_one_line(run: Path) -> None:
    assert "marks.json: cannot be read (No such file" in refusal(alm("review", "marks.json"))
    for content, message in (
        ("{", "not a file of marks: "),
        ("[]", "not a file of marks: Expected `object`, got `array`; expected {"),
        ('{"alm_bench_marks": 2, "marks": []}', "marks of version 2, this alm-bench reads 1"),
        ('{"alm_bench_marks": 1, "marks": [{"run": "r", "task": "t", "id": "i", "kind": "x"}]}', "Invalid enum value"),
        ('{"alm_bench_marks": 1, "marks": [{"run": "r"}]}', "missing required field"),
    ):
        Path("marks.json").write_text(content)
        assert message in refusal(alm("review", "marks.json")), message
        assert message in refusal(alm("score", run, "--labels", "marks.json")), message


def test_captions_and_questions_with_several_right_options_are_relabelled() -> None:
    several = Sample("a", {}, choices=("x", "y", "z"), targets=(0,))
    caption = Sample("b", {}, target=["one", "two"], gold="one")
    records = [Record(0, several, "", "ok"), Record(1, caption, "", "ok")]
    marks = [
        Mark(run="r", task="t", id="a", kind="reference-wrong", answer="z + Y"),
        Mark(run="r", task="t", id="b", kind="reference-wrong", answer="three"),
    ]
    found = relabel_records(records, marks, "t")
    assert (found.records[0].sample.targets, found.records[1].sample.target) == ((1, 2), ["three"])
    assert [(change.before, change.after) for change in found.changes] == [("x", "y + z"), ("one", "three")]
    joint = Record(0, Sample("d", {}, choices=("x", "x + y"), targets=(0,)), "", "ok")
    found = relabel_records([joint], [Mark(run="r", task="t", id="d", kind="reference-wrong", answer="x + y")], "t")
    assert found.records[0].sample.targets == (1,), "an option whose text contains the sign"
    number = Record(0, Sample("c", {}, target=3), "", "ok")
    with pytest.raises(UsageError, match="cannot be replaced by a text; mark it without an answer"):
        relabel_records([number], [Mark(run="r", task="t", id="c", kind="reference-wrong", answer="4")], "t")
