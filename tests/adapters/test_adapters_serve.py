"""A server that is started for a run: healthy, failing, interrupted, left behind, and ended in every case."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_world import Ran, alm, mmau, only_run, refusal, stored

from alm_bench.adapters.serve.server import TOKEN, Server, find_free_port, stop_orphaned_servers
from alm_bench.core import AdapterError

FAKE = """
import base64, json, os, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

here = Path(__file__).parent
port, mode = int(sys.argv[1]), sys.argv[2]
with (here / "started").open("a") as file:
    file.write(f"{os.getpid()}\\n")
print("loading weights", flush=True)
if mode == "dies":
    print("CUDA is not here", flush=True)
    sys.exit(3)
if mode == "forks":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (here / "child").write_text(str(child.pid))
asked = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        global asked
        asked += 1
        if mode == "models alone" and self.path == "/health":
            self.reply(404, {})
        else:
            self.reply(503 if mode == "never" or asked < 3 else 200, {"data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        parts = body["messages"][-1]["content"]
        clips = [part for part in parts if part["type"] == "input_audio"] if isinstance(parts, list) else []
        words = parts if isinstance(parts, str) else parts[-1]["text"]
        if mode == "hangs" and "clip 5?" in words:
            (here / "hanging").touch()
            time.sleep(600)
        if mode == "ends" and "clip 5?" in words:
            os._exit(1)
        tokens = 20 + sum(len(clip["input_audio"]["data"]) // 1000 for clip in clips)
        text = f"a sound of {tokens}" if words.startswith("Describe") else "(a)"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self.reply(200, {"model": body["model"], "choices": [choice], "usage": {"prompt_tokens": tokens}})


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fake.py").write_text(FAKE)
    mmau(tmp_path / "data", clips=True)
    return tmp_path


def arguments(here: Path, mode: str, **options: str) -> list[str]:
    command = f"{sys.executable} {here / 'fake.py'} {{port}} '{mode}'"
    named = {"model": "tiny", "command": command, "concurrency": "1", "retries": "0", **options}
    return ["--model", "serve", *(part for key, value in named.items() for part in ("--model-arg", f"{key}={value}"))]


def run(here: Path, mode: str = "well", *more: object, **options: str) -> Ran:
    where = ("--tasks", "mmau", "--data", here / "data", "--out", here / "runs", "--json")
    return alm("run", *arguments(here, mode, **options), *where, *more)


def started(here: Path) -> list[int]:
    return [int(line) for line in (here / "started").read_text().split()] if (here / "started").exists() else []


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def notes(here: Path) -> list[Path]:
    return list((here / "cache/servers").glob("*.json"))


@pytest.mark.parametrize("mode", ["well", "models alone"])
def test_a_run_starts_one_server_and_ends_it(here: Path, mode: str) -> None:
    ran = run(here, mode)
    assert ran.status == 0, ran.err
    assert ran.run["status"]["ok"] == 12
    assert ran.run["audio_check"]["verdict"] == "delivered"
    (pid,) = started(here)
    assert not alive(pid)
    assert notes(here) == []
    assert "loading weights" in (only_run(here / "runs") / "server.log").read_text()


def test_the_port_is_no_part_of_a_run_and_a_finished_one_starts_no_server(here: Path) -> None:
    first, again = run(here), run(here)
    assert again.run == first.run
    assert len(started(here)) == 1
    identity = first.run["identity"]
    assert identity["settings"]["command"].endswith("fake.py {port} 'well'")
    assert "base_url" not in identity["settings"]


def test_a_dry_run_starts_none(here: Path) -> None:
    assert run(here, "well", "--dry-run").status == 0
    assert started(here) == []


def test_the_tasks_of_a_command_share_a_server(here: Path) -> None:
    where = ("--tasks", "mmau", "--conditions", "silence", "--data", here / "data", "--out", here / "runs", "--json")
    ran = alm("noise-ablation", *arguments(here, "well"), *where)
    assert ran.status == 0, ran.err
    (pid,) = started(here)
    assert not alive(pid)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("dies", "the server ended with status 3 before it was healthy"),
        ("never", "the server did not become healthy within start_timeout=1 seconds"),
    ],
)
def test_a_server_that_does_not_start_ends_the_run_with_its_log(here: Path, mode: str, reason: str) -> None:
    ran = run(here, mode, start_timeout="1" if mode == "never" else "60")
    assert (ran.status, ran.out) == (1, "")
    *log, line = ran.err.splitlines()
    assert line.startswith(f"alm-bench: model serve: {reason}; its log is ")
    assert "server: loading weights" in log
    assert ("server: CUDA is not here" in log) == (mode == "dies")
    assert not any(map(alive, started(here)))
    assert notes(here) == []


def test_a_server_that_ends_in_the_middle_ends_the_run_and_the_next_call_starts_another(here: Path) -> None:
    ran = run(here, "ends")
    assert (ran.status, ran.out) == (1, "")
    assert "alm-bench: model serve: the server ended; what is answered is kept" in ran.err.splitlines()[-1]
    kept = len(stored(only_run(here / "runs")))
    assert 0 < kept < 12
    assert len(started(here)) == 1


def test_what_a_server_started_ends_with_it(here: Path) -> None:
    assert run(here, "forks").status == 0
    assert not alive(int((here / "child").read_text()))


def child_run(here: Path, mode: str) -> "subprocess.Popen[str]":
    where = ["--tasks", "mmau", "--data", str(here / "data"), "--out", str(here / "runs")]
    command = [sys.executable, "-m", "alm_bench", "run", *arguments(here, mode), *where]
    default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **default)  # type: ignore[call-overload, no-any-return]


