"""Questions of a revision that the task's card does not list: a notice at the run, and a table of their own."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from small_world import alm, mmau, questions

from alm_bench.core import Task
from alm_bench.core.files import compute_sha256
from alm_bench.runner import items

NOTICE = "is none of the"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Data folders of a known revision and of an unknown one."""
    known = mmau(tmp_path / "known", clips=False)
    unknown = mmau(tmp_path / "unknown", rows=questions(13)[1:], clips=False)
    digest = compute_sha256(known / "mmau/mmau-test-mini.json")

    def list_known_revisions(task: Task) -> Mapping[str, str]:
        return {digest: "2030-01-01"}

    monkeypatch.setattr(items, "list_known_revisions", list_known_revisions)
    return known, unknown


def test_an_unknown_revision_is_named_at_the_run_and_ranked_by_itself(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    known, unknown = folders
    common = ("--model", "blind", "--tasks", "mmau", "--out", tmp_path / "runs")
    first = alm("run", *common, "--data", known)
    assert NOTICE not in first.err
    second = alm("run", *common, "--data", unknown)
    (line,) = [line for line in second.err.splitlines() if NOTICE in line]
    assert f"{unknown / 'mmau/mmau-test-mini.json'} is none of the 1 known revisions of mmau" in line
    dry = alm("run", *common, "--data", unknown, "--fresh", "--dry-run")
    assert dry.err.count(NOTICE) == 1
    board = alm("leaderboard", "--out", tmp_path / "runs", "--to", tmp_path / "board")
    assert board.status == 0, board.err
    titles = [line for line in (tmp_path / "board/leaderboard.md").read_text().splitlines() if line.startswith("## ")]
    assert len(titles) == 2
    assert sum("revision 2030-01-01" in line for line in titles) == 1
    assert sum("revision unknown (" in line for line in titles) == 1
    assert NOTICE not in alm("run", *common, "--data", "demo", "--limit", 2).err


def test_conditions_of_a_task_share_one_notice(folders: tuple[Path, Path], tmp_path: Path) -> None:
    where = ("--tasks", "mmau", "--data", folders[1], "--out", tmp_path / "runs", "--limit", 2)
    ran = alm("noise-ablation", "--model", "blind", "--conditions", "swap,silence", *where, "--dry-run")
    assert ran.err.count(NOTICE) == 1, ran.err
