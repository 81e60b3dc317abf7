"""What commands print on real terminals (ptys): nothing is wider, no figure is broken, the headline comes first."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from rich.cells import cell_len
from small_world import alm, mmau, model, questions
from terminal import Screenful, on_terminal

from alm_bench.core.escape import print_notice

WIDTHS = (80, 100, 120)
FIRST_SCREEN = 24
LONG = "An-Organisation-With-A-Long-Name/A-Model-Whose-Name-Is-As-Long-As-They-Are-7B-Instruct-2507"
ANSWERS = f"""
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.identity = AdapterIdentity(family="m", label="{LONG}", device="cpu")

    def answer(self, request):
        said = "Having listened with care to all that is audible in this recording, I believe the following: " * 8
        return said + "**Answer:** " + request.choices[zlib.crc32(request.id.encode()) % len(request.choices)]
"""
ABLATED = ("--conditions", "silence,gaussian,no-gold", "--plot", "figure.png")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run folders of a text-only model and of one with a long name and long texts; the working folder is theirs."""
    home = tmp_path_factory.mktemp("terminal")
    before = Path.cwd()
    os.chdir(home)
    os.environ["ALM_BENCH_CACHE"] = str(home / "cache")
    mmau(home / "data", 30)
    talker = model(Path("m.py"), ANSWERS, audio="AudioPolicy(8_000)")
    for name in ("blind", talker):
        assert alm("run", "--model", name, "--tasks", "mmau", "--data", "data").status == 0
    rows = [{**row, "model_output": ANSWERS[-200:] + row["answer"]} for row in questions(12)]
    Path("said.json").write_text(json.dumps(rows))
    pairs = [{"candidate": f"a dog {n} barks", "references": [f"a dog {n} is barking"]} for n in range(4)]
    Path("captions.json").write_text(json.dumps(pairs))
    blind, long = sorted((path.name for path in Path("results/runs").iterdir()), key=len)
    yield {"blind": blind, "long": long, "talker": talker}
    os.chdir(before)


def command(name: str, runs: dict[str, str]) -> tuple[str, ...]:
    asked = ("--model", runs["talker"], "--tasks", "mmau", "--data", "data")
    return {
        "run": ("run", *asked),
        "run --details": ("run", *asked, "--details"),
        "run --dry-run": ("run", *asked, "--dry-run"),
        "score": ("score", runs["long"], "--details"),
        "leaderboard": ("leaderboard",),
        "leaderboard --with-published": ("leaderboard", "--with-published"),
        "compare": ("compare", runs["blind"], runs["long"], "--examples", "2"),
        "ls tasks": ("ls", "tasks"),
        "ls models": ("ls", "models"),
        "ls runs": ("ls", "runs"),
        "show": ("show", runs["long"], "--wrong"),
        "noise-ablation": ("noise-ablation", *asked, *ABLATED),
        "data info": ("data", "info", "mmau", "--data", "data"),
        "check": ("check", runs["talker"]),
        "parse": ("parse", "after " * 60 + "the answer is (b)", "--choices", "Dog" * 40, "--choices", "Cat"),
        "rescore-matrix": ("rescore-matrix", "said.json", "--label", LONG),
        "caption-metrics": ("caption-metrics", "captions.json", "--metrics", "cider,rouge_l,bleu_4"),
    }[name]


HEADLINES = {
    "run": r"^accuracy +\d+\.\d % \[",
    "run --details": r"^accuracy +\d+\.\d % \[",
    "run --dry-run": r"^mmau +30 ",
    "score": r"^accuracy +\d+\.\d % \[",
    "leaderboard": r"^blind\[first\] +\d+\.\d ",
    "leaderboard --with-published": r"^blind\[first\] +\d+\.\d ",
    "compare": r"^accuracy +all +",
    "ls tasks": r"^mmau +",
    "ls models": r"^blind ",
    "ls runs": r"^mmau-blind-first-\w+ +",
    "show": r"^question +What is heard",
    "noise-ablation": r"^silence +",
    "data info": r"^mmau +mmau/mmau-test-mini.json +",
    "check": r"^tone +",
    "parse": r"^answer +\(b\) Cat",
    "rescore-matrix": r"^alm-bench, mcq@4 +",
    "caption-metrics": r"^CIDEr +\d+ +\d+\.\d",
}
"""What a reader looks for first, by command."""


def assert_fits(shown: Screenful, width: int) -> None:
    assert shown.status == 0, shown.err
    too_long = [line for line in shown.lines if cell_len(line) > width]
    assert too_long == []
    for line in shown.lines:
        assert not re.search(r"\[[^\]]*[\d,]$", line), f"an interval goes on in the next line: {line}"
        assert not re.match(r"\s*[+-]?[\d.]+\]", line), f"an interval began in the line before: {line}"
        assert not re.match(r"\s*%", line), f"a unit without its figure: {line}"


