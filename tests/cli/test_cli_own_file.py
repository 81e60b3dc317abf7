"""A file of one's own as a task: run, described first, stored, scored again, compared, verified; plug-ins by folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, model, only_run, outputs, refusal, replay, stored, tone

import alm_bench as ab
from alm_bench.core import DataError

BIRDS = """audio,question,A,B,C,answer,habitat
a.wav,Which bird?,wren,robin,,B,wood
b.wav,Which bird?,owl,wren,robin,C,town
c.wav,Which animal?,cat,dog,,a,town
d.wav,Which animal?,cat,cow,,b,farm
e.wav,What falls?,rain,snow,hail, A ,wood
"""


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five rows of CSV with their clips, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abcde"):
        tone(tmp_path / f"{name}.wav", 300 + 50 * number)
    (tmp_path / "birds.csv").write_text(BIRDS)
    return tmp_path / "birds.csv"


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_five_rows_of_csv_become_a_table_in_one_command(birds: Path) -> None:
    ran = alm("run", "--model", "echo", "--tasks", "./birds.csv", "--out", "out")
    assert ran.status == 0, ran.err
    found = ran.err.index("clips: audio; question: question; options: A, B, C; answer: answer (letters)")
    first = ran.err.index("(A) wren\n    (B) robin\n    Answer with the letter")
    assert found < first, "described, then shown as the model gets it"
    assert "groups: habitat" in ran.err
    digest = ran.err.partition("sha256 ")[2][:8]
    assert f"file:birds ({digest})" in ran.out
    records = stored(only_run(Path("out")))
    assert [record["choices"][record["target"]] for record in records] == ["robin", "robin", "cat", "cow", "rain"]
    assert records[1]["groups"]["habitat"] == "town"


def test_json_holds_results_alone_and_the_description_goes_to_standard_error(birds: Path) -> None:
    ran = alm("run", "--model", "blind", "--tasks", "birds.csv", "--out", "out", "--json")
    assert ran.run["task"] == "file:birds"
    assert ran.run["metrics"]["accuracy"]["value"] == pytest.approx(0.4)
    assert set(ran.run["groups"]["habitat"]) == {"farm", "town", "wood"}
    assert "clips: audio" in ran.err


def test_a_changed_file_is_another_revision_and_never_ranked_with_the_first(birds: Path) -> None:
    one = alm("run", "--model", "blind", "--tasks", "./birds.csv", "--out", "out", "--json").run
    again = alm("run", "--model", "blind", "--tasks", str(birds), "--out", "out", "--json").run
    assert again["run"] == one["run"], "another way to name the file is the same run"
    birds.write_text(BIRDS.replace("snow", "sleet"))
    other = alm("run", "--model", "blind", "--tasks", "./birds.csv", "--out", "out", "--json").run
    assert other["revision"] != one["revision"]
    board = alm("leaderboard", "--out", "out", "--to", "board")
    assert board.status == 0, board.err
    for run in (one, other):
        assert f"file:birds ({run['revision']})" in board.out


def test_a_stored_run_is_scored_and_compared_without_its_file(birds: Path) -> None:
    args = ("--tasks", "birds.csv", "--out", "out")
    assert alm("run", "--model", "blind", *args).status == 0
    assert alm("run", "--model", "blind", "--model-arg", "strategy=longest", *args).status == 0
    birds.unlink()
    rescored = alm("score", "longest", "--out", "out", "--json")
    assert rescored.status == 0, rescored.err
    assert rescored.run["metrics"]["accuracy"]["value"] == pytest.approx(0.8)
    assert set(rescored.run["groups"]["habitat"]) == {"farm", "town", "wood"}
    compared = alm("compare", "first", "longest", "--out", "out")
    assert compared.status == 0, compared.err
    assert alm("show", "first", "--out", "out").status == 0


def test_files_and_named_tasks_and_files_with_a_comma_in_one_list(birds: Path) -> None:
    birds.rename("birds, all.csv")
    ran = alm("run", "--model", "blind", "--tasks", "./birds, all.csv,mmau", "--limit", "4", "--out", "out", "--json")
    assert ran.status == 0, ran.err
    assert [run["task"] for run in ran.json["runs"]] == ["file:birds-all", "mmau"]


def test_the_options_of_a_file_need_a_file(birds: Path) -> None:
    line = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--map", "audio=x", "--out", "out"))
    assert line.startswith("alm-bench: --map goes with a file as task (--tasks ./birds.csv), found --tasks mmau")
    assert "no such file or folder" in refusal(alm("run", "--model", "blind", "--tasks", "./bird.csv", "--out", "out"))
    Path("folder").mkdir()
    assert "./folder" in refusal(alm("run", "--model", "blind", "--tasks", "folder", "--out", "out"))


def test_missing_clips_stop_the_run_before_anything_is_asked(birds: Path) -> None:
    for clip in Path().glob("*.wav"):
        clip.unlink()
    line = refusal(alm("run", "--model", "echo", "--tasks", "./birds.csv", "--out", "out", "--quiet"))
    assert "none of its 5 clips is there" in line
    assert "--audio-root" in line


def test_python_takes_files_too(birds: Path) -> None:
    birds.rename("x.csv").write_text(BIRDS.replace("audio,question", "where,what"))
    results = ab.evaluate(
        lambda request: request.choices[-1],
        ["./x.csv"],
        map={"audio": "where", "question": "what"},
        group_by=["answer"],
        audio_root=birds.parent,
        out=birds.parent / "out",
    )
    assert results.metric("file:x").value == pytest.approx(0.6)
    assert {figure.grouping for figure in results.metrics} == {"all", "answer"}
    Path("y.csv").write_text(BIRDS)
    with pytest.raises(DataError, match="no column 'where' for audio"):
        ab.evaluate(lambda request: "A", ["./y.csv"], map={"audio": "where"})


def test_suites_take_files(birds: Path) -> None:
    Path("suite.toml").write_text('[models.blind]\n[tasks."./birds.csv"]\ngroup_by = "none"\n')
    ran = alm("run", "--config", "suite.toml", "--out", "out", "--json")
    assert ran.status == 0, ran.err
    assert ran.run["task"] == "file:birds"
    assert ran.run["groups"] == {}
    Path("suite.toml").write_text('[models.blind]\n[tasks."./birds.csv"]\nmap = "audio=sound"\n')
    assert "no column 'sound'" in refusal(alm("run", "--config", "suite.toml", "--out", "out"))


def test_a_sidecar_keeps_what_was_declared(birds: Path) -> None:
    birds.write_text(BIRDS.replace("audio,question", "where,what"))
    made = alm("new", "sidecar", "birds.csv", "--map", "audio=where,question=what")
    assert made.status == 0, made.err
    text = Path("birds.toml").read_text()
    assert 'audio = "where"' in text
    assert 'answer_is = "letter"' in text
    ran = alm("run", "--model", "blind", "--tasks", "birds.csv", "--out", "out")
    assert ran.status == 0, ran.err
    assert "with the sidecar birds.toml" in ran.err
    assert "exists already" in refusal(alm("new", "sidecar", "birds.csv"))
    Path("birds.toml").write_text(text.replace("[columns]", "[columns]\nsound = 'x'"))
    assert "birds.toml has no 'sound'; known: " in refusal(alm("run", "--model", "blind", "--tasks", "birds.csv"))
    Path("birds.toml").write_text(text.replace('"where"', '"nowhere"'))
    assert alm("run", "--model", "blind", "--tasks", "birds.csv", "--map", "audio=where", "--out", "out").status == 0


def test_verify_lists_faults_row_by_row_duplicates_baselines_and_leaks(tmp_path: Path) -> None:
    rows = []
    for number in range(40):
        right, wrong = f"Bird {number}", [f"a beast of the wood {number}", f"an animal of the field {number}"]
        choices = [*wrong[: number % 3], right, *wrong[number % 3 :]]
        row = {"id": f"q{number}", "audio": "a.wav", "question": f"Which is heard in {number}?", "choices": choices}
        rows.append({**row, "answer": right})
    rows.append({**rows[0], "id": "again"})
    rows.append({**rows[1], "id": "bad", "answer": "a plane"})
    rows.append({**rows[2], "id": "gone", "audio": "gone.wav"})
    tone(tmp_path / "a.wav", 400)
    file = write(tmp_path / "birds.json", rows)
    ran = alm("data", "verify", file, "--json")
    assert ran.status == 1
    (report,) = ran.json["tasks"]
    assert [one["row"] for one in report["problems"]] == [42, 43]
    assert "'a plane' is none of the options" in report["problems"][0]["problem"]
    assert report["problems"][1]["problem"] == "clip gone.wav: is missing"
    assert report["duplicates"] == [{"ids": ["q0", "again"], "differ": False}, {"ids": ["q1", "bad"], "differ": True}]
    assert report["baselines"]["uniform guess (expected)"]["value"] == pytest.approx(1 / 3)
    leaks = {leak["cue"]: leak for leak in report["leaks"]}
    assert leaks["only one in another letter case"]["rate"] == 1.0
    assert leaks["only one in another letter case"]["items"] == 42
    assert {cue for cue, leak in leaks.items() if leak["suspicious"]} >= {"only one in another letter case", "shortest"}
    assert not leaks["longest"]["suspicious"]
    printed = alm("data", "verify", file)
    assert printed.status == 1
    assert "row 42" in printed.out
    assert "only one in another letter case" in printed.out
    write(file, rows[:40])
    assert alm("data", "verify", file).status == 0


def test_items_with_more_clips_than_a_model_takes_say_so_one_by_one(tmp_path: Path) -> None:
    for name in "abc":
        tone(tmp_path / f"{name}.wav", 400)
    rows = [
        {"id": str(count), "audio": [f"{name}.wav" for name in "abc"[:count]], "question": "What?", "answer": "x"}
        for count in (1, 2, 3)
    ]
    file = write(tmp_path / "clips.json", rows)
    body = "    def answer(self, request):\n        return str(len(request.waves))\n"
    taking = model(
        tmp_path / "two.py",
        body,
        audio="AudioPolicy()",
        abilities="__import__('alm_bench').core.Abilities(max_clips=2)",
    )
    ran = alm("run", "--model", taking, "--tasks", file, "--out", tmp_path / "out", "--max-failures", "1")
    assert ran.status == 0, ran.err
    records = {record["id"]: record for record in stored(only_run(tmp_path / "out"))}
    assert [records[name]["text"] for name in "123"] == ["1", "2", None]
    assert records["3"]["reason"] == "the model takes at most 2 clips per item, this one has 3"
    any_number = model(tmp_path / "any.py", body, audio="AudioPolicy()")
    assert alm("run", "--model", any_number, "--tasks", file, "--out", tmp_path / "out2").status == 0
    assert [record["text"] for record in stored(only_run(tmp_path / "out2"))] == ["1", "2", "3"]


def test_kinds_without_options_are_parsed_and_graded_by_kind(tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "audio": "a.wav", "question": "Is it loud?", "answer": ["yes", "yes", "no"]},
        {"id": "q2", "audio": "a.wav", "question": "Is it a dog?", "answer": "no"},
        {"id": "q3", "audio": "a.wav", "question": "Which animal?", "answer": "a cow"},
        {"id": "q4", "audio": "a.wav", "question": "Which?", "choices": ["cat", "dog"], "answer": "dog"},
    ]
    file = write(tmp_path / "mixed.json", rows)
    texts = outputs(tmp_path / "o.json", {"q1": "Yes, it is.", "q2": "Yes.", "q3": "A cow.", "q4": "(B)"})
    ran = alm("run", *replay(texts), "--tasks", file, "--out", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    assert "kinds of questions: yes/no: 2, open: 1, choice: 1" in ran.err
    records = {record["id"]: record["scores"]["accuracy"] for record in stored(only_run(tmp_path / "out"))}
    assert records == {"q1": pytest.approx(2 / 3), "q2": 0.0, "q3": 1.0, "q4": 1.0}
    numbers = write(tmp_path / "n.json", [{"id": "n", "audio": "a.wav", "question": "How many dogs?", "answer": 3}])
    ran = alm(
        "run", *replay(outputs(tmp_path / "o.json", {"n": "There are three dogs."})), "--tasks", numbers, "--json"
    )
    assert ran.run["metrics"]["accuracy"]["value"] == 1.0


def test_a_plug_in_in_a_folder_runs_without_being_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert alm("new", "task", "hoots").status == 0
    ran = alm("run", "--model", "blind", "--tasks", "./hoots", "--out", "out", "--json")
    assert ran.status == 0, ran.err
    assert (ran.run["task"], ran.run["n"], ran.run["data"]) == ("hoots", 8, "real")
    Path("broken").mkdir()
    Path("broken/task.toml").write_bytes(Path("hoots/hoots_task/task.toml").read_bytes().replace(b"hoots", b"other"))
    assert "no plugin.py" in refusal(alm("run", "--model", "blind", "--tasks", "./broken", "--out", "out"))
    Path("broken/plugin.py").write_text("import nothing_of_this_name\n")
    assert "cannot import" in refusal(alm("run", "--model", "blind", "--tasks", "./broken", "--out", "out"))


def test_a_data_set_of_the_hub_is_a_task(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def snapshot_download(name: str, **_: object) -> str:
        asked.append(name)
        return str(birds.parent)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    ran = alm("run", "--model", "blind", "--tasks", "hf:somebody/many-birds", "--out", "out", "--json")
    assert ran.status == 0, ran.err
    assert ran.run["task"] == "file:many-birds"
    assert asked == ["somebody/many-birds"], "downloaded once"
