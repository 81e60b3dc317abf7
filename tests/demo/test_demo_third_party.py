"""Demo data of a task of another package, and tasks that have none."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, refusal

from alm_bench.core import UsageError
from alm_bench.demo import create_demo_root
from alm_bench.plugins import TaskEntry, catalogue
from alm_bench.resolve import get_demo_root, resolve_data

DEMO = """
from alm_bench.demo import Demo, DemoData
from alm_bench.tasks.mmau.demo import build_mmau_items
import json

def build(items=6):
    data, made = DemoData(), build_mmau_items("acme", items)
    data.add("mmau/mmau-test-mini.json", json.dumps(made.rows), made)
    return data

DEMO = Demo("acme", "7", build)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package without files, as other people's tasks lie in."""
    folder = tmp_path / "site/acme_demo"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALM_BENCH_DATA", raising=False)
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_demo"]:
        del sys.modules[name]


def test_a_task_of_another_package_brings_its_demo_data(package: Path) -> None:
    (package / "demo.py").write_text(DEMO)
    entry = TaskEntry(catalogue().get_task("mmau").card, "acme_demo")
    root = resolve_data(entry, "test-mini", "auto", {})
    assert (root.kind, root.version()) == ("demo", "demo-1+7")
    samples = list(catalogue().get_task("mmau").create().samples(root, "test-mini"))
    assert len(samples) == 6
    assert all(clip.read is not None for sample in samples for clip in sample.audio)


def test_a_task_without_demo_data_says_so(package: Path) -> None:
    entry = TaskEntry(replace(catalogue().get_task("mmau").card, name="acme"), "acme_demo")
    with pytest.raises(UsageError, match="task acme has no demo data: name a folder with --data"):
        get_demo_root(entry)
    assert resolve_data(entry, "test-mini", "auto", {}).kind == "real"


def test_a_split_without_demo_data_names_the_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("run", "--model", "blind", "--tasks", "clotho_aqa", "--data", "demo", "--split", "val")
    assert "found no clotho_aqa/clotho_aqa_val.csv" in refusal(alm(*command))


def test_the_example_of_the_documentation_makes_demo_data(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/extending.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "DEMO = Demo(" in block]
    names: dict[str, Any] = {}
    exec(example, names)
    root = create_demo_root(names["DEMO"], tmp_path)
    rows = json.loads((root.path / "birds/test.json").read_text(encoding="utf-8"))
    assert len(rows) == 20
    assert all(root.get_scene(f"birds/{row['file']}").types >= {row["answer"]} for row in rows)
