"""Upstream revisions of annotations are known by name; another benchmark in their place is unknown and ranked apart."""

import json
from pathlib import Path

import pytest
from small_world import alm, mmau, outputs, questions, replay

from alm_bench.core import TaskCard
from alm_bench.plugins import catalogue


def revisions(card: TaskCard) -> dict[str, str]:
    return {sha: name for file in card.files for sha, name in file.revisions.items()}


@pytest.mark.needs_shared
def test_every_revision_of_the_upstream_histories_has_a_name_of_its_own(shared: Path) -> None:
    upstream = json.loads((shared / "data/mmau/revisions.json").read_text(encoding="utf-8"))
    assert [len(found["revisions"]) for found in upstream.values()] == [20, 1, 1]
    for name, found in upstream.items():
        known = revisions(catalogue().get_task("mmau" if name.startswith("mmau") else "audiocaps").card)
        assert found["revisions"].keys() <= known.keys()
        names = [known[sha] for sha in found["revisions"]]
        assert len(set(names)) == len(names)
        if name.startswith("mmau"):
            assert all(known[sha].startswith(one["date"]) for sha, one in found["revisions"].items())


def test_another_benchmark_under_the_same_name_is_ranked_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, first in (("ours", "What is heard"), ("theirs", "Which sound comes last")):
        rows = questions(40)
        for row in rows:
            row["question"] = row["question"].replace("What is heard", first)
        mmau(Path(name), rows=rows, clips=False)
        file = outputs(Path(f"{name}.json"), {row["id"]: row["answer"] for row in rows})
        ran = alm("run", *replay(file), "--label", name, "--tasks", "mmau", "--data", name, "--json")
        assert ran.status == 0, ran.err
        assert ran.run["revision"].startswith("unknown (")
    board = alm("leaderboard").out
    sections = [part for part in board.split("\n## ")[1:] if "revision unknown (" in part]
    assert len(sections) == 2
    assert all(("ours" in section) != ("theirs" in section) for section in sections)
