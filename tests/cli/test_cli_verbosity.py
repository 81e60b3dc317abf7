"""`--quiet`, `--verbose` and `--log-file`: what goes to standard error and to the file, while results stay on standard
output."""

import re
from pathlib import Path

import pytest
from small_world import alm, mmau, model, refusal

from alm_bench.cli import progress

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (detail|notice|progress|error): (.+)")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data", 4, clips=False)


RUN = ("run", "--model", "blind", "--tasks", "mmau")


def logged(path: str = "log.txt") -> list[tuple[str, str]]:
    """Levels and texts of a log file's lines."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [(match[1], match[2]) for match in found if match]


def test_a_quiet_command_prints_results_and_errors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    plain, quiet = alm(*RUN, "--fresh"), alm("--quiet", *RUN, "--fresh")
    assert " items" in plain.err
    assert (quiet.status, quiet.out, quiet.err) == (0, plain.out, "")
    assert alm(*RUN, "--fresh", "--quiet").err == "", "after the command's name, too"
    assert " items" in alm(*RUN, "--fresh").err, "the next command in one process is not quiet"
    assert refusal(alm("--quiet", "run", "--model", "blind", "--tasks", "mmua")).startswith("alm-bench: unknown task")


def test_a_quiet_run_says_that_items_failed(tmp_path: Path) -> None:
    name = model(
        tmp_path / "broken.py", "    def answer(self, request):\n        raise RuntimeError('no layer')\n", audio="None"
    )
    ran = alm("--quiet", "run", "--model", name, "--tasks", "mmau")
    assert ran.status == 1
    assert ran.err.startswith("alm-bench: items failed: 4 of 4 on mmau")


def test_a_quiet_command_drops_what_the_code_of_a_model_prints(tmp_path: Path) -> None:
    name = model(
        tmp_path / "chatty.py",
        "    def answer(self, request):\n        print('chatter')\n        return '(a)'\n",
        audio="None",
    )
    assert "chatter" in alm("run", "--model", name, "--tasks", "mmau", "--fresh").err
    assert alm("--quiet", "run", "--model", name, "--tasks", "mmau", "--fresh").err == ""


def test_a_verbose_command_prints_details() -> None:
    plain, verbose = alm(*RUN, "--fresh"), alm("--verbose", *RUN, "--fresh")
    assert verbose.out == plain.out
    for detail in (
        "mmau: split test-mini, real data in data, prompt set mmau/letters",
        "blind[first]: loaded in ",
        "run folder results/runs/mmau-blind",
    ):
        assert detail in verbose.err
        assert detail not in plain.err
    traced = alm("--verbose", "run", "--model", "blind", "--tasks", "mmua")
    assert "Traceback (most recent call last):" in traced.err
    assert traced.err.splitlines()[-1].startswith("alm-bench: unknown task 'mmua'")


def test_quiet_and_verbose_exclude_each_other() -> None:
    assert "--quiet and --verbose" in refusal(alm("--quiet", "ls", "--verbose"))


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_log_file_gets_everything_but_results(quiet: tuple[str, ...]) -> None:
    ran = alm(*RUN, "--log-file", "logs/log.txt", *quiet)
    assert ran.status == 0
    lines = logged("logs/log.txt")
    assert ("progress", "mmau: 4 of 4 items, 4 ok") in [
        (level, re.sub(r" [\d,.]+ items/s,", "", text)) for level, text in lines
    ]
    assert "detail" in {level for level, _ in lines}
    assert not any(line in Path("logs/log.txt").read_text() for line in ran.out.splitlines() if line.startswith("|"))
    failed = alm("run", "--model", "blnd", "--tasks", "mmau", "--log-file", "logs/log.txt", *quiet)
    assert logged("logs/log.txt")[: len(lines)] == lines, "lines are appended"
    assert logged("logs/log.txt")[-1] == ("error", failed.err.rstrip("\n"))


def test_a_terminal_shows_bars_while_the_log_file_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace
    from typing import Any

    from alm_bench.core.verbosity import VERBOSITY, restore_verbosity

    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    records: Any = [SimpleNamespace(status="ok")] * 3
    with restore_verbosity():
        VERBOSITY.open_log(Path("log.txt"))
        with progress.Progress("mmau", 3) as shown:
            shown.update(records)
    assert [level for level, _ in logged()] == ["progress"]
    assert logged()[0][1].startswith("mmau: 3 of 3 items")


def test_a_log_file_that_cannot_be_written_is_one_line() -> None:
    Path("file").touch()
    assert "--log-file file/log.txt cannot be written" in refusal(alm(*RUN, "--log-file", "file/log.txt"))
    assert not Path("results").exists()


def test_a_secret_is_not_written_into_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("e.py").write_text("raise RuntimeError('api_key=sk-verysecretvalue0123456789')\n")
    alm("run", "--model", "./e.py:Model", "--tasks", "mmau", "--log-file", "log.txt")
    assert "Traceback" in Path("log.txt").read_text()
    assert "verysecret" not in Path("log.txt").read_text()


def test_a_log_file_gets_the_preparation_of_training_in_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.core.verbosity import VERBOSITY, restore_verbosity

    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    with restore_verbosity():
        VERBOSITY.open_log(Path("log.txt"))
        with progress.TrainingProgress("small") as shown:
            shown.show_preparation("features", 1, 2)
            shown.show_message("1 clip is missing")
            shown.show_step({"name": "align", "step": 0, "total": 4, "loss": 1.5, "samples_per_second": 2.0})
    levels, texts = zip(*logged(), strict=True)
    assert levels == ("progress", "notice", "progress")
    assert [text.partition(",")[0] for text in texts] == [
        "small · features: 1 of 2 clips",
        "1 clip is missing",
        "small · align: 1 of 4 steps",
    ]
