"""Tables of summaries: which runs share a table, how a figure is written."""

import csv
import io
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_fields
from small_world import alm, mmau, only_run, outputs, questions, replay

from alm_bench.core import Metric
from alm_bench.plugins import catalogue
from alm_bench.records.run import Run, read_run
from alm_bench.reports import render
from alm_bench.reports.figures import build_margin_cell, build_metric_cell
from alm_bench.reports.leaderboard import build_leaderboard, render_leaderboard_csv
from alm_bench.reports.ranking import build_sections
from alm_bench.reports.renderers.markdown import render_pipe_table
from alm_bench.reports.run_report import build_overview


def task_of(name: str) -> Any:
    return catalogue().get_task(name).create()


def tables(runs: list[Run], task_of: Any) -> list[tuple[str, list[dict[str, str]]]]:
    """Title and rows of each section, as text."""
    sections = build_sections(runs, task_of)
    return [(one.title, [{name: cell.text for name, cell in row.items()} for row in one.rows]) for one in sections]


def as_markdown(runs: list[Run], task_of: Any) -> str:
    return render(build_leaderboard(runs, task_of), "markdown")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    data = mmau(tmp_path, 6, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs").status == 0
    return read_run(only_run(tmp_path / "runs"))


def told(run: Run, **changes: Any) -> Run:
    return replace(run, summary=replace_fields(deepcopy(run.summary), **changes))


def replace_metric(run: Run, name: str, **changes: Any) -> None:
    run.summary.metrics[name] = replace(run.summary.metrics[name], **changes)


@pytest.mark.parametrize(
    "change",
    [
        *({"data": "demo"}, {"revision": "r"}, {"split": "test"}, {"items": 7}, {"task": "cle"}),
        *({"options": "circular"}, {"answer_by": "likelihood"}),
    ],
)
def test_what_is_not_comparable_is_in_another_table(run: Run, change: dict[str, Any]) -> None:
    mmau_task = task_of("mmau")
    assert len(tables([run, told(run)], lambda name: mmau_task)) == 1
    found = tables([run, told(run, **change)], lambda name: mmau_task)
    assert len({title for title, _ in found}) == 2
    assert [len(rows) for _, rows in found] == [5, 5], "the model and the four text-only baselines"


def test_a_table_does_not_depend_on_the_order_of_runs(run: Run) -> None:
    worse, nothing = told(run, model="worse", fingerprint="0"), told(run, model="nothing", fingerprint="1")
    replace_metric(worse, "accuracy", value=0.01)
    replace_metric(nothing, "accuracy", value=None, low=None, high=None, reason="no items")
    runs = [worse, nothing, run]
    ((_, rows),) = tables(runs, task_of)
    assert [row["model"] for row in rows[:3]] == ["blind[first]", "worse", "nothing"]
    assert as_markdown(runs, task_of) == as_markdown(runs[::-1], task_of)
    assert render_leaderboard_csv(runs) == render_leaderboard_csv(runs[::-1])


def test_ties_with_the_best_and_rows_that_do_not_beat_the_blind_ones_are_marked(tmp_path: Path) -> None:
    asked = questions(60)
    data = mmau(tmp_path / "data", rows=asked, clips=False)
    runs = []
    for name, right in (("best", 58), ("close", 57), ("poor", 12)):
        texts = {
            row["id"]: row["answer"] if i < right else next(c for c in row["choices"] if c != row["answer"])
            for i, row in enumerate(asked)
        }
        file = outputs(tmp_path / f"{name}.json", texts)
        ran = alm("run", *replay(file), "--tasks", "mmau", "--data", data, "--out", tmp_path / name)
        assert ran.status == 0, ran.err
        runs.append(read_run(only_run(tmp_path / name)))
    ((_, rows),) = tables(runs, task_of)
    best, close, poor = rows[:3]
    assert best["against the best"] == "best"
    assert close["against the best"] == "tie (-1.7 [-8.3, +0.0])"
    assert poor["against the best"].startswith("-76.7 [-8")
    assert best["margin over text-only"].startswith("+")
    assert "n.s." not in best["margin over text-only"]
    assert poor["margin over text-only"].startswith("-")
    assert "n.s." in poor["margin over text-only"]


def test_runs_of_a_task_that_is_gone_have_their_summaries(run: Run) -> None:
    ((_, rows),) = tables([run], lambda name: None)
    assert run.summary.margin_over_text_only is not None
    assert f"over {run.summary.margin_over_text_only.baseline}" in rows[0]["margin over text-only"]


def test_withheld_answers_have_no_best(run: Run) -> None:
    records = {
        name: replace(record, sample=replace(record.sample, target=None, gold=None), scores={})
        for name, record in run.records.items()
    }
    withheld = replace(told(run), records=records, scores=None)
    withheld.summary.metrics["accuracy"] = Metric.missing("withheld")
    ((_, rows),) = tables([withheld], task_of)
    assert rows[0]["against the best"] == "-"


def test_bounds_are_shown_where_they_differ_alone(run: Run) -> None:
    assert "chance-imputed" not in as_markdown([run], task_of)
    silent = told(run)
    replace_metric(silent, "answered", value=0.9)
    assert "chance-imputed" in as_markdown([silent], task_of)


def test_the_csv_has_every_figure_of_the_summary(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(render_leaderboard_csv([run]))))
    found = {(row["grouping"], row["key"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    expected = {("all", "all", name): metric for name, metric in run.summary.metrics.items()}
    for grouping, parts in [*run.summary.groups.items(), ("baseline", run.summary.baselines)]:
        for key, metrics in parts.items():
            expected |= {(grouping, key, name): metric for name, metric in metrics.items()}
    for grouping, keys in run.summary.margins.items():
        expected |= {(grouping, key, "margin"): entry.margin for key, entry in keys.items()}
    assert set(found) == set(expected)
    for place, metric in expected.items():
        assert [found[place][k] for k in ("value", "low", "high", "n")] == [
            "" if getattr(metric, k) is None else str(getattr(metric, k)) for k in ("value", "low", "high", "n")
        ]
        assert (found[place]["run"], found[place]["model"]) == (run.summary.fingerprint, "blind[first]")


@pytest.mark.parametrize(
    ("metric", "name", "text"),
    [
        (Metric(0.645, 0.6148, 0.674, 9), "accuracy", "64.5 [61.5, 67.4]"),
        (Metric(0.645, 0.6148, 0.674, 9), "official_accuracy", "64.50 [61.5, 67.4]"),
        (Metric(0.645, 0.6148, 0.674, 9), "answered", "64.5"),
        (Metric(0.25, n=9), "accuracy", "25.0"),
        (Metric(0.0, 0.0, 0.1, 9), "accuracy", "0.0 [0.0, 10.0]"),
        (Metric.missing("x"), "accuracy", "n/a: x"),
        (None, "accuracy", "-"),
    ],
)
def test_how_a_figure_is_written(metric: Any, name: str, text: str) -> None:
    assert build_metric_cell(metric, name).text == text


def test_bars_in_a_cell_do_not_break_the_table() -> None:
    assert render_pipe_table(["a|b", "c"], [["x|y", "007"]]).splitlines()[2] == "| x\\|y   | 007 |"


def test_the_overview_names_the_best_blind_row_and_a_partial_run(run: Run) -> None:
    blind = {name: metrics["accuracy"].value or 0.0 for name, metrics in run.summary.baselines.items()}
    entry = run.summary.margin_over_text_only
    assert entry is not None
    assert entry.baseline_value == pytest.approx(max(blind.values()))
    assert blind[entry.baseline] == max(blind.values())
    assert f"over {entry.baseline}" in render([build_overview([run.summary])], "markdown")
    assert "mmau (demo) (partial)" in render(
        [build_overview([told(run, partial=True, data="demo").summary])], "markdown"
    )
    assert build_margin_cell(None).text == "-"
