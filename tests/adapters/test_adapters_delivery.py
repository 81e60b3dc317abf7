"""`check`, and what a run does with its verdict, on models that hear, that lose the clip, and that do not care."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
from scripted_server import MODEL, Server, serving
from small_world import alm, mmau, model

pytest.importorskip("openai", reason="the extra `openai` is not installed")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as up:
        yield up


def at(server: Server) -> tuple[object, ...]:
    return ("--model-arg", f"base_url={server.url}", "--model-arg", f"model={MODEL}")


def run(server: Server, tmp_path: Path) -> Any:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data")
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", "openai", *at(server), *where)


@pytest.mark.parametrize(
    ("hearing", "verdict", "status"),
    [
        ("hears", "delivered", 0),
        ("drops the clip", "audio_not_delivered", 1),
        ("always says the same", "no reaction", 0),
        ("always says the same, counts nothing", "audio_not_delivered", 1),
    ],
)
def test_a_model_behind_a_server(server: Server, tmp_path: Path, hearing: Any, verdict: str, status: int) -> None:
    server.hearing = hearing
    ran = alm("check", "openai", *at(server), "--json")
    assert (ran.status, ran.json["verdict"]) == (status, verdict), ran
    ran = run(server, tmp_path)
    assert ran.status == status
    if status:
        assert ran.out == ""
        assert ran.err.splitlines()[-1].startswith(f"alm-bench: audio_not_delivered: {MODEL}")
        assert not server.seen.bodies, "no question was asked"
    else:
        assert ran.run["audio_check"]["verdict"] == verdict
        assert ran.run["status"]["ok"] == 12
        assert ("audio: no reaction" in ran.err) == (verdict == "no reaction")


def test_a_tiny_checkpoint_gets_its_audio(tmp_path: Path) -> None:
    name, build = next(iter(tiny_hf.BASE.items()))
    ran = alm("check", "hf", "--model-arg", f"path={build(tmp_path / name)}", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["verdict"] == "delivered"
    counted = {said["sound"]: said["tokens"].get("audio_tokens", 0) for said in ran.json["answers"]}
    assert counted["tone"] > 0
    assert counted["no clip"] == 0


def test_models_without_audio_have_nothing_to_be_delivered(tmp_path: Path) -> None:
    said = alm("check", "blind")
    assert said.status == 0
    assert said.out == "blind[first]: not checked (blind[first] takes no audio)\n"


def test_what_the_model_says_of_each_sound_is_shown(tmp_path: Path) -> None:
    level = "f'{abs(request.waves[0]).mean():.2f}' if request.waves else '-'"
    body = f"    def answer(self, request):\n        return {level}\n"
    said = alm("check", model(tmp_path / "loud.py", body)).out
    assert said.startswith("Describe the sound in a few words.\n")
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in said.splitlines() if line.startswith("| ")][1:]
    assert dict(rows) == {
        "tone": "0.19", "noise": "0.05", "silence": "0.00", "clicks": "0.00", "tone, again": "0.19", "no clip": "-",
        "30 s of a tone": "0.19", "30 s of a tone, then 15 s of noise": "0.14",
    }  # fmt: skip
    assert said.split("\n\n")[-2:] == [
        "Model: delivered (answers to a tone and to noise differ)",
        "Long clips: heard beyond 30 s (the answers to 30 s and to 45 s differ)\n",
    ]
