"""What is missing is met before a model works, and named with its path; lists and collections work wherever tasks are
named."""

import json
from pathlib import Path

import pytest
from small_world import alm, cle, mmau, model, only_run, outputs, questions, refusal, replay, stored, tone

ASKED = "    def answer(self, request):\n        open('asked', 'a').write('x')\n        return 'a'\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("missing", ["error", "skip"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_run_whose_clips_are_all_missing_asks_nothing(missing: str, more: tuple[str, ...]) -> None:
    mmau(Path("data"), clips=False)
    command = ("run", "--model", model(Path("m.py"), ASKED), "--tasks", "mmau", "--missing-audio", missing)
    line = refusal(alm(*command, *more))
    expected = Path("data/mmau/test-mini-audios/item-000.wav")
    assert "mmau: none of its 12 clips is there" in line
    assert str(expected) in line
    assert "alm-bench data get mmau" in line
    assert not Path("asked").exists()
    assert not list(Path().glob("results/runs/*")), "no run was begun"
    tone(expected, 300)  # one clip is enough to begin
    assert alm(*command, "--max-failures", 12).status == 0


def test_what_is_answered_is_kept_where_the_clips_went_away() -> None:
    mmau(Path("data"))
    command = ("run", "--model", model(Path("m.py"), ASKED), "--tasks", "mmau")
    assert alm(*command).status == 0
    Path("data/mmau/test-mini-audios").rename("away")
    assert "none of its 12 clips is there" in refusal(alm(*command))
    assert {row["status"] for row in stored(only_run(Path("results/runs")))} == {"ok"}


def test_a_model_without_audio_needs_no_clip() -> None:
    mmau(Path("data"), clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau").status == 0
    assert alm("run", "--model", model(Path("m.py"), ASKED, audio="None"), "--tasks", "mmau").status == 0


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_named_folder_without_the_data_fails_verification(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("empty").mkdir()
    named = ("--data", "empty") if how == "option" else ()
    if how == "variable":
        monkeypatch.setenv("ALM_BENCH_DATA", "empty")
    ran = alm("data", "verify", "mmau", *named, "--json")
    assert ran.status == 1
    (report,) = ran.json["tasks"]
    assert (report["data"], report["folder"], report["complete"]) == ("real", "empty", False)
    shown = alm("data", "info", "mmau", *named).out
    assert f"annotations: missing: {Path('empty/mmau/mmau-test-mini.json')}" in shown


def test_what_was_found_is_shown_with_its_path_and_so_is_what_is_missing() -> None:
    mmau(Path("data"))
    Path("data/mmau/test-mini-audios/item-003.wav").unlink()
    ran = alm("data", "verify", "mmau", "--data", "data")
    assert ran.status == 1
    assert "annotations: data/mmau/mmau-test-mini.json" in ran.out
    assert "missing clip mmau/test-mini-audios/item-003.wav: data/mmau/test-mini-audios/item-003.wav" in ran.out
    (report,) = alm("data", "info", "mmau", "--data", "data", "--json").json["tasks"]
    assert report["clips"]["missing_paths"] == ["data/mmau/test-mini-audios/item-003.wav"]


@pytest.mark.parametrize("command", ["info", "verify"])
def test_lists_and_collections_of_data(command: str) -> None:
    mmau(Path("data"))
    cle(Path("data"))
    found = alm("data", command, "mmau,cle", "--json")
    assert found.status == 0
    assert [report["task"] for report in found.json["tasks"]] == ["mmau", "cle"]
    found = alm("data", command, "cld,mmau", "--data", "data", "--json")
    assert [report["task"] for report in found.json["tasks"]] == ["cld-1", "cld-2", "cld-3", "mmau"]
    assert "unknown task 'cld-9'" in refusal(alm("data", command, "cle,cld-9"))
    assert "names no task" in refusal(alm("data", command, ","))


def test_lists_and_collections_of_ls() -> None:
    tasks = [row["task"] for row in alm("ls", "tasks", "--tasks", "reasonaqa,mmau", "--json").json["tasks"]]
    assert tasks == ["audiocaps-detail", "audiocaps-mcq", "clotho-detail", "clotho-mcq", "mmau"]
    mmau(Path("data"))
    cle(Path("data"))
    alm("run", "--model", "blind", "--tasks", "mmau,cle")
    assert [row["task"] for row in alm("ls", "runs", "--tasks", "cle,acd", "--json").json["runs"]] == ["cle"]
    assert alm("ls", "runs", "--tasks", "acd").out == "no runs\n"
    assert "--tasks goes with tasks and runs" in refusal(alm("ls", "models", "--tasks", "cle"))


def test_several_runs_are_scored_again() -> None:
    mmau(Path("data"))
    cle(Path("data"))
    alm("run", "--model", "blind", "--tasks", "mmau,cle")
    names = sorted(path.name for path in Path("results/runs").iterdir())
    found = alm("score", *names, "--json")
    assert [run["task"] for run in found.json["runs"]] == ["cle", "mmau"]
    shown = alm("score", *names).out
    assert ("## cle ·" in shown, "## mmau ·" in shown) == (True, True)
    assert "no run 'nothing'" in refusal(alm("score", names[0], "nothing"))


def test_a_submission_is_of_the_runs_task_among_those_named() -> None:
    mmau(Path("data"))
    texts = {row["id"]: row["answer"] for row in questions(12)}
    alm("run", *replay(outputs(Path("said.json"), texts)), "--tasks", "mmau")
    name = only_run(Path("results/runs")).name
    assert alm("submit", "cle,mmau", name).status == 0
    assert len(json.loads((Path("results/runs") / name / "submission.json").read_text())) == 12
    assert "has no official submission" in refusal(alm("submit", "cle,cld", name))
