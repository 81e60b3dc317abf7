"""Tasks of another package on the bases: a card and a few lines."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_world import alm, outputs, refusal, replay, tone

from alm_bench.core.types import Parsed, Sample
from alm_bench.plugins import catalogue
from alm_bench.task_bases import OpenTask

HOME = Path(__file__).resolve().parents[2]
PLUGIN = '''"""Which bird sings."""
from alm_bench.task_bases import ChoiceTask

class Birds(ChoiceTask):
    def samples(self, data, split):
        def sample(row):
            clip = f"birds/{row['file']}"
            return self.build_choice_sample(row["n"], row["question"], row["options"], row["answer"], clip, data)
        return self.read_samples(data, split, ("n", "file", "question", "options", "answer"), sample)

create = Birds.create
'''
CARD = """
[card]
family = "birds"
version = 1
kind = "multiple_choice"
paper = "none"
licence = "none"
[tasks.birds]
title = "Birds"
summary = "which bird sings"
source = "here"
splits = ["test"]
metrics = ["accuracy", "answered"]
groups = []
audio = ["birds/<file>"]
max_new_tokens = 16
[[tasks.birds.files]]
role = "questions"
split = "test"
names = ["birds/questions.csv"]
source = "here"
"""
ROWS = "n,file,question,options,answer\n1,a.wav,Which bird?,wren|robin|owl,owl\n2,b.wav,Which bird?,wren|robin,{}\n"


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with the task, and its data."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "site/acme_birds"
    package.mkdir(parents=True)
    monkeypatch.syspath_prepend(package.parent)
    info = tmp_path / "site/acme_birds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-birds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alm_bench.tasks]\nbirds = acme_birds\n")
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN)
    (package / "task.toml").write_text(CARD)
    shutil.copy(HOME / "tasks/_shared/prompts.toml", package / "prompts.toml")
    for name in ("a", "b"):
        tone(tmp_path / f"data/birds/{name}.wav", 300)
    Path("data/birds/questions.csv").write_text(ROWS.format("wren"))
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_birds")]:
        del sys.modules[name]


def test_a_csv_task_is_a_card_and_a_few_lines() -> None:
    assert len(PLUGIN.splitlines()) <= 15
    file = outputs(Path("said.json"), {"1": "(C) owl", "2": "the robin"})
    ran = alm("run", *replay(file), "--tasks", "birds", "--data", "data", "--json")
    assert ran.status == 0, ran.err
    assert (ran.run["n"], ran.run["metrics"]["accuracy"]["value"]) == (2, 0.5)
    assert "uniform guess (expected)" in ran.run["baselines"]


def test_a_bad_row_is_named() -> None:
    Path("data/birds/questions.csv").write_text(ROWS.format("eagle"))
    line = refusal(alm("run", "--model", "blind", "--tasks", "birds", "--data", "data"))
    assert "questions.csv, row 2: the answer 'eagle' is none of the choices ('wren', 'robin')" in line
    Path("data/birds/questions.csv").write_text(ROWS.replace("options", "choices"))
    assert "no column 'options'" in refusal(alm("run", "--model", "blind", "--tasks", "birds", "--data", "data"))


@pytest.mark.parametrize(
    ("text", "right", "exact", "f1"),
    [("Owl.", 1, 1, 1), (" an owl", 1, 1, 1), ("It is not an owl.", 0, 0, 0.4), ("Owls hoot.", 1, 0, 0), ("", 0, 0, 0)],
)
def test_open_answers_contain_a_reference(text: str, right: float, exact: float, f1: float) -> None:
    task = OpenTask(catalogue().get_task("birds").card)
    parsed: Parsed = task.parse(sample := Sample("1", {}, target=["owl", "barn owl"], gold="owl"), text)
    assert task.grade(sample, text, parsed) == {"accuracy": right, "exact": exact, "token_f1": f1}
