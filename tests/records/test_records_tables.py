"""Tables of summaries: which runs share a table, how a figure is written."""

import csv
import io
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau

from alm_bench.records.leaderboard import as_csv, as_markdown, tables
from alm_bench.records.tables import best_blind, cell, markdown, overview


@pytest.fixture
def run(tmp_path: Path) -> Any:
    data = mmau(tmp_path, 6, clips=False)
    where = ("--data", data, "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", "blind", "--tasks", "mmau", *where).run


@pytest.mark.parametrize(
    "change", [{"data": "demo"}, {"revision": "r"}, {"split": "test"}, {"items": 7}, {"task": "other"}]
)
def test_what_is_not_comparable_is_in_another_table(run: Any, change: dict[str, Any]) -> None:
    assert len(tables([run, deepcopy(run)])) == 1
    found = tables([run, {**run, **change}])
    assert len({title for title, _ in found}) == 2
    assert [len(rows) for _, rows in found] == [5, 5], "the model and the four blind rows"


def test_a_table_does_not_depend_on_the_order_of_runs(run: Any) -> None:
    worse = {**deepcopy(run), "model": "worse", "fingerprint": "0"}
    worse["metrics"]["accuracy"]["value"] = 0.01
    nothing = {**deepcopy(run), "model": "nothing", "fingerprint": "1"}
    nothing["metrics"]["accuracy"] = {"value": None, "low": None, "high": None, "n": 0, "reason": "no items"}
    runs = [worse, nothing, run]
    ((_, rows),) = tables(runs)
    assert [row["model"] for row in rows[:3]] == ["blind[first]", "worse", "nothing"]
    assert as_markdown(runs) == as_markdown(runs[::-1])
    assert as_csv(runs) == as_csv(runs[::-1])


def test_the_csv_has_every_figure_of_the_summary(run: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([run]))))
    found = {(row["grouping"], row["key"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    expected = {("all", "all", name): metric for name, metric in run["metrics"].items()}
    for grouping, parts in [*run["groups"].items(), ("blind", run["blind"])]:
        for key, metrics in parts.items():
            expected |= {(grouping, key, name): metric for name, metric in metrics.items()}
    assert set(found) == set(expected)
    for place, metric in expected.items():
        assert [found[place][k] for k in ("value", "low", "high", "n")] == [
            "" if metric[k] is None else str(metric[k]) for k in ("value", "low", "high", "n")
        ]
        assert (found[place]["run"], found[place]["model"]) == (run["fingerprint"], "blind[first]")


@pytest.mark.parametrize(
    ("metric", "name", "text"),
    [
        ({"value": 0.645, "low": 0.6148, "high": 0.674, "n": 9}, "accuracy", "64.5 [61.5, 67.4]"),
        ({"value": 0.645, "low": 0.6148, "high": 0.674, "n": 9}, "official_accuracy", "64.50 [61.5, 67.4]"),
        ({"value": 0.645, "low": 0.6148, "high": 0.674, "n": 9}, "answered", "64.5"),
        ({"value": 0.25, "low": None, "high": None, "n": 9}, "accuracy", "25.0"),
        ({"value": 0.0, "low": 0.0, "high": 0.1, "n": 9}, "accuracy", "0.0 [0.0, 10.0]"),
        ({"value": None, "low": None, "high": None, "n": 0, "reason": "x"}, "accuracy", "not computed: x"),
        (None, "accuracy", "-"),
    ],
)
def test_how_a_figure_is_written(metric: Any, name: str, text: str) -> None:
    assert cell(metric, name) == text


def test_bars_in_a_cell_do_not_break_the_table() -> None:
    assert markdown(["a|b", "c"], [["x|y", "007"]]).splitlines()[2] == "| x\\|y  | 007 |"


def test_the_overview_names_the_best_blind_row_and_a_partial_run(run: Any) -> None:
    name, _, value = best_blind(run).rpartition(" ")
    values = [100 * metrics["accuracy"]["value"] for metrics in run["blind"].values()]
    assert float(value) == pytest.approx(max(values), abs=0.05)
    assert name in run["blind"]
    assert "mmau (demo) (partial)" in overview([{**run, "partial": True, "data": "demo"}])
    assert best_blind({**run, "blind": {}}) == "-"
