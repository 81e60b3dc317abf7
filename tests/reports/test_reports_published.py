"""The paper's tables: its own figures, and measured rows beside them."""

import csv
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, mmau

from alm_bench.plugins import catalogue
from alm_bench.reports.published import load_published_tables

FILES = {
    2: "table2_mmau",
    3: "table3_mmau_difficulty",
    4: "table4_entailment",
    5: "table5_cle_supervised",
    6: "table6_difference",
    7: "table7_captioning_aqa",
    14: "table14_ablations",
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", FILES)
def test_figures_are_the_papers(shared: Path, number: int) -> None:
    with (shared / f"published/{FILES[number]}.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    table = next(table for table in load_published_tables() if table.number == number)
    assert list(table.columns) == head
    assert [list(row) for row in table.rows] == rows


def test_every_column_that_is_measured_is_a_figure_of_a_task() -> None:
    for table in load_published_tables():
        assert set(table.measure) <= set(table.columns)
        assert all(len(row) == len(table.columns) for row in table.rows)
        for measure in table.measure.values():
            card = catalogue().get_task(measure["task"]).card
            assert measure["metric"] in card.metrics
            assert measure.get("grouping", "domain") in (*card.groups, "domain")


def test_the_tables_stand_without_any_run() -> None:
    ran = alm("leaderboard", "--with-published")
    assert ran.status == 0, ran.err
    assert [f"## Table {number}:" in ran.out for number in FILES] == [True] * 7
    assert "| Mellow " in ran.out
    assert Path("results/leaderboard.md").read_text() in ran.out
    assert "## Table" not in alm("leaderboard").out


def rows(out: str, number: int) -> dict[str, dict[str, str]]:
    section = out.split(f"## Table {number}:")[1].split("## Table")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    head, _, *body = lines
    name = head.index("model") if "model" in head else 0
    return {line[name]: dict(zip(head, line, strict=True)) for line in body}


def test_measured_rows_stand_beside_published_ones() -> None:
    cle(mmau(Path("data"), 24))
    run: Any = alm("run", "--model", "blind", "--tasks", "mmau,cle", "--json").json["runs"]
    out = alm("leaderboard", "--with-published").out
    measured = rows(out, 2)["**blind[first]**"]
    value = 100 * run[0]["metrics"]["accuracy"]["value"]
    assert measured["avg_test_mini"].startswith(f"**{value:.1f} [")
    assert measured["avg_test"] == "-", "its answers are withheld"
    sound = 100 * run[0]["groups"]["domain"]["sound"]["accuracy"]["value"]
    assert measured["sound_test_mini"].startswith(f"**{sound:.1f} [")
    assert rows(out, 3)["**blind[first]**"]["easy"] != "-"
    entailment = rows(out, 4)["**blind[first]**"]
    assert entailment["cle_f1"].startswith("**")
    assert entailment["ace_f1"] == "-"
    assert "**blind[first]**" not in rows(out, 6)
    assert "data revision unknown" in out
    assert "(published: not stated), parsed by mcq@4, prompt mmau/letters@1, greedy" in out


def test_runs_asked_in_another_way_have_rows_of_their_own() -> None:
    mmau(Path("data"), 24)
    for limit in ((), ("--limit", "3")):
        assert alm("run", "--model", "blind", "--tasks", "mmau", *limit).status == 0
    out = alm("leaderboard", "--with-published").out
    section = out.split("## Table 2:")[1].split("## Table")[0]
    assert section.count("| **blind[first]** ") == 2
    assert "the first 3 items only" in section


def test_another_split_stands_in_no_column() -> None:
    for measure in load_published_tables()[0].measure.values():
        assert measure["split"] == "test-mini"


def test_the_demo_world_stands_in_no_published_table() -> None:
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--limit", "20").status == 0
    out = alm("leaderboard", "--with-published").out
    assert "mmau (demo)" in out
    assert "**blind[first]**" not in rows(out, 2)


def test_leaderboards_of_benchmarks_stand_beside_measured_rows() -> None:
    demo = catalogue().get_task("mmar").load_demo().build(24)
    Path("data/mmar").mkdir(parents=True)
    Path("data/mmar/MMAR-meta.jsonl").write_text(demo.files["mmar/MMAR-meta.jsonl"])
    (run,) = alm("run", "--model", "blind", "--tasks", "mmar", "--json").json["runs"]
    out = alm("leaderboard", "--with-published").out
    section = out.split("## MMAR by modality")[1].split("\n## ")[0]
    value = 100 * run["groups"]["modality"]["music"]["official_accuracy"]["value"]
    measured = next(line for line in section.splitlines() if "**blind[first]**" in line)
    assert f"**{value:.2f} [" in measured
    assert "data revision part: 24 of 1,000 items" in section
    for title in ("MMSU, perception and reasoning", "MMAU-Pro, average", "AIR-Bench Foundation by task"):
        assert f"## {title}" in out
