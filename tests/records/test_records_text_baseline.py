"""A text-only run as the solver of another."""

from pathlib import Path

import pytest
from small_world import alm, cle, mmau, only_run, outputs, questions, refusal, replay


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"), 20, clips=False)


def answered(name: str, right: range, *arguments: object) -> Path:
    """The folder of a run that is right on the items of these numbers."""
    texts = {
        row["id"]: row["answer"] if i in right else next(c for c in row["choices"] if c != row["answer"])
        for i, row in enumerate(questions(20))
    }
    ran = alm("run", *replay(outputs(Path(f"{name}.json"), texts)), "--tasks", "mmau", "--out", name, *arguments)
    assert ran.status == 0, ran.err
    return only_run(Path(name))


def test_only_what_the_text_does_not_give_away_is_counted() -> None:
    text, listener = answered("text", range(12)), answered("listener", range(6, 16))
    run = alm("score", listener, "--solvable-by", text, "--json").run
    found = run["metrics"]["accuracy_not_text_solvable"]
    assert (found["value"], found["n"]) == (4 / 8, 8)
    row = run["solver"]
    assert row == f"text only: replay[text] ({text.name[-16:-8]})", "its model and its run"
    assert run["baselines"][row]["accuracy"]["value"] == 12 / 20
    assert run["margins"]["all"]["all"]["baseline"] == row
    assert not run["margins"]["all"]["all"]["significant"]
    assert alm("score", listener, "--json").run["metrics"] == run["metrics"], "it is stored with the items"


def test_a_run_names_its_solver_too_and_another_one_later() -> None:
    text, other = answered("text", range(12)), answered("other", range(4))
    asked = ("run", "--model", "blind", "--tasks", "mmau", "--json", "--solvable-by")
    for solver, name in ((text, "text"), (other, "other"), (text, "text")):
        assert alm(*asked, solver).run["solver"].startswith(f"text only: replay[{name}]")


def test_options_are_matched_by_their_text() -> None:
    text = answered("text", range(20))
    circular = alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circular", "--json").run
    assert "accuracy_not_text_solvable" not in circular["metrics"]
    folder = Path("results/runs") / circular["run"]
    run = alm("score", folder, "--solvable-by", text, "--json").run
    assert run["metrics"]["accuracy_not_text_solvable"]["reason"] == f"{run['solver']} answers all {run['n']} items"
    assert "asked several orders of each question" in refusal(alm("score", text, "--solvable-by", folder))


def test_items_answered_later_without_it_leave_no_half_a_row() -> None:
    text = answered("text", range(12))
    some = {row["id"]: row["answer"] for row in questions(20)[:15]}
    listener = ("run", *replay(outputs(Path("some.json"), some)), "--tasks", "mmau", "--max-failures", "100%")
    first = alm(*listener, "--solvable-by", text, "--json").run
    assert first["solver"] in first["baselines"]
    folder = Path("results/runs") / first["run"]
    lines = (folder / "samples.jsonl").read_text().splitlines(keepends=True)
    (folder / "samples.jsonl").write_text("".join(lines[:18]))
    ran = alm(*listener, "--json")
    assert "5 of 20 items have no prediction of 'text only: replay[text]" in ran.err
    assert (ran.run["solver"], first["solver"] in ran.run["baselines"]) == (None, False)
    assert alm(*listener, "--solvable-by", text, "--json").run["solver"] == first["solver"]


def test_it_is_met_before_any_task_is_answered() -> None:
    text = answered("text", range(12))
    cle(Path("data"))
    said = refusal(alm("run", "--model", "blind", "--tasks", "mmau,cle", "--solvable-by", text))
    assert "a run of mmau, expected one of cle" in said
    assert not list(Path("results/runs").glob("*/samples.jsonl"))


def test_a_run_that_does_not_fit_is_refused() -> None:
    listener = answered("listener", range(20))
    assert "is the run itself" in refusal(alm("score", listener, "--solvable-by", listener))
    short = answered("short", range(20), "--limit", "5")
    assert "has no answer for 15 of 20 items, as 'item-005'" in refusal(alm("score", listener, "--solvable-by", short))
    cle(Path("other"))
    assert alm("run", "--model", "blind", "--tasks", "cle", "--data", "other", "--out", "cle").status == 0
    said = refusal(alm("score", listener, "--solvable-by", only_run(Path("cle"))))
    assert "a run of cle, expected one of mmau" in said
    rows = questions(20)
    for row in rows:
        row["choices"] = [f"{choice}!" for choice in row["choices"]]
        row["answer"] += "!"
    mmau(Path("moved"), rows=rows, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--data", "moved", "--out", "elsewhere").status == 0
    said = refusal(alm("score", listener, "--solvable-by", only_run(Path("elsewhere"))))
    assert "run it on the same data revision" in said
