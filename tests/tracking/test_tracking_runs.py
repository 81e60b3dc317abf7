"""Runs in an experiment tracker: what a local trackio shows is what the summary says."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, only_run, refusal

from alm_bench.records.store import read_summary
from alm_bench.tracking import list_trackers
from alm_bench.tracking.base import list_values


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data", clips=False)


def logged(trackio: Any, project: str, run: str) -> list[dict[str, Any]]:
    """The values of a run, as trackio itself reads them from its local folder."""
    lines: list[dict[str, Any]] = trackio.SQLiteStorage.get_logs(project, run)
    return lines


def test_a_run_is_logged_with_its_metrics(trackio: Any) -> None:
    ran = alm("run", "--model", "blind", "--tasks", "mmau", "--track", "trackio", "--json")
    assert ran.status == 0, ran.err
    folder = only_run(Path("results/runs"))
    assert ran.run["run"] == folder.name, "what the library prints is not among the results"
    (line,) = logged(trackio, "alm-bench", folder.name)
    assert line["accuracy"] == ran.run["metrics"]["accuracy"]["value"]
    hard = ran.run["groups"]["difficulty"]["hard"]["accuracy"]["value"]
    assert line["accuracy/difficulty=hard"] == hard
    assert (line["n"], line["status/ok"]) == (12, 12)
    assert any(name.startswith("margin/") for name in line)
    (config,) = [run.config for run in trackio.Api().runs("alm-bench") if run.name == folder.name]
    assert (config["task"], config["model"], config["fingerprint"]) == ("mmau", "blind[first]", ran.run["fingerprint"])


def test_only_numbers_that_exist_are_logged() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau")
    folder = only_run(Path("results/runs"))
    path = folder / "summary.json"
    content = json.loads(path.read_text())
    content["runs"][0]["metrics"]["accuracy"] |= {"value": None, "reason": "a test"}
    path.write_text(json.dumps(content))
    values = list_values(read_summary(folder)[0])
    assert "accuracy" not in values
    assert all(isinstance(value, int | float) for value in values.values())


def test_an_unknown_or_missing_tracker_is_refused_before_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(list_trackers()) == ["trackio"]
    asked = ("run", "--model", "blind", "--tasks", "mmau", "--track")
    assert "--track 'mlflow' is unknown; known: trackio" in refusal(alm(*asked, "mlflow"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "needs the package trackio: pip install 'alm-bench[trackio]'" in refusal(alm(*asked, "trackio"))
    assert not Path("results/runs").exists()
    monkeypatch.undo()
