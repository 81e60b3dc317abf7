"""Errors after which no call can succeed end a run at its first question, and say what to set."""

import json
from pathlib import Path

import pytest
from scripted_server import MODEL, Server
from small_world import Ran, alm, mmau


def run(server: Server, tmp_path: Path, **options: str) -> Ran:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data")
    named = {"base_url": server.url, "model": MODEL, **options}
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", "openai", *(p for k, v in named.items() for p in ("--model-arg", f"{k}={v}")), *where)


def error(message: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "code": code}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, error("This model does not support audio input."), "the server does not take audio as input_audio"),
        (400, error("At most 0 audio(s) may be provided in one prompt."), "start it with audio support"),
        (422, error("Unknown content part type: input_audio"), "set audio= to audio_url or input_audio_url"),
        (
            500,
            error("audio input is not supported - hint: provide the mmproj"),
            "or set audio=none for a text-only run",
        ),
        (400, error("Audio modality unsupported for this deployment"), "the server does not take audio"),
        (429, error("You exceeded your current quota", "insufficient_quota"), "the account's quota is used up"),
        (402, error("Payment required"), "name another key with api_key_env="),
        (400, error("no", "model_not_found"), "set model= to a name that the server has"),
        (400, error("Invalid model name passed in model=x"), "set model= to a name that the server has"),
    ],
)
def test_the_run_ends_at_its_first_question(
    server: Server, tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    server.probe_reply = (status, {}, body)
    ran = run(server, tmp_path, **({"retries": "0"} if status == 500 else {}))
    assert (ran.status, ran.out) == (2, "")
    line = ran.err.splitlines()[-1]
    assert line.startswith(f"alm-bench: model openai: the server answered {status}: ")
    assert said in line
    assert server.probes == 1, "what waiting does not change is not asked again"
    assert not server.seen.bodies, "no question was asked"


def test_a_fault_of_the_clip_after_an_answer_fails_its_item_alone(server: Server, tmp_path: Path) -> None:
    server.raw = (400, {}, error("audio format not supported: the file cannot be decoded"))
    server.script = lambda item, before: "raw" if item == 3 else "ok"
    ran = run(server, tmp_path)
    assert ran.status == 1
    assert ran.run["status"]["error"] == 1
    assert ran.run["status"]["ok"] == 11
    assert "audio format not supported" in next(iter(ran.run["reasons"]))


def test_a_quota_that_ends_in_the_middle_ends_the_run(server: Server, tmp_path: Path) -> None:
    server.raw = (429, {}, error("You exceeded your current quota", "insufficient_quota"))
    server.script = lambda item, before: "raw" if item >= 6 else "ok"
    ran = run(server, tmp_path, concurrency="1")
    assert (ran.status, ran.out) == (2, "")
    assert "the account's quota is used up" in ran.err.splitlines()[-1]
    assert len(server.seen.bodies) == 7
    server.script = lambda item, before: "ok"
    again = run(server, tmp_path, concurrency="1")
    assert (again.status, again.run["status"]["ok"]) == (0, 12)
    assert len(server.seen.bodies) == 13, "answers that came are kept"


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.script = lambda item, before: "429" if before == 0 and item == 2 else "ok"
    ran = run(server, tmp_path)
    assert (ran.status, ran.run["status"]["ok"]) == (0, 12)


def test_a_text_only_run_is_not_judged_by_audio(server: Server, tmp_path: Path) -> None:
    server.raw = (400, {}, error("This model does not support audio input."))
    server.script = lambda item, before: "raw" if item == 0 else "ok"
    ran = run(server, tmp_path, audio="none")
    assert ran.run["status"]["ok"] == 11
