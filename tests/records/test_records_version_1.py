"""Runs that 0.1.0 wrote are read, scored, compared and ranked with the figures that it printed."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, stored

HERE = Path(__file__).parent / "version_1"
RUNS = Path("runs")
TEXT, LISTENER, CIRCULAR, CLE, MIXED = (
    next((HERE / "runs").glob(pattern)).name
    for pattern in ("mmau-replay-text*", "mmau-Listener*", "mmau-blind*", "cle-blind*", "cle-replay*")
)
ALL = (TEXT, LISTENER, CIRCULAR, CLE, MIXED)

NAMES = {
    "chance_filled": "accuracy_imputed",
    "beyond_text": "accuracy_not_text_solvable",
    "all_right": "circular_accuracy",
    "by_text_sum": "text_ll",
    "by_text_mean": "text_ll_per_token",
    "by_letter_sum": "letter_ll",
    "by_letter_mean": "letter_ll_per_token",
}
PARTS = ("value", "low", "high", "n")


@pytest.fixture(autouse=True)
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(HERE / "runs", RUNS)


def content() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in RUNS.rglob("*.json*")}


def printed(run: str) -> dict[str, Any]:
    """What the old program printed of a run."""
    (entry,) = json.loads((HERE / "runs" / run / "summary.json").read_text())["runs"]
    return dict(entry)


def metrics_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Figures by today's names; a reason is there in any case today."""
    return {NAMES.get(name, name): {"reason": None, **metric} for name, metric in metrics.items()}


