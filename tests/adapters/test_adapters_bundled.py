"""The bundled weights: what listening scores on demo scenes that no training saw, and what is left without it."""

from pathlib import Path
from typing import Any

import pytest
from small_world import alm


def scores(folder: Path, *arguments: str) -> dict[str, Any]:
    ran = alm("run", *arguments, "--data", "demo", "--out", str(folder), "--json")
    assert ran.status == 0, ran.err
    return {run["task"]: run for run in ran.json["runs"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def listened(runs: Path) -> dict[str, Any]:
    return scores(runs, "--model", "mellow", "--tasks", "mmau,cle", "--limit", "160")


def test_it_listens(listened: dict[str, Any]) -> None:
    assert listened["mmau"]["metrics"]["accuracy"]["value"] >= 0.85
    assert listened["cle"]["metrics"]["accuracy"]["value"] >= 0.85
    skills = {name: block["accuracy"]["value"] for name, block in listened["mmau"]["groups"]["skill"].items()}
    assert len(skills) == 8
    assert min(skills.values()) >= 0.6, skills


def test_it_answers_in_the_forms_that_were_asked_for(listened: dict[str, Any]) -> None:
    for run in listened.values():
        assert run["status"]["ok"] >= 0.98 * run["n"]


def test_noise_takes_it_away(listened: dict[str, Any], runs: Path) -> None:
    asked = ("--model", "mellow", "--tasks", "mmau", "--limit", "160", "--data", "demo", "--out", str(runs))
    ran = alm("noise-ablation", *asked, "--conditions", "gaussian", "--json")
    assert ran.status == 0, ran.err
    (noise,) = ran.json["runs"]
    assert noise["clean"]["value"] == listened["mmau"]["metrics"]["accuracy"]["value"]
    assert noise["drop"]["value"] >= 0.3
    assert noise["verdict"] == "grounded"


@pytest.mark.slow
def test_what_was_trained_on_silence_is_at_chance(tmp_path: Path) -> None:
    named = ("--model", "mellow", "--model-arg", "checkpoint=mini-text-only", "--tasks", "mmau,cle")
    deaf = scores(tmp_path, *named, "--batch-size", "32")
    for run in deaf.values():
        accuracy = run["metrics"]["accuracy"]
        blind = [row["accuracy"]["value"] for row in run["baselines"].values() if row["accuracy"]["value"] is not None]
        assert accuracy["low"] <= max(blind) <= accuracy["high"], (accuracy, blind)