def wait_for(file: Path, process: Any) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()


def test_ctrl_c_ends_the_server(here: Path) -> None:
    process = child_run(here, "hangs")
    wait_for(here / "hanging", process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    (pid,) = started(here)
    assert not alive(pid)
    assert notes(here) == []


def test_what_a_killed_run_left_behind_is_ended_by_the_next_start(here: Path) -> None:
    process = child_run(here, "hangs")
    wait_for(here / "hanging", process)
    process.kill()
    process.communicate()
    (left,) = started(here)
    assert alive(left), "nobody could end it"
    assert len(notes(here)) == 1
    port = find_free_port()
    server = Server([sys.executable, str(here / "fake.py"), str(port), "well"], port, here / "log")
    try:
        assert not alive(left)
        server.wait(60)
        assert len(notes(here)) == 1, "that of the new one"
        stop_orphaned_servers()
        assert alive(started(here)[-1]), "a server whose owner lives stays"
    finally:
        server.stop()
    assert notes(here) == []


def test_a_note_of_another_process_with_the_number_of_the_owner_keeps_nothing(here: Path) -> None:
    """Numbers of processes come again: the time of its start tells whether it is the same one."""
    environment = {**os.environ, TOKEN: "abc"}
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment)
    (here / "cache/servers").mkdir(parents=True)
    (here / "cache/servers/abc.json").write_text(json.dumps({"owner": os.getpid(), "owner_started": 1.0}))
    stop_orphaned_servers()
    assert not alive(orphan.pid)
    orphan.wait()
    assert notes(here) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"command": "serve"}, "command must hold {port}, found 'serve'"),
        ({"command": "serve '{port}"}, "command cannot be split into words: No closing quotation"),
        ({"preset": "vllm"}, "takes command= or preset=vllm|transformers, found both"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "for a server that runs already use --model openai"),
        ({"start_timeout": "0"}, "option start_timeout takes a number above 0, found 0"),
    ],
)
def test_misuse_is_one_line(here: Path, options: dict[str, str], reason: str) -> None:
    assert reason in refusal(run(here, "well", **options))


def test_neither_command_nor_preset(here: Path) -> None:
    said = refusal(alm("run", "--model", "serve", "--model-arg", "model=x", "--tasks", "mmau", "--data", here / "data"))
    assert "takes command= or preset=vllm|transformers, found neither" in said


def test_a_command_that_is_not_there(here: Path) -> None:
    assert "cannot start no-such-server: No such file" in refusal(run(here, command="no-such-server {port}"))


def test_the_log_is_at_hand_where_a_server_is_slow(here: Path) -> None:
    server = Server([sys.executable, str(here / "fake.py"), str(find_free_port()), "dies"], 1, here / "log")
    with pytest.raises(AdapterError, match="ended with status 3"):
        server.wait(60)
    assert server.read_log_tail()[-1] == "CUDA is not here"