def check_figures(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Every figure of a run, and what it is made from."""
    assert new["metrics"] == metrics_of(old["metrics"])
    assert new["baselines"] == {row: metrics_of(metrics) for row, metrics in old["blind"].items()}
    assert new["groups"] == {
        grouping: {key: metrics_of(metrics) for key, metrics in keys.items()}
        for grouping, keys in old["groups"].items()
    }
    assert new["margins"] == {
        grouping: {
            key: {
                "baseline": lead["row"],
                "baseline_value": lead[lead.get("score", "accuracy")],
                "metric": lead.get("score", "accuracy"),
                "margin": {"reason": None, **lead["lead"]},
                "significant": lead["beaten"],
            }
            for key, lead in keys.items()
        }
        for grouping, keys in old["over_blind"].items()
    }
    same = ("task", "model", "data", "revision", "split", "n", "skipped", "status", "main", "partial", "run")
    more = ("fingerprint", "condition", "options", "questions", "answer_by", "solver", "items", "limit", "fit", "usage")
    assert {name: new[name] for name in (*same, *more)} == {name: old[name] for name in (*same, *more)}
    assert (new["reasons"], new["preprocessing"]) == (old["reasons"], old["touched"])
    assert {key: value for key, value in new["prompt"].items() if key not in ("name", "format")} == old["prompt"]
    for table in ("positions", "no_option", "confusion"):
        theirs = old["tables"].get({"no_option": "unpicked"}.get(table, table))
        assert (table in new["tables"]) == (theirs is not None)
    if "positions" in old["tables"]:
        rows = [row["references"] for row in new["tables"]["positions"]["positions"]]
        assert rows == [row["golds"] for row in old["tables"]["positions"]["positions"]]


def test_they_are_ranked_without_being_rewritten() -> None:
    before = content()
    ran = alm("leaderboard", "--out", RUNS, "--to", "board", "--json")
    assert (ran.status, ran.json["left_out"]) == (0, [])
    assert {run["run"] for run in ran.json["runs"]} == set(ALL)
    for run in ran.json["runs"]:
        check_figures(printed(run["run"]), run)
    assert content() == before
    assert ranked(Path("board/leaderboard.md")) == ranked(HERE / "leaderboard.md")


def ranked(board: Path) -> list[tuple[str, ...]]:
    """Model, items, answered, accuracy and difference from the best, of each row of each table of runs, in order."""
    found = []
    for section in board.read_text().split("\n## ")[1:]:
        table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line]
        wanted = [table[0].index(name) for name in ("model", "n", "answered", "accuracy", "against the best")]
        found += [tuple(row[index] for index in wanted) for row in table[2:]]
    return found


def test_the_csv_has_their_figures() -> None:
    assert alm("leaderboard", "--out", RUNS, "--to", "board").status == 0
    with Path("board/leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for run in ALL:
        old = printed(run)
        found = {
            row["metric"]: [row[part] for part in PARTS]
            for row in rows
            if (row["run"], row["grouping"]) == (old["fingerprint"], "all") and row["metric"] != "margin"
        }
        expected = metrics_of(old["metrics"])
        assert found == {
            name: ["" if metric[part] is None else str(metric[part]) for part in PARTS]
            for name, metric in expected.items()
        }


def test_they_are_listed_and_shown() -> None:
    listed = alm("ls", "runs", "--out", RUNS, "--json")
    assert {row["run"]: row["items"] for row in listed.json["runs"]} == {run: printed(run)["items"] for run in ALL}
    shown = alm("show", LISTENER, "--out", RUNS, "--json").json["items"]
    for new, old in zip(shown, stored(HERE / "runs" / LISTENER), strict=True):
        assert (new["clip_sizes"], new["preprocessing"]) == (old["heard"], old["touched"])
        assert {one["name"]: one["option"] for one in new["baselines"]} == old["blind"]
        assert new["scores"] == {NAMES.get(name, name): value for name, value in old["scores"].items()}
    assert [item["id"] for item in shown if item["unusable_clip"]] == ["item-005"]


def test_they_are_scored_to_equal_figures_and_written_in_todays_schema() -> None:
    ran = alm("score", *ALL, "--out", RUNS, "--json")
    assert ran.status == 0, ran.err
    assert [run["run"] for run in ran.json["runs"]] == list(ALL)
    for run in ran.json["runs"]:
        check_figures(printed(run["run"]), run)
    for run in ALL:
        for name in ("run.json", "summary.json", "item_scores.json"):
            assert json.loads((RUNS / run / name).read_text())["schema_version"] == 2
        assert all("baselines" in line and "blind" not in line for line in stored(RUNS / run))
    before = content()
    assert alm("score", *ALL, "--out", RUNS, "--json").json == ran.json
    assert content() == before


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize(("name", "runs"), [("compare-mmau", (TEXT, LISTENER)), ("compare-cle", (CLE, MIXED))])
def test_they_are_compared_to_equal_figures(name: str, runs: tuple[str, str], scored: bool) -> None:
    """Also with one another after one of them was scored again."""
    expected = json.loads((HERE / f"{name}.json").read_text())
    if scored:
        assert alm("score", runs[1], "--out", RUNS).status == 0
    found = alm("compare", *runs, "--different", "--out", RUNS, "--json").json
    for cell in expected["cells"]:
        cell["score"] = NAMES.get(cell["score"], cell["score"])
    assert by_name(found) == by_name(expected)


def by_name(comparison: dict[str, Any]) -> list[Any]:
    """The cells by metric and group: scores, difference, items gained and lost, p-value of the test. Intervals and
    adjusted p-values follow today's rules."""
    cells = sorted(comparison["cells"], key=lambda cell: (cell["score"], cell["grouping"], cell["key"]))
    names = ("first", "second", "won", "lost", "p")
    return [
        (
            *(cell[name] for name in ("second", "score", "grouping", "key")),
            *(pytest.approx(cell["difference"][name], abs=0.02 if name == "p" else 1e-12) for name in names),
            pytest.approx(cell["difference"]["difference"]["value"]),
        )
        for cell in cells
    ]


def test_a_run_is_resumed_and_its_answers_are_kept(tmp_path: Path) -> None:
    """A line without an answer is tried again, whatever the version that wrote it."""
    from alm_bench.records.store import RunStore, read_header

    with RunStore(RUNS / LISTENER, read_header(RUNS / LISTENER)) as store:
        kept = [record.sample.id for record in store.kept]
    assert kept == ["item-000", "item-002", "item-003", "item-004", "item-006"], "one call failed, one clip was missing"
    assert len(stored(RUNS / LISTENER)) == 5


@pytest.mark.parametrize("harm", ["metrics", "blind", "main", "over_blind"])
def test_a_damaged_one_is_one_line(harm: str) -> None:
    path = RUNS / MIXED / "summary.json"
    value = json.loads(path.read_text())
    for wrong in ({harm: 3}, {}):
        run = {key: part for key, part in value["runs"][0].items() if key != harm}
        path.write_text(json.dumps({**value, "runs": [{**run, **wrong}]}))
        ran: Ran = alm("leaderboard", MIXED, "--out", RUNS)
        assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
        assert "summary.json: not a whole file of this program: " in ran.err
