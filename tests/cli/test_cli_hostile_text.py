"""Names, ids, labels and replies of strangers: harmless wherever they are printed, one line, no traceback."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, model, only_run, questions, stored

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n<script>x</script> [go](http://e) `c` |a| *b* \u202e\x9b"
FORMULA = "=HYPERLINK(1)"
BODY = """
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.identity = AdapterIdentity(family="m", label={label!r}, device="cpu", note={label!r})

    def answer(self, request):
        if request.id.endswith("3"):
            raise OSError({label!r})
        return {label!r} + request.choices[0]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hostile(label: str, count: int = 6, mark: str = EVIL) -> list[str]:
    """Make a data folder whose every text is hostile, and a model of such a name; the command that runs it."""
    rows = questions(count)
    for number, row in enumerate(rows):
        row["id"] = f"{mark}{number}"
        row["question"] += mark
        row["choices"] = [f"{choice}{mark}" for choice in row["choices"]]
        row["answer"] += mark
        row["sub-category"] = mark if number % 2 else FORMULA
    Path("data/mmau").mkdir(parents=True, exist_ok=True)
    Path("data/mmau/mmau-test-mini.json").write_text(json.dumps(rows))
    name = model(Path("m.py"), BODY.format(label=label), audio="None")
    return ["run", "--model", name, "--tasks", "mmau", "--data", "data", "--max-failures", "9"]


def harmless(text: str) -> None:
    assert not {c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c == "\u202e"}
    assert not re.search(r"<script|(?<!\\)(\]\(|`|\*b)", text)


def both(ran: Ran, status: int = 0) -> Ran:
    assert ran.status == status, ran.err
    assert "Traceback" not in ran.err
    return ran


def test_tables_of_a_hostile_run_are_harmless() -> None:
    ran = both(alm(*hostile(EVIL)))
    harmless(ran.out)
    name = only_run(Path("results/runs")).name
    for command in (("ls", "runs"), ("score", name), ("leaderboard",), ("leaderboard", "--with-published")):
        printed = both(alm(*command))
        harmless(printed.out)
        harmless(printed.err.replace("\r", ""))  # a progress bar's own
    harmless(Path("results/leaderboard.md").read_text())
    table = [line for line in both(alm("ls", "runs")).out.splitlines() if line.startswith("| ")]
    assert len(table) == 2
    assert len(table[1].replace("\\|", "").split("|")) == 7, "its bars are no columns"


def test_items_on_a_screen_are_harmless() -> None:
    alm(*hostile(EVIL))
    first = only_run(Path("results/runs")).name
    alm(*hostile("other"))
    (second,) = [path.name for path in Path("results/runs").iterdir() if path.name != first]
    for command in (("show", first), ("show", first, "--status", "error"), ("compare", first, second, "--examples", 3)):
        out = both(alm(*command)).out
        assert not {c for c in out if (ord(c) < 32 and c != "\n") or c in "\x9b\u202e"}
    shown = both(alm("show", first, "--limit", 1)).out
    assert [line for line in shown.splitlines() if line.startswith("prompt ")]
    assert r"\x1b]0;owned\x07" in shown, "it is seen, not acted on"


def test_a_leaderboard_of_formulas_is_computed_by_no_spreadsheet() -> None:
    both(alm(*hostile("=cmd|' /C calc'!A0")))
    both(alm("leaderboard"))
    with Path("results/leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"'=cmd|' /C calc'!A0"}
    assert f"'{FORMULA}" in {row["key"] for row in rows}
    values = [cell for row in rows for cell in row.values() if cell]
    assert not [cell for cell in values if cell[0] in "=@+\t\r"]
    assert all(float(cell) < 0 for cell in values if cell[0] == "-"), "what begins with a minus is a number"


def test_an_error_line_is_one_harmless_line() -> None:
    hostile("m")
    for command in (
        ("show", EVIL),
        ("run", "--model", EVIL, "--tasks", "mmau"),
        ("run", "--model", "echo", "--tasks", EVIL),
        ("data", "info", EVIL),
        ("ls", EVIL),
    ):
        ran = alm(*command)
        assert ran.status == 2
        assert len(ran.err.splitlines()) == 1
        assert not {c for c in ran.err[:-1] if ord(c) < 32 or c in "\x9b\u202e"}


HALF = "half \ud800 of \udcff"


def test_half_a_surrogate_pair_anywhere_is_no_traceback() -> None:
    """In a model's name, its error, its reply; in an id, a question, an option, a group."""
    command = hostile(HALF, mark=HALF)
    first = both(alm(*command))
    folder = only_run(Path("results/runs"))
    assert len(stored(folder)) == 6
    again = both(alm(*command, "--json"))
    again.out.encode()
    assert len(stored(folder)) == 6, "items are known again by their ids"
    first.out.encode()
    for name in ("ls runs", f"score {folder.name}", "leaderboard", f"show {folder.name}", "leaderboard --json"):
        both(alm(*name.split())).out.encode()
    assert r"\ud800" in both(alm("submit", "mmau", folder.name), 2).err, "one item failed"
    assert both(alm("show", folder.name, "--id", stored(folder)[0]["id"], "--json")).json["matching"] == 1


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "alm_bench", *arguments]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments", ["ls tasks", "ls models --json", "--help", "--version", "data info mmau", "show RUN", "leaderboard"]
)
def test_a_full_disk_behind_standard_output_is_one_line(arguments: str) -> None:
    mmau(Path("data"), clips=False)
    alm("run", "--model", "blind", "--tasks", "mmau")
    named = arguments.replace("RUN", only_run(Path("results/runs")).name).split()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command_line(*named), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    line = "alm-bench: cannot write to standard output: No space left on device; what is stored is kept\n"
    assert done.stderr == line


def test_a_reader_that_goes_is_no_failure_to_speak_of() -> None:
    process = subprocess.Popen(
        command_line("ls", "models", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()  # before anything is printed
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == ("", 141)


def test_a_run_whose_output_cannot_be_printed_is_stored_all_the_same() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    mmau(Path("data"), clips=False)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command_line("run", "--model", "blind", "--tasks", "mmau"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (only_run(Path("results/runs")) / "summary.json").is_file()


def test_a_process_without_standard_output_works() -> None:
    code = "import sys; sys.stdout = None; sys.argv = ['alm-bench', 'ls', 'tasks']\n"
    code += "from alm_bench.cli.app import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_of_files_with_markup_are_text_in_the_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from alm_bench.cli.progress import DownloadProgress

    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with DownloadProgress() as progress:
        progress.show_file("[red]x[/red]\x1b[2J", 1, 2)
    err: Any = capsys.readouterr().err
    assert "[red]x[/red]\\x1b[2J" in err
