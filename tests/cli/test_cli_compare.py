"""`compare`: two finished runs item by item."""

import re
from pathlib import Path

import pytest
from small_world import alm, mmau, outputs, questions, refusal, replay

from alm_bench.scoring.paired import adjust_by_holm


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data", count=40)


def answered(name: str, right: int) -> str:
    """The folder of a run whose first `right` items of 40 are right."""
    rows = questions(40)
    texts = {
        row["id"]: row["answer"] if i < right else next(c for c in row["choices"] if c != row["answer"])
        for i, row in enumerate(rows)
    }
    file = outputs(Path(f"{name}.json"), texts)
    ran = alm("run", *replay(file), "--label", name, "--tasks", "mmau", "--out", name)
    assert ran.status == 0, ran.err
    return str(next(Path(name).glob("*/run.json")).parent)


def test_a_run_does_not_differ_from_itself() -> None:
    run = answered("a", 20)
    cells = alm("compare", run, run, "--json").json["cells"]
    assert {cell["p"] for cell in cells} == {1.0}
    assert {cell["difference"]["difference"]["value"] for cell in cells} == {0.0}


def test_a_better_run_is_found_better_in_every_part() -> None:
    weak, strong = answered("weak", 5), answered("strong", 35)
    cells = alm("compare", weak, strong, "--json").json["cells"]
    overall = next(cell for cell in cells if (cell["score"], cell["grouping"]) == ("accuracy", "all"))
    assert overall["difference"]["difference"]["value"] == pytest.approx(30 / 40)
    assert (overall["difference"]["won"], overall["difference"]["lost"]) == (30, 0)
    assert overall["p"] < 1e-6
    assert {cell["grouping"] for cell in cells} >= {"all", "domain", "difficulty", "skill"}
    ran = alm("compare", weak, strong, "--examples", "2")
    assert ran.status == 0
    assert "+75.0 [" in ran.out
    assert ran.out.count("won by strong: ") == 2
    assert "lost by " not in ran.out
    row = questions(40)[5]
    example = ran.out.split("won by strong: ")[1]
    assert example.startswith(row["id"])
    assert f"strong: {row['answer']!r}" in example
    assert re.search(r"weak: '\w+'", example)


def test_the_conclusion_stands_first_and_names_the_better_model() -> None:
    weak, strong = answered("weak", 5), answered("strong", 35)
    heading, said = alm("compare", weak, strong).out.split("\n\n")[:2]
    assert heading == "## strong against weak"
    assert said.startswith("strong is better: 12.5 vs 87.5, +75.0 [")
    assert "p = 1.9e-09, 30 gained, 0 lost." in said
    other = alm("compare", strong, weak, "--json").json["conclusions"]
    assert other[0].startswith("strong is better: 87.5 vs 12.5, -75.0 [")


def test_no_reliable_difference_says_what_would_have_been_found() -> None:
    first, second = answered("first", 20), answered("second", 23)
    said = alm("compare", first, second).out.split("\n\n")[1]
    assert said.startswith("No reliable difference: 50.0 vs 57.5, +7.5 [")
    assert "p = 0.25, 3 gained, 0 lost; a difference of 12.1 would have been detected with 80 % power." in said


def test_runs_of_one_model_are_named_by_their_folders() -> None:
    run = answered("a", 20)
    assert Path(run).name in alm("compare", run, run).out.splitlines()[0]


def test_only_groups_are_adjusted_each_metric_and_run_for_itself() -> None:
    runs = [answered(name, right) for name, right in (("a", 10), ("b", 18), ("c", 26))]
    two = alm("compare", *runs[:2], "--json").json["cells"]
    three = alm("compare", *runs, "--json").json["cells"]
    assert len(three) == 2 * len(two)
    assert three[: len(two)] == two, "another run beside them changes nothing"
    for cell in two:
        if cell["grouping"] == "all":
            assert cell["p"] == cell["difference"]["p"]
    for score in {cell["score"] for cell in two}:
        groups = [cell for cell in two if cell["score"] == score and cell["grouping"] != "all"]
        assert [cell["p"] for cell in groups] == pytest.approx(
            adjust_by_holm([cell["difference"]["p"] for cell in groups])
        )
    assert any(cell["p"] > cell["difference"]["p"] for cell in two)


def test_runs_on_other_data_are_refused_unless_told() -> None:
    first = answered("a", 20)
    rows = questions(40)
    rows[0]["question"] = "What else?"
    mmau(Path("data"), rows=rows)
    second = answered("b", 30)
    said = refusal(alm("compare", first, second))
    assert "used different data revisions" in said
    assert "pass --different to compare anyway" in said
    assert alm("compare", first, second, "--different").status == 0


def test_one_run_is_no_comparison() -> None:
    assert "two runs or more, 1 was named" in refusal(alm("compare", answered("a", 20)))


def test_an_unfinished_run_is_refused() -> None:
    run = answered("a", 20)
    (Path(run) / "summary.json").unlink()
    ran = alm("compare", run, run)
    assert (ran.status, ran.out) == (1, "")
    assert "holds no finished run" in ran.err
