"""Commands that load a model close it, whether they end well or with an error."""

from pathlib import Path

import pytest
from small_world import Ran, alm, mmau, model, tone


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tone(tmp_path / "clip.wav", 300)
    return mmau(tmp_path / "data")


def counting(folder: Path, answer: str = "return 'a) Dog'") -> str:
    """Return the path of a model that appends a line to the file `closed` when it is closed."""
    body = (
        f"    def answer(self, request):\n        {answer}\n\n"
        f"    def close(self):\n        open({str(folder / 'closed')!r}, 'a').write('closed\\n')\n"
    )
    return model(folder / "counting.py", body, name="Counting")


def count_closes(folder: Path) -> int:
    """Return how often models were closed since the last call."""
    path = folder / "closed"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return len(lines)


def ask(folder: Path, name: str) -> Ran:
    return alm("ask", "What is heard?", "--model", name, "--audio", folder / "clip.wav")


def ablate(folder: Path, name: str, *arguments: object) -> Ran:
    where = ("--tasks", "mmau", "--data", folder / "data", "--out", folder / "runs", "--limit", 2)
    return alm("noise-ablation", "--model", name, "--conditions", "silence", *where, *arguments)


def test_a_command_that_ends_well_closes_its_model_once(data: Path, tmp_path: Path) -> None:
    name = counting(tmp_path)
    for ran in (
        ask(tmp_path, name),
        alm("check", name),
        ablate(tmp_path, name, "--dry-run"),
        ablate(tmp_path, name),
    ):
        assert ran.status == 0, ran.err
    assert count_closes(tmp_path) == 4


def test_a_command_that_fails_closes_its_model(data: Path, tmp_path: Path) -> None:
    name = counting(tmp_path, "raise RuntimeError('broken')")
    assert ask(tmp_path, name).status != 0
    assert count_closes(tmp_path) == 1
    missing = alm("ask", "What is heard?", "--model", name, "--audio", tmp_path / "none.wav")
    assert missing.status == 2, missing.err
    assert count_closes(tmp_path) == 1
    assert ablate(tmp_path, name).status == 1
    assert count_closes(tmp_path) == 1
    unpriced = ablate(tmp_path, name, "--max-cost", 1)
    assert "what a call of Counting costs is not known" in unpriced.err
    assert count_closes(tmp_path) == 1


def test_ctrl_c_closes_the_model(data: Path, tmp_path: Path) -> None:
    name = counting(tmp_path, "raise KeyboardInterrupt")
    assert ablate(tmp_path, name).status == 130
    assert count_closes(tmp_path) == 1
