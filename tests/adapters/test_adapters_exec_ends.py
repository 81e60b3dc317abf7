"""Nothing is left behind: a worker and what it started end with the run, however that ends."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_world import mmau, soon

from alm_bench.core import Decoding, Request, Runtime
from alm_bench.plugins import catalogue

WORKER = """
import json, os, subprocess, sys, time
here = os.path.dirname(__file__)
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
open(os.path.join(here, "pids"), "w").write(f"{os.getpid()} {child.pid}")
print(json.dumps({"alm_bench": 1, "name": "tester", "audio": None}), flush=True)
for line in sys.stdin:
    item = json.loads(line)["id"]
    if item == "item-003":
        open(os.path.join(here, "slow"), "w")
        while not os.path.exists(os.path.join(here, "go on")):
            time.sleep(0.05)
    print(json.dumps({"id": item, "text": "a"}), flush=True)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def command(tmp_path: Path) -> str:
    (tmp_path / "worker.py").write_text(WORKER)
    return shlex.join([sys.executable, "-I", "-S", str(tmp_path / "worker.py")])


def pids(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "pids").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize(("number", "ends"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)])
def test_a_run_that_is_ended_leaves_no_worker(tmp_path: Path, number: int, ends: int) -> None:
    """Ctrl-C ends the worker at once, with its children; whoever kills alm-bench leaves a worker at its input's end."""
    mmau(tmp_path / "data", clips=False)
    program = [sys.executable, "-m", "alm_bench", "run", "--model", "exec", "--model-arg"]
    program += [f"command={command(tmp_path)}", "--tasks", "mmau", "--data", str(tmp_path / "data")]
    ran = subprocess.Popen(
        program,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a script, SIGINT is ignored, which a child would inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert soon(lambda: (tmp_path / "slow").exists())
        ran.send_signal(number)
        _, err = ran.communicate(timeout=60)
        worker, child = pids(tmp_path)
        if number != signal.SIGINT:
            (tmp_path / "go on").touch()
        assert soon(lambda: not alive(worker))
        if number == signal.SIGINT:
            assert soon(lambda: not alive(child))
            assert "all finished items are kept" in err
        assert ran.returncode == ends
    finally:
        for pid in pids(tmp_path):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_worker_that_hangs_and_one_that_is_not_needed_any_more_are_ended(tmp_path: Path) -> None:
    options = {"command": command(tmp_path), "timeout": "4"}
    adapter = catalogue().get_adapter("exec").create(options, Runtime())
    first = pids(tmp_path)
    hung, other = adapter.generate([Request("item-003", "?"), Request("item-004", "?")], Decoding())
    assert hung.error == "the worker gave no reply for 4 s"
    assert other.text == "a"
    second = pids(tmp_path)
    assert first[0] != second[0]
    assert not any(map(alive, first))
    assert all(map(alive, second))
    del adapter
    assert soon(lambda: not any(map(alive, second)))
