"""Progress where standard error is no terminal: plain lines, by a clock that the test moves."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from small_world import alm, mmau, outputs, replay

from alm_bench.cli import progress
from alm_bench.cli.progress import CountProgress, DownloadProgress, Progress, TrainingProgress, format_duration


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def records(count: int, status: str = "ok") -> Any:
    return [SimpleNamespace(status=status) for _ in range(count)]


def test_a_run_prints_a_line_every_thirty_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Progress("mmau", 1_000, clock) as shown:
        for _ in range(40):
            clock.now += 1
            shown.update(records(3))
        for _ in range(19):
            clock.now += 1
            shown.update([])
        assert capsys.readouterr().err == "mmau: 90 of 1,000 items, 3.0 items/s, about 5 min left, 90 ok\n"
        clock.now += 1
        shown.update(records(1, "error"))
        assert capsys.readouterr().err == "mmau: 121 of 1,000 items, 2.0 items/s, about 7 min left, 120 ok 1 error\n"
        clock.now += 29.9
        shown.update(records(879))
    assert capsys.readouterr() == ("", "")


def test_training_prints_preparation_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TrainingProgress("small", clock) as shown:
        shown.show_preparation("clips", 1, 500)
        clock.now += 40
        shown.show_preparation("clips", 201, 500)
        shown.show_message("2 clips of rows.json are missing, their rows are left out")
        entry = {"name": "align", "total": 9_000, "loss": 1.23456, "samples_per_second": 24.0}
        shown.show_step({**entry, "step": 0})
        clock.now += 30
        shown.show_step({**entry, "step": 60, "validation_loss": 2.5})
    assert capsys.readouterr().err.splitlines() == [
        "small · clips: 201 of 500 clips, 5.0 clips/s, about 60 s left",
        "2 clips of rows.json are missing, their rows are left out",
        "small · align: 61 of 9,000 steps, 2.0 steps/s, about 74 min left, "
        "loss 1.2346 · 24.0 samples/s · validation 2.5000",
    ]


def test_files_that_are_fetched_are_counted_in_megabytes(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with DownloadProgress(clock) as shown:
        shown.show_file("a.7z", 500_000_000, 2_000_000_000)  # resumed: what was there does not count for the rate
        clock.now += 30
        shown.show_file("a.7z", 650_000_000, 2_000_000_000)
        clock.now += 1
        shown.show_file("b\x1b[2J.json", 1, None)
        clock.now += 30
        shown.show_file("b\x1b[2J.json", 30_000_001, None)
    assert capsys.readouterr().err.splitlines() == [
        "a.7z: 650.0 of 2,000.0 MB, 5.0 MB/s, about 4 min left",
        "b\\x1b[2J.json: 30.0 MB, 1.0 MB/s",
    ]


def test_what_was_counted_before_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with CountProgress("SPICE", clock) as shown:
        shown.update(40, 40)
        shown.update(0, 40)
        clock.now += 31
        shown.update(10, 40)
    assert capsys.readouterr().err == "SPICE: 10 of 40 items, 0.3 items/s, about 2 min left\n"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5_399, "90 min"), (9_000, "2.5 h")]
)
def test_durations(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_a_terminal_gets_bars_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    with Progress("mmau", 12) as shown:
        shown.update(records(12))
    assert "12/12" in terminal.getvalue()
    assert "12 ok" in terminal.getvalue()
    assert "12 of 12 items" not in terminal.getvalue()


def test_the_command_prints_lines_beside_its_json(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mmau(tmp_path / "data", 5, clips=False)
    texts = outputs(tmp_path / "texts.json", {f"item-{i:03}": "Dog" for i in range(5)})
    command = ("run", *replay(texts), "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
    silent = alm(*command)
    assert " items" not in silent.err
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    spoken = alm(*command, "--fresh")
    assert "mmau: 5 of 5 items" in spoken.err
    assert spoken.run["task"] == "mmau"
