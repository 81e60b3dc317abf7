"""The notebook of the docs runs from its first cell to its last, also after its kernel was killed in the middle of a
run."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, model, stored

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/notebooks/quickstart.ipynb"

KILL = """
import os, signal
from alm_bench.records.store import RunStore

append = RunStore.append

def kill_once_stored(self, records):
    append(self, records)
    os.kill(os.getpid(), signal.SIGKILL)

RunStore.append = kill_once_stored
"""
"""A cell that has the kernel killed once the first batch of a run, 8 items, is on disk."""


def figures(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: summary[key] for key in ("task", "n", "metrics", "groups", "status", "baselines", "margins")}


def read_summary(folder: Path) -> dict[str, Any]:
    (run,) = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["runs"]
    return dict(run)


def test_the_quickstart_runs_after_its_kernel_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.chdir(tmp_path)
    here = {"metadata": {"path": str(tmp_path)}}

    def execute(notebook: Any) -> list[Any]:
        nbclient.NotebookClient(notebook, timeout=600, resources=here).execute()
        return [cell for cell in notebook.cells if cell.cell_type == "code"]

    killed = nbformat.read(NOTEBOOK, as_version=4)
    first = next(number for number, cell in enumerate(killed.cells) if "ab.evaluate" in cell.source)
    killed.cells = [nbformat.v4.new_code_cell(KILL), *killed.cells[: first + 1]]
    with pytest.raises(nbclient.exceptions.DeadKernelError):
        execute(killed)
    (folder,) = Path("results/runs").iterdir()
    before = stored(folder)
    assert len(before) == 8
    assert not (folder / "summary.json").exists()

    code = execute(nbformat.read(NOTEBOOK, as_version=4))
    assert "<table>" in code[1].outputs[-1]["data"]["text/html"]
    assert "index=1" in code[-1].outputs[-1]["data"]["text/plain"]
    assert stored(folder)[: len(before)] == before, "what is stored is not asked again"
    ours = {run["model"]: run for run in map(read_summary, folder.parent.iterdir())}
    second = model(tmp_path / "second.py", "    def answer(self, request):\n        return '(b)'\n")
    asked = ("--tasks", "mmau", "--data", "demo", "--limit", 12, "--json", "--out", "commands")
    for label, name in (("second_option", second), ("blind[first]", "blind")):
        assert figures(alm("run", "--model", name, *asked).run) == figures(ours[label])
