"""Leaderboards of collections: which runs are averaged, what is ranked, what is said of the rest."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_rows import INVENTED
from small_world import alm, mmau, model, questions

from alm_bench.plugins import catalogue
from alm_bench.reports.collections import find_collections
from alm_bench.reports.ranking import Section

BOARD = ("leaderboard", "--out", "runs")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data", 12)
    for name in ("mmsu", "mmau-pro"):
        INVENTED[name](tmp_path / "data", Path())
    return tmp_path


def run(tasks: str, *arguments: object) -> None:
    ran = alm("run", "--tasks", tasks, "--data", "data", "--out", "runs", "--json", *arguments)
    assert ran.status == 0, ran.err


def accuracies(label: str) -> dict[str, float]:
    runs = alm(*BOARD, "--json").json["runs"]
    return {one["task"]: one["metrics"]["accuracy"]["value"] for one in runs if one["model"] == label}


def collections() -> list[dict[str, Any]]:
    return list(alm(*BOARD, "--json").json["collections"])


def section(out: str) -> str:
    return out.split("## Collection reasoning")[1].split("\n## ")[0]


def test_a_collection_is_averaged_and_ranked_over_its_tasks() -> None:
    tasks = "mmau,mmsu,mmau-pro"
    run(tasks, "--model", "blind")
    run(tasks, "--model", "blind", "--model-arg", "strategy=longest")
    run("mmau,mmsu", "--model", "blind", "--model-arg", "strategy=random")
    (found,) = collections()
    assert (found["collection"], found["title"]) == ("reasoning", "Collection reasoning · 3 of 4 tasks")
    assert found["incomplete"] == {"blind[random]": ["mmau-pro"]}
    figures = {entry["model"]: entry for entry in found["models"]}
    for label in ("blind[first]", "blind[longest]"):
        own = accuracies(label)
        assert figures[label]["macro_mean"]["value"] == pytest.approx(sum(own.values()) / 3)
        assert figures[label]["macro_mean"]["low"] < figures[label]["macro_mean"]["value"]
        assert len(figures[label]["runs"]) == 3
    first, longest = accuracies("blind[first]"), accuracies("blind[longest]")
    ranks = [1 if first[task] > longest[task] else 1.5 if first[task] == longest[task] else 2 for task in first]
    assert figures["blind[first]"]["mean_rank"]["value"] == pytest.approx(sum(ranks) / 3)
    text = section(alm(*BOARD).out)
    assert "Without runs: mmar." in text
    assert "Not ranked, since runs are missing: blind[random] (mmau-pro)." in text
    assert "*first option*" in text
    import alm_bench as ab

    assert section(ab.leaderboard(out="runs").to_markdown()) == text


def test_demo_runs_other_option_orders_and_single_tasks_are_not_averaged() -> None:
    run("mmau", "--model", "blind")
    run("mmsu", "--model", "blind", "--options", "shuffled")
    ran = alm("run", "--tasks", "mmar", "--data", "demo", "--limit", "4", "--model", "blind", "--out", "runs")
    assert ran.status == 0
    assert collections() == []
    assert "## Collection" not in alm(*BOARD).out


def test_of_two_sets_of_runs_the_larger_counts_and_is_named() -> None:
    run("mmau,mmsu", "--model", "blind", "--limit", 6)
    run("mmau,mmsu", "--model", "blind")
    (found,) = collections()
    whole = [one for one in alm(*BOARD, "--json").json["runs"] if one["limit"] is None]
    assert sorted(found["models"][0]["runs"]) == sorted(one["run"] for one in whole)
    assert "part: 20 of 5,000 items" in section(alm(*BOARD).out)


def test_a_split_whose_answers_are_withheld_does_not_count(data: Path) -> None:
    """It has more items than the other split of the task, whose runs are averaged nevertheless."""
    rows = [{key: value for key, value in row.items() if key != "answer"} for row in questions(16)]
    (data / "data/mmau/mmau-test.json").write_text(json.dumps(rows))
    run("mmau,mmsu", "--model", "blind")
    run("mmau", "--model", "blind", "--split", "test")
    (found,) = collections()
    assert found["models"][0]["macro_mean"]["n"] == 12 + 20


def test_a_collection_without_a_common_scale_has_no_table() -> None:
    """The collection cld is ranked by SPICE or CIDEr."""
    member: Any = SimpleNamespace(summary=SimpleNamespace(task="cld-1"))
    odd = Section(["cld-1"], "cider", [], [member], [False], [])
    assert find_collections([odd, odd], catalogue().collections, lambda name: None) == []


def test_the_best_macro_mean_is_first(data: Path) -> None:
    """A model that is right everywhere, by the golds' rule of both files."""
    body = "    def answer(self, request):\n        number = int(request.id[-4:].strip('-_'))\n"
    body += "        return request.choices[number % len(request.choices)]\n"
    run("mmau,mmsu", "--model", "blind")
    run("mmau,mmsu", "--model", model(data / "right.py", body, audio="None"))
    (found,) = collections()
    assert [entry["model"] for entry in found["models"]] == ["Model", "blind[first]"]
    assert found["models"][0]["macro_mean"]["value"] == 1
    assert found["models"][0]["mean_rank"] == {**found["models"][0]["mean_rank"], "value": 1, "low": 1, "high": 1}
    first, second = [line for line in section(alm(*BOARD).out).splitlines() if line.startswith("| ")][1:3]
    assert "| best " in first
    assert "tie" not in second
