"""What commands print and write: one JSON object or tables, run folders that can be looked at and scored again."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_world import RATE, Ran, alm, cle, mmau, model, only_run, outputs, questions, refusal, replay, stored, tone

METRIC = {"value", "low", "high", "n", "reason"}
RUN_KEYS = {
    *(
        "task",
        "model",
        "data",
        "revision",
        "split",
        "n",
        "skipped",
        "status",
        "metrics",
        "groups",
        "baselines",
        "tables",
        "task_options",
    ),
    *(
        "partial",
        "run",
        "fingerprint",
        "prompt",
        "parser",
        "decoding",
        "identity",
        "fit",
        "items",
        "limit",
        "sample",
        "selection",
        "preprocessing",
    ),
    *("reasons", "margins", "options", "answer_by", "solver", "questions", "main", "condition", "usage", "audio_check"),
    *("task_version", "metric_versions", "condition_version", "speech"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data")
    cle(tmp_path / "data")


def metrics_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = [
        run["metrics"],
        *run["baselines"].values(),
        *(m for parts in run["groups"].values() for m in parts.values()),
    ]
    return [metric for block in blocks for metric in block.values()]


def test_json_is_one_object_of_the_documented_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    ran = alm("run", "--model", "echo", "--tasks", "mmau,cle", "--json")
    assert (ran.status, set(ran.json)) == (0, {"schema_version", "runs"})
    assert ran.json["schema_version"] == 2
    assert [run["task"] for run in ran.json["runs"]] == ["mmau", "cle"]
    for run in ran.json["runs"]:
        assert set(run) == RUN_KEYS
        assert run["n"] + run["skipped"] == sum(run["status"].values()) == run["items"]
        assert set(run["status"]) == {"ok", "unparsed", "refused", "truncated", "error", "skipped"}
        for metric in metrics_of(run):
            assert set(metric) == METRIC
            assert (metric["value"] is None) == (metric["reason"] is not None)
            assert metric["value"] is None or 0 <= metric["value"] <= 1
        folder = Path("results/runs") / run["run"]
        assert json.loads((folder / "summary.json").read_text()) == {"schema_version": 2, "runs": [run]}
    assert "12/12" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ran.err), "progress goes to standard error"


def test_tables_go_to_standard_output_and_progress_does_not() -> None:
    ran = alm("run", "--model", "blind", "--tasks", "mmau,cle")
    assert ran.status == 0
    for part in ("## mmau · blind[first]", "## cle · blind[first]", "| *hypothesis only*", r"reference \\ answer"):
        assert part in ran.out
    assert "margin over text-only" in ran.out.splitlines()[-4]
    assert ran.out.splitlines()[-2].startswith("| mmau   | blind[first] | 12")
    assert "items/s" not in ran.out


def test_progress_fits_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    body = "    def answer(self, request):\n        return 'a'\n"
    name = model(tmp_path / "m.py", body, name="AModelWhoseNameIsAsLongAsTheyAreAndThenSome")
    err = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", alm("run", "--model", name, "--tasks", "mmau").err)
    last = [line for line in err.splitlines() if "/12" in line][-1]  # a notice about the made-up questions follows
    assert "12/12" in last
    assert last.rstrip().endswith("12 ok")


def test_the_group_tables_count_what_accuracy_counts() -> None:
    rows = questions(4)
    rows[0]["answer"] = "Thunder"
    mmau(Path("data"), rows=rows)
    lines = alm("run", "--model", "blind", "--tasks", "mmau").out.splitlines()
    (sound,) = [line for line in lines if line.startswith("| sound")]
    assert sound.split("|")[2].strip() == "1", "two questions, one of which has no gold among its options"


def test_score_reads_the_stored_text_again(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {row["id"]: row["answer"] if i % 2 else f"hm, {i}" for i, row in enumerate(questions(12))}
    first = alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    folder = only_run(Path("results/runs"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    Path("said.json").unlink()  # no model is needed, and no data
    Path("data/mmau/mmau-test-mini.json").unlink()
    again = alm("score", folder.name)
    assert again.status == 0
    assert again.out in first.out
    assert {name: (folder / name).read_bytes() for name in before if name != ".pid"} == {
        name: data for name, data in before.items() if name != ".pid"
    }
    # a reading that was stored by other rules is replaced
    rows = stored(folder)
    rows[1].update(parsed=None, scores={}, status="unparsed")
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert alm("score", folder.name, "--json").run["metrics"]["accuracy"]["value"] == 0.5
    assert (folder / "summary.json").read_bytes() == before["summary.json"]


def test_scoring_again_keeps_failures() -> None:
    name = model(Path("m.py"), "    def answer(self, request):\n        raise OSError('net')\n")
    first = alm("run", "--model", name, "--tasks", "cle")
    again = alm("score", only_run(Path("results/runs")).name)
    assert (first.status, again.status) == (1, 0)
    assert again.out in first.out
    assert "15 error" in again.out


def test_a_corrupt_line_is_one_line_for_every_reader() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau")
    path = only_run(Path("results/runs")) / "samples.jsonl"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:4], lines[4][:50], *lines[5:]]))
    for command in (("score", path.parent), ("show", path.parent), ("submit", "mmau", path.parent)):
        ran = alm(*command)
        assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
        assert "samples.jsonl, line 5: not a record of schema 1 to 2" in ran.err


def test_a_header_or_summary_without_its_parts_is_one_line_for_every_reader() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau")
    folder = only_run(Path("results/runs"))

    def refused(*arguments: object) -> str:
        ran = alm(*arguments)
        assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
        return ran.err

    for content, says in (
        ({"runs": [{"task": "mmau"}]}, "missing required field `model` - at `$.runs[0]`"),
        ({"runs": []}, "holds no run"),
        ({"runs": [1]}, "Expected `object`, got `int` - at `$.runs[0]`"),
        ({}, "missing required field `runs`"),
    ):
        (folder / "summary.json").write_text(json.dumps({"schema_version": 2, **content}))
        line = refused("leaderboard", folder.name)
        assert "summary.json: " in line
        assert says in line
    (folder / "run.json").write_text('{"schema_version": 2, "fingerprint": "x", "spec": {}}')
    for arguments in (("score", folder), ("submit", "mmau", folder)):
        assert (
            "run.json: not a whole file of this program: Object missing required field `split` - at `$.spec`"
            in refused(*arguments)
        )
    alm("run", "--model", "blind", "--tasks", "mmau", "--fresh")
    assert alm("score", folder).status == 0


def shown(*arguments: object) -> list[str]:
    ran = alm("show", only_run(Path("results/runs")), "--limit", 100, "--json", *arguments)
    found = ran.json
    assert found["matching"] == len(found["items"])
    return [item["id"] for item in found["items"]]


def test_show_filters() -> None:
    rows = questions(12)
    rows[6]["answer"] = "Thunder"  # outside our denominator
    mmau(Path("data"), rows=rows)
    texts: dict[str, Any] = {row["id"]: row["answer"] for row in rows}
    texts |= {"item-001": "Fish", "item-002": "Frog", "item-003": None}
    alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    assert shown() == [row["id"] for row in rows]
    assert shown("--wrong") == ["item-001", "item-002", "item-003"]
    assert shown("--status", "error") == ["item-003"]
    assert shown("--status", "unparsed", "--wrong") == ["item-001"]
    assert shown("--status", "skipped") == ["item-006"]
    assert shown("--id", "item-004") == ["item-004"]
    assert alm("show", "mmau-replay-said", "--out", "results/runs").status == 0, "any part of a name that one run has"
    assert "no run 'mmau-replayed'" in alm("show", "mmau-replayed", "--out", "results/runs").err
    screen = alm("show", only_run(Path("results/runs")), "--wrong", "--limit", 2).out
    assert "── item-002 · ok" in screen
    assert re.search(r"\(c\) +Bird ← reference\n", screen)
    assert "Frog ← answer" in screen
    assert "2 of 3 matching items, 12 in the run" in screen
    assert "has no item 'item-9'" in refusal(alm("show", only_run(Path("results/runs")), "--id", "item-9"))
    assert shown("--id", "item-004", "--wrong") == [], "it is there, and it is right"


def test_show_browses_by_group_and_rule_and_page_by_page() -> None:
    texts = {row["id"]: row["answer"] if i % 4 else "no idea" for i, row in enumerate(questions(12))}
    alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    hard = ["item-002", "item-005", "item-008", "item-011"]
    assert shown("--difficulty", "hard") == shown("--group", "difficulty=HARD") == hard
    assert shown("--difficulty", "hard", "--skill", "Skill 1") == ["item-005"]
    assert shown("--group", "domain=speech", "--group", "skill=Skill 3") == ["item-011"]
    records = {line["id"]: line["parsed"]["rule"] for line in stored(only_run(Path("results/runs")))}
    rule = records["item-001"]
    assert shown("--rule", rule) == [name for name, its in records.items() if its == rule]
    assert 0 < len(shown("--rule", rule)) < 12
    pages = [alm("show", "latest", "--limit", 5, "--page", page, "--json").json for page in (1, 2, 3)]
    assert [item["id"] for page in pages for item in page["items"]] == list(texts)
    assert "5 of 12 matching items, 12 in the run" in (text := alm("show", "latest", "--limit", 5).out)
    assert text.endswith("; page 1 of 3 (--page 2: the next)\n")
    for asked, message in (
        (("--page", 3), "--page 3: the 12 matching items have 2 pages of 10"),
        (("--difficulty", "hart"), "no item with difficulty='hart'; known: hard,"),
        (("--group", "clip=x"), "no grouping 'clip'; its groupings: "),
        (("--group", "skill"), "--group takes key=value"),
        (("--rule", "lettre"), "no --rule 'lettre'; it has: "),
        (("--csv", "--json"), "either --csv or --json"),
    ):
        assert message in refusal(alm("show", "latest", *asked)), message


def test_show_prints_a_table_for_spreadsheets_that_runs_no_formula() -> None:
    texts = {row["id"]: row["answer"] for row in questions(12)} | {"item-001": '=HYPERLINK("x")\nDog'}
    alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    rows = list(csv.DictReader(alm("show", "latest", "--csv").out.splitlines()))
    assert [row["id"] for row in rows] == list(texts)
    assert rows[1]["text"] == '\'=HYPERLINK("x")\\nDog'
    assert json.loads(rows[0]["choices"]) == ["Rain", "Wind"]
    assert (rows[0]["status"], rows[0]["score_accuracy"], rows[0]["group_difficulty"]) == ("ok", "1.0", "easy")
    assert len(alm("show", "latest", "--csv", "--difficulty", "hard").out.splitlines()) == 5


def test_show_plays_clips_with_the_player_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alm("run", "--model", "blind", "--tasks", "mmau", "--limit", 2)
    alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--limit", 1, "--out", "demo")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    line = refusal(alm("show", "latest", "--play", "--limit", 1))
    assert "no audio player on this machine; install one of afplay, ffplay" in line
    player = tmp_path / "bin/paplay"
    player.parent.mkdir()
    player.write_text(f"#!{sys.executable}\nimport sys\nplayed = open(sys.argv[1], 'rb').read()\n"
                      f"open('played', 'ab').write(sys.argv[1].encode() + b' ' + played[:4] + b'\\n')\n")  # fmt: skip
    player.chmod(0o755)
    (tmp_path / "data/mmau/test-mini-audios/item-001.wav").unlink()
    ran = alm("show", "latest", "--play")
    assert Path("played").read_text() == f"{tmp_path / 'data/mmau/test-mini-audios/item-000.wav'} RIFF\n"
    assert "item-001.wav is not a file on this machine" in ran.err
    assert alm("show", "latest", "--play", "--out", "demo").err == "", "a clip that is no file is made and played"
    assert Path("played").read_text().splitlines()[1].endswith(" RIFF")
    player.write_text("#!/bin/sh\necho broken pipe of sound >&2\nexit 3\n")
    assert "paplay could not play" in (ran := alm("show", "latest", "--play", "--limit", 1)).err
    assert "(status 3): broken pipe of sound" in ran.err


def test_without_golds_no_answer_is_wrong() -> None:
    rows = [{key: value for key, value in row.items() if key != "answer"} for row in questions(3)]
    mmau(Path("data"), rows=rows)
    alm("run", "--model", "blind", "--tasks", "mmau")
    assert shown("--wrong") == []
    assert len(shown()) == 3


def test_runs_are_found_by_any_part_of_their_name_and_as_the_latest() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau,cle")
    names = sorted(path.parent.name for path in Path("results/runs").glob("*/run.json"))
    assert alm("show", names[1][-6:]).status == 0
    assert (
        alm("show", "mmau-blind").out == alm("show", "mmau").out != alm("show", "cle").out == alm("show", "latest").out
    )
    assert "fits 2 runs" in refusal(alm("show", ""))
    line = refusal(alm("show", "mmau-blint"))
    assert line.partition("runs in results/runs: ")[2].startswith("mmau-blind-first-")


def test_a_run_is_scored_from_within_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    alm("run", "--model", "blind", "--tasks", "mmau")
    folder = only_run(Path("results/runs")).resolve()
    monkeypatch.chdir(folder)
    assert alm("score", ".", "--json").run["run"] == folder.name


def test_ls_runs_lists_what_was_run() -> None:
    assert alm("ls", "runs").out == "no runs\n"
    alm("run", "--model", "blind", "--tasks", "mmau")
    alm("run", "--model", "blind", "--tasks", "cle", "--limit", 3)
    (Path("results/runs") / only_cle().name / "summary.json").unlink()
    found = alm("ls", "runs", "--json").json["runs"]
    assert [(row["task"], row["items"]) for row in found] == [("mmau", 12), ("cle", 3)]
    assert found[0]["accuracy"].split()[0] == "33.3"
    assert found[1]["accuracy"] == "not finished"


def only_cle() -> Path:
    (folder,) = Path("results/runs").glob("cle-*")
    return folder


def test_ls_tasks_and_models() -> None:
    tasks = {row["task"] for row in alm("ls", "tasks", "--json").json["tasks"]}
    models = {row["model"]: row for row in alm("ls", "models", "--json").json["models"]}
    assert {"mmau", "cle", "ace"} <= tasks
    assert {"blind", "echo", "mellow", "replay"} <= set(models)
    assert models["replay"]["options"] == "outputs, column, id, duplicates, label"


def board() -> tuple[str, list[dict[str, str]]]:
    ran = alm("leaderboard")
    assert ran.status == 0, ran.err
    markdown = Path("results/leaderboard.md").read_text()
    assert ran.out == markdown + "\n"
    with Path("results/leaderboard.csv").open(newline="") as file:
        return markdown, list(csv.DictReader(file))


def test_the_leaderboard_is_made_from_run_folders_alone() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau,cle")
    alm("run", "--model", "blind", "--tasks", "mmau", "--model-arg", "strategy=longest")
    texts = {row["id"]: row["answer"] for row in questions(12)}
    alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    alm("run", *replay(outputs(Path("gone.json"), {"item-000": "Rain"})), "--tasks", "mmau")
    for folder in Path("results/runs").iterdir():
        for name in ("samples.jsonl", "run.json"):
            if name == "samples.jsonl":
                (folder / name).unlink()
    for path in sorted(Path("data").rglob("*.json")):
        path.unlink()
    markdown, rows = board()
    _, cle_table, mmau_table = markdown.split("\n## ")
    assert cle_table.startswith("cle · evaluation · revision unknown")
    assert mmau_table.startswith("mmau · test-mini · revision unknown")
    models = [line.split("|")[1].strip() for line in mmau_table.splitlines() if line.startswith("| ")][1:]
    assert models[0] == "replay[said]", "best first"
    assert models[3] == "replay[gone]"
    assert models[4:] == [
        "*uniform guess (expected)*",
        "*first option*",
        "*longest option*",
        "*most frequent letter*",
    ]
    best = [row for row in rows if row["model"] == "replay[said]" and row["grouping"] == "all"]
    assert {row["metric"]: float(row["value"]) for row in best} == {
        "accuracy": 1.0,
        "answered": 1.0,
        "official_accuracy": 1.0,
        "accuracy_imputed": 1.0,
        "margin": pytest.approx(2 / 3),
    }
    assert {row["grouping"] for row in rows} == {"all", "domain", "difficulty", "skill", "baseline"}
    assert board() == (markdown, rows), "the same bytes again"


def test_the_leaderboard_never_mixes_what_cannot_be_compared() -> None:
    """Demo and real, two revisions, two limits: a table each."""
    alm("run", "--model", "blind", "--tasks", "mmau")
    alm("run", "--model", "blind", "--tasks", "mmau", "--limit", 6)
    alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--limit", 12)
    rows = questions(12)
    rows[0]["question"] += "!"
    mmau(Path("data"), rows=rows)
    alm("run", "--model", "blind", "--tasks", "mmau")
    markdown, table = board()
    titles = [line for line in markdown.splitlines() if line.startswith("## ")]
    assert len(titles) == len(set(titles)) == 4
    assert sum("(demo)" in title for title in titles) == 1
    assert sum("the first 6 of 12 items" in title for title in titles) == 1
    assert markdown.partition("\n## ")[2].count("| blind[first]") == 4
    assert {row["data"] for row in table} == {"demo", "real"}


def test_unfinished_runs_are_left_out_and_said_so() -> None:
    alm("run", "--model", "blind", "--tasks", "mmau,cle")
    (only_cle() / "summary.json").unlink()
    ran = alm("leaderboard", "--json")
    assert [run["task"] for run in ran.json["runs"]] == ["mmau"]
    assert f"{only_cle().name}: left out: not finished" in ran.err
    named = alm("leaderboard", only_cle())
    assert (named.status, named.out) == (1, "")
    assert "holds no finished run" in named.err


def test_a_finished_run_is_not_run_again_unless_fresh() -> None:
    name = model(
        Path("m.py"),
        "    def answer(self, request):\n        open('asked', 'a').write('x')\n        return 'a'\n",
    )
    command = ("run", "--model", name, "--tasks", "mmau", "--batch-size", 5)
    first, second = alm(*command), alm(*command)
    assert first.out == second.out
    assert Path("asked").read_text() == "x" * 12
    assert alm(*command, "--fresh").out == first.out
    assert Path("asked").read_text() == "x" * 24


def test_auto_data_says_when_it_is_the_demo_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_DATA", "elsewhere")
    Path("elsewhere").mkdir()
    ran = alm("run", "--model", "blind", "--tasks", "mmau", "--limit", 4, "--json")
    assert (ran.status, ran.run["data"]) == (0, "demo")
    assert "mmau: no real data found, using the built-in demo data" in ran.err
    assert "-demo-" in ran.run["run"]
    monkeypatch.setenv("ALM_BENCH_DATA", "data")
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--limit", 4, "--json").run["data"] == "real"


def test_data_info_and_verify() -> None:
    clips = Path("data/mmau/test-mini-audios")
    ran = alm("data", "verify", "mmau", "--json")
    (report,) = ran.json["tasks"]
    assert (ran.status, report["complete"], report["clips"]["present"]) == (0, True, 12)
    (clips / "item-003.wav").unlink()
    (clips / "item-004.wav").write_bytes(b"RIFFx")
    (info,) = alm("data", "info", "mmau", "--json").json["tasks"]
    assert (info["complete"], info["clips"]["missing"], info["clips"]["unreadable"]) == (
        False,
        ["mmau/test-mini-audios/item-003.wav"],
        {},
    )
    ran = alm("data", "verify", "mmau")
    assert ran.status == 1
    assert "missing clip mmau/test-mini-audios/item-003.wav" in ran.out
    assert "unreadable clip mmau/test-mini-audios/item-004.wav" in ran.out


def test_data_info_tells_where_clips_come_from_and_of_other_splits() -> None:
    reports = {report["task"]: report for report in alm("data", "info", "--data", "demo", "--json").json["tasks"]}
    assert {task: report["split"] for task, report in reports.items()}["mmau"] == "test-mini"
    assert "Zenodo record 4783391" in reports["cle"]["clips"]["source"]
    assert "AudioCaps" in reports["ace"]["clips"]["source"]
    for file in reports["mmau"]["files"]:
        assert (file["revision"] is None) == (file["path"] is None)
        assert file["path"] is None or file["revision"].startswith("demo-")
    (report,) = alm("data", "info", "mmau", "--split", "test", "--json").json["tasks"]
    assert (report["split"], report["complete"]) == ("test", False)
    assert [file["place"] for file in report["files"]] == ["mmau/mmau-test.json", "mmau-test/data/*.parquet"]
    assert "mmau: --split 'dev' is unknown" in refusal(alm("data", "verify", "mmau", "--split", "dev"))


def test_ask_prints_the_answer_alone(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 440, seconds=0.5)
    said = "f'{request.prompt} {[wave.size for wave in request.waves]}'"
    body = f"    def answer(self, request):\n        print('x')\n        return {said}\n"
    name = model(tmp_path / "m.py", body, audio=f"AudioPolicy(rate={RATE})")

    def asked(*arguments: object) -> Ran:
        return alm("ask", "What?", "--model", name, *arguments)

    assert asked().out == "What? []\n"
    both = asked("--audio", "a.wav", "--audio", "data/mmau/test-mini-audios/item-001.wav")
    assert (both.status, both.out) == (0, "What? [4000, 2400]\n")
    assert asked("--json").json == {"model": "Model", "text": "What? []", "truncated": False}
    ran = alm("ask", "What?", "--model", "blind")
    assert (ran.status, ran.out) == (1, "")
    assert "a blind strategy needs options" in ran.err


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    def answer(self, request):\n        raise ValueError('boom\\n twice')\n", "ValueError: boom twice"),
        ("    def answer(self, request):\n        return 3\n", "expected an Output with text or None"),
        ("    def generate(self, batch, decoding):\n        return []\n", "returned 0 outputs for 1 requests"),
    ],
)
def test_ask_says_in_one_line_what_a_model_did_wrong(tmp_path: Path, body: str, says: str) -> None:
    ran = alm("ask", "What?", "--model", model(tmp_path / "m.py", body))
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("alm-bench: ")
    assert says in ran.err


def test_ask_says_what_is_to_be_known_of_the_model(tmp_path: Path) -> None:
    body = "    def answer(self, request):\n        return 'a'\n"
    name = model(tmp_path / "m.py", body, identity="AdapterIdentity('m', 'm', note='random weights')")
    (tmp_path / "m.py").write_text((tmp_path / "m.py").read_text() + "    def __init__(self, options, runtime): pass\n")
    ran = alm("ask", "What?", "--model", name)
    assert (ran.out, ran.err) == ("a\n", "m: random weights\n")


def test_a_submission_is_written_from_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alm("run", "--model", "blind", "--tasks", "mmau", "--data", "data")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    folder = only_run(tmp_path / "results/runs")
    ran = alm("submit", "mmau", folder.name, "--out", "../results/runs", "--to", "mine.json")
    assert (ran.status, ran.out) == (0, "")
    assert len(json.loads(Path("mine.json").read_text())) == 12


def test_a_terminal_that_knows_only_ascii_gets_its_tables() -> None:
    command = [sys.executable, "-c", "from alm_bench.cli.app import main; main()"]
    arguments = ["run", "--model", "blind", "--tasks", "mmau,cle"]
    ran = subprocess.run(
        [*command, *arguments], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert b"## cle ? blind[first]" in ran.stdout


def test_an_answer_tag_of_ones_own_is_kept_with_the_run() -> None:
    asked = questions(12)
    texts = {
        row[
            "id"
        ]: f"<bet>{row['answer']}</bet> I then listened on, and heard {row['choices'][0]} and {row['choices'][1]} "
        "in what followed, for as long as the clip went on, without a sign of anything else."
        for row in asked
    }
    said = replay(outputs(Path("said.json"), texts))
    assert alm("run", *said, "--tasks", "mmau", "--json").run["metrics"]["accuracy"]["value"] < 1
    plain = only_run(Path("results/runs"))
    tagged = alm("run", *said, "--tasks", "mmau", "--answer-tag", "bet", "--json").run
    assert tagged["metrics"]["accuracy"]["value"] == 1
    folder = Path("results/runs") / tagged["run"]
    assert json.loads((folder / "run.json").read_text())["spec"]["answer_tags"] == ["bet"]
    assert alm("score", folder.name, "--json").run["metrics"]["accuracy"]["value"] == 1, "score uses the run's tags"
    assert alm("score", plain.name, "--answer-tag", "<bet>", "--json").run["metrics"]["accuracy"]["value"] == 1
    assert json.loads((plain / "run.json").read_text())["spec"]["answer_tags"] == ["bet"]
    matrix = alm(
        "rescore-matrix", "said.json", "--annotations", "data/mmau/mmau-test-mini.json", "--answer-tag", "bet", "--json"
    )
    assert matrix.json["rules"][0]["accuracy"]["value"] == 1


def test_an_answer_tag_that_is_no_name_is_one_line() -> None:
    ran = alm("run", "--model", "blind", "--tasks", "mmau", "--answer-tag", "<>")
    assert (ran.status, len(ran.err.splitlines())) == (2, 1)
    assert "--answer-tag takes a tag's name" in ran.err
