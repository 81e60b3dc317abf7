"""The bundled Mellow in a process of its own says what it says in this one: an outside truth for the whole path."""

import shlex
import sys
from pathlib import Path
from typing import Any

from small_world import alm, only_run, stored

WORKER = Path(__file__).resolve().parents[2] / "docs/examples/mellow_worker.py"


def answers(tmp_path: Path, *model: str) -> list[dict[str, Any]]:
    where = ("--tasks", "mmau", "--data", "demo", "--limit", 6, "--prompt", "native", "--out", tmp_path)
    ran = alm("run", *model, *where)
    assert ran.status == 0, ran.err
    keys = ("id", "prompt", "status", "text", "parsed", "scores", "preprocessing", "clip_sizes", "extra")
    return [{key: row.get(key) for key in keys} for row in stored(only_run(tmp_path))]


def test_the_bundled_model_answers_alike_through_a_worker(tmp_path: Path) -> None:
    command = shlex.join([sys.executable, str(WORKER)])
    options = ("--model-arg", f"command={command}", "--model-arg", "env=WORKER_THREADS=1")
    here = answers(tmp_path / "here", "--model", "mellow")
    there = answers(tmp_path / "there", "--model", "exec", *options)
    assert len(here) == 6
    assert len({row["text"] for row in here}) > 1
    assert all(row["clip_sizes"] for row in here)
    key = {row["id"]: row for row in here}
    assert {row["id"]: row for row in there} == key