def assert_no_markdown(shown: Screenful) -> None:
    said = re.sub(r"\*\*Answer:\*\*", "", shown.text)  # a model's own text is shown as it is
    assert "**" not in said
    assert "|:-" not in said
    assert not re.search(r"^(#|\|)", said, re.MULTILINE)
    assert "\\|" not in said


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", HEADLINES)
def test_output_fits_the_terminal(name: str, width: int, runs: dict[str, str]) -> None:
    shown = on_terminal(*command(name, runs), width=width)
    assert_fits(shown, width)
    assert_no_markdown(shown)
    first = [line.lstrip() for line in shown.lines[:FIRST_SCREEN]]
    assert any(re.search(HEADLINES[name], line) for line in first), shown.text


def test_a_card_says_what_a_reader_asks_first(runs: dict[str, str]) -> None:
    shown = on_terminal(*command("run", runs), width=80)
    text = shown.text
    assert re.search(r"margin [+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]( n\.s\.)? over ", " ".join(text.split()))
    assert re.search(r"^answered +100\.0 % of n = 30$", text, re.MULTILINE)
    assert re.search(r"^difficulty +easy \d+\.\d → medium \d+\.\d → hard \d+\.\d$", text, re.MULTILINE)
    assert f"results/runs/{runs['long']}" in "".join(text.split())
    assert re.search(r"^next +alm-bench show latest --wrong$", text, re.MULTILINE)
    assert "skill" not in text
    assert len(shown.lines) <= FIRST_SCREEN
    details = on_terminal(*command("run --details", runs), width=80).text
    for part in ("Skill 1", "position", "No option selected"):
        assert part in details
        assert part not in text


def test_more_columns_are_shown_where_there_is_room(runs: dict[str, str]) -> None:
    shown = {width: on_terminal("leaderboard", width=width).text for width in (80, 300)}
    assert "Not shown at this width: " in shown[80]
    assert "Not shown" not in shown[300]
    assert runs["long"].rpartition("-")[2] in shown[300]
    assert LONG in shown[300]
    assert LONG not in shown[80]


def test_a_pipe_gets_markdown_and_so_does_the_file(runs: dict[str, str]) -> None:
    piped = alm("leaderboard").out
    assert piped.startswith("# Leaderboard\n")
    assert "| accuracy " in piped
    assert LONG in piped
    on_terminal("leaderboard", width=80)
    assert Path("results/leaderboard.md").read_text() == piped.removesuffix("\n")
    assert "\x1b" not in piped


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminals_without_styles_get_none(environment: dict[str, str], runs: dict[str, str]) -> None:
    assert "\x1b[1m" in on_terminal("ls", "runs", width=80).raw, "headings are bold elsewhere"
    shown = on_terminal("leaderboard", width=80, environment=environment)
    assert "\x1b" not in shown.raw
    assert shown.lines == on_terminal("leaderboard", width=80).lines


def test_columns_says_how_wide_a_terminal_is(runs: dict[str, str]) -> None:
    shown = on_terminal("leaderboard", width=200, environment={"COLUMNS": "72"})
    assert 60 < max(map(len, shown.lines)) <= 72


def test_a_terminal_of_ascii_gets_ascii(runs: dict[str, str]) -> None:
    for name in ("run", "leaderboard", "show", "compare"):
        shown = on_terminal(*command(name, runs), width=80, encoding="ascii")
        assert shown.text.isascii()
        assert_fits(shown, 80)
        assert shown.text.count("?") == on_terminal(*command(name, runs), width=80).text.count("?"), "none is lost"


def test_wide_characters_count_double(runs: dict[str, str]) -> None:
    wide = Path("wide")
    body = ANSWERS.replace(LONG, "音声言語模型" * 12)
    name = model(Path("w.py"), body, audio="AudioPolicy(8_000)")
    assert_fits(on_terminal("run", "--model", name, "--tasks", "mmau", "--data", "data", "--out", wide, width=80), 80)
    for what in (("leaderboard", "--to", "wide-board"), ("ls", "runs")):
        assert_fits(on_terminal(*what, "--out", wide, width=80), 80)


def test_the_command_on_a_terminal_of_its_own(runs: dict[str, str]) -> None:
    """The whole program, its standard error on the same terminal."""
    code = (
        "import pty, sys\nstatus = pty.spawn([sys.executable, '-m', 'alm_bench', *sys.argv[1:]])\nsys.exit(status >> 8)"
    )
    arguments = ("run", "--model", "blind", "--tasks", "mmau", "--data", "data")
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, env=environment, stdin=subprocess.DEVNULL
    )
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stdout.decode())
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    assert done.returncode == 0, text
    assert [line for line in lines if cell_len(line) > 80] == []
    assert any(line.startswith("accuracy ") for line in lines)


def test_a_notice_is_broken_between_words_on_a_terminal_alone() -> None:
    text = "mmau: no real data found, using the built-in demo data " * 3 + "/a/path/" + "x" * 90
    leader, follower = pty.openpty()
    with mock.patch.dict(os.environ, {"COLUMNS": "80"}), os.fdopen(follower, "w") as terminal:
        print_notice(text, terminal)
        terminal.flush()
        *lines, path = os.read(leader, 65536).decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    os.close(leader)
    assert all(len(line) <= 80 for line in lines)
    assert path == "/a/path/" + "x" * 90, "a path stays whole, to be copied"
    assert " ".join([*lines, path]) == text
    pipe = io.StringIO()
    print_notice(text, pipe)
    assert pipe.getvalue() == text + "\n"
