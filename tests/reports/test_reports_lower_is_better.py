"""A metric of which less is better, as an installed package may bring one: shown, ranked and compared rightly."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_fields
from small_world import alm, mmau, only_run

from alm_bench.core import Parsed, Sample, Scored
from alm_bench.plugins import catalogue
from alm_bench.records.run import Run, read_run
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header
from alm_bench.records.summary import summarise_run
from alm_bench.reports import render
from alm_bench.reports.comparison import build_comparison_report, compare_runs, select_examples
from alm_bench.reports.leaderboard import build_leaderboard, render_leaderboard_csv
from alm_bench.reports.ranking import build_sections
from alm_bench.reports.run_report import build_run_report
from alm_bench.scoring import metrics
from alm_bench.scoring.grounding import ItemPair, compute_effects
from alm_bench.scoring.metrics import MetricSpec

NAME = "errors_per_item"
ITEMS = 30


class ErrorTask:
    """Questions of MMAU that are scored by a number of errors, 3 where there is no answer."""

    def __init__(self) -> None:
        inner: Any = catalogue().get_task("mmau").create()
        self._inner = inner
        self.card = replace(inner.card, metrics=(NAME, "answered"))
        self.parser = inner.parser

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> dict[str, float]:
        return {NAME: 3.0}

    def blind_scores(self, rows: list[Scored]) -> dict[str, list[float]]:
        return {"no errors expected": [2.0 for _ in rows], "many errors expected": [2.5 for _ in rows]}

    def score(self, rows: list[Scored]) -> Any:
        from alm_bench.scoring.intervals import compute_mean_interval
        from alm_bench.scoring.multiple_choice import compute_option_order_weights, list_clusters

        kept = [row for row in rows if NAME in row.scores]
        found = compute_mean_interval(
            [row.scores[NAME] for row in kept], list_clusters(kept), compute_option_order_weights(kept)
        )
        score = self._inner.score(rows)
        blind = {"no errors expected": {NAME: replace(found, value=2.0, low=None, high=None)}}
        return replace(score, metrics={NAME: found}, groups={}, blind=blind, tables={})

    def __getattr__(self, name: str) -> Any:
        if name in ("scores_of", "item_scores", "corpus"):  # abilities of tasks that are answered in sentences
            raise AttributeError(name)
        return getattr(self._inner, name)


@pytest.fixture(autouse=True)
def spec(monkeypatch: pytest.MonkeyPatch) -> None:
    known = MetricSpec(name=NAME, title="errors", scale="number", decimals=2, higher_is_better=False, rank=3)
    monkeypatch.setitem(metrics._load_registry().entries, NAME, known)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Three runs: about 1 error an item, hardly more, and 2.9."""
    data = mmau(tmp_path, ITEMS, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs").status == 0
    base = read_run(only_run(tmp_path / "runs"))
    return [made(base, name, errors) for name, errors in (("poor", 2.9), ("good", 1.0), ("close", 1.01))]


def made(base: Run, name: str, errors: float) -> Run:
    task: Any = ErrorTask()
    sign = {"poor": 0.5, "good": -1, "close": 1}[name]  # so that no two runs differ by the same at every item
    values = [errors + sign * (0.3 if number % 2 else -0.3) for number in range(ITEMS)]
    records: dict[str, Record] = {
        item: replace(record, scores={NAME: values[record.index]}) for item, record in base.records.items()
    }
    header = read_header(base.folder)
    header = replace_fields(header, identity=replace_fields(header.identity, label=name), fingerprint=name)
    folder = base.folder.parent / name
    return Run(folder, summarise_run(header, task, list(records.values()), name), records)


def task_of(name: str) -> Any:
    return ErrorTask()


def test_the_lowest_is_best_and_margins_follow(runs: list[Run]) -> None:
    (section,) = build_sections(runs, task_of)
    assert [run.summary.model for run in section.members] == ["good", "close", "poor"]
    rows = [{name: cell.text for name, cell in row.items()} for row in section.rows]
    assert rows[0]["against the best"] == "best"
    assert rows[1]["against the best"].startswith("tie (+")
    assert rows[2]["against the best"].startswith("+")
    assert section.ties == [False, True, False]
    for row in rows[:3]:
        assert "over no errors expected" in row["margin over text-only"], "2 is the best that text alone gives"
        assert "n.s." not in row["margin over text-only"]
    assert rows[0]["margin over text-only"].startswith("-")
    assert rows[2]["margin over text-only"].startswith("+0.")
    margins = {run.summary.model: run.summary.margin_over_text_only for run in runs}
    beaten = {model: margin is not None and margin.significant for model, margin in margins.items()}
    assert beaten == {"good": True, "close": True, "poor": False}


def test_its_heading_says_so_and_its_figures_are_no_percentages(runs: list[Run]) -> None:
    board = render(build_leaderboard(runs, task_of), "markdown")
    assert "| mmau errors (lower is better) " in board
    assert "| errors (lower is better) " in board
    assert re.search(r"\| good +\| \*\*1\.00 best\*\*", board)
    assert re.search(r"\| close +\| 1\.01 tie", board)
    assert re.search(r"\| poor +\| 2\.90 ", board)
    card = render(build_run_report(runs[1].summary, "terminal"), "terminal", 80)
    value = runs[1].summary.metrics[NAME].value
    assert f"errors (lower is better)  {value:.2f} [" in card
    assert "%" not in next(line for line in card.splitlines() if line.startswith("errors"))


def test_the_csv_has_the_best_first(runs: list[Run]) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(render_leaderboard_csv(runs))) if row["metric"] == NAME]
    assert list(dict.fromkeys(row["model"] for row in rows)) == ["good", "close", "poor"]


def test_fewer_errors_win(runs: list[Run]) -> None:
    poor, good, _ = runs
    task: Any = ErrorTask()
    overall = next(cell for cell in compare_runs([poor, good], task) if cell.grouping == "all")
    assert (overall.score, overall.difference.won, overall.difference.lost) == (NAME, ITEMS, 0)
    assert "errors (lower is better)" in render(build_comparison_report([poor, good], [overall]), "markdown")
    won = select_examples(poor, good, task, 2)
    assert (len(won["won"]), len(won["lost"])) == (2, 0)


def test_a_failed_item_is_worst_and_a_drop_is_more_errors(runs: list[Run]) -> None:
    _, good, _ = runs
    task: Any = ErrorTask()
    rows = [record.to_scored() for record in good.records.values()]
    noisy = [replace(row, scores={}) for row in rows]  # each call failed
    found = compute_effects(task, [ItemPair(row, [other]) for row, other in zip(rows, noisy, strict=True)])["all"][
        "all"
    ]
    assert found.noise.value == 3.0
    assert found.drop.value == pytest.approx(3.0 - float(found.clean.value or 0))
    assert found.verdict == "grounded"
