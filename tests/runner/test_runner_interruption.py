"""A run that is killed at any moment, or stopped by Ctrl-C, ends in the same tables as one that was left alone."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, model, only_run, stored

from alm_bench.cli.progress import Progress
from alm_bench.records.schema import Record

COUNT = 120
# Slow enough to be killed in the middle, and it never ends where it is told to hold at an item: whoever interrupts it
# may take as long as a busy machine makes him. Every fifth item fails whenever it is asked, by what its id hashes to.
SLOW = """
    def generate(self, batch, decoding):
        time.sleep(float(os.environ.get("NAP", "0.012")))
        if any(request.id == os.environ.get("HOLD") for request in batch):
            time.sleep(600)
        outputs = []
        for request in batch:
            draw = zlib.crc32(request.id.encode())
            error = "no luck" if draw % 5 == 0 else None
            outputs.append(Output(None if error else "abcd"[draw % 4] * (draw % 7 > 0), error=error))
        return outputs
"""


def arguments(root: Path, out: str) -> list[str]:
    if not (root / "data").exists():
        mmau(root / "data", COUNT, clips=False)
        model(root / "slow.py", SLOW, audio="None")
    named = ["--model", f"{root / 'slow.py'}:Model", "--tasks", "mmau", "--data", str(root / "data")]
    return ["run", *named, "--out", str(root / out), "--batch-size", "3"]


def started(root: Path, out: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", "from alm_bench.cli.app import main; main()", *arguments(root, out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        # Where the tests run in a shell's background, Ctrl-C is ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def lines(root: Path, out: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (root / out).glob("*/samples.jsonl"))


def answered(root: Path, out: str) -> int:
    """Lines that opening the folder again does not drop."""
    texts = [path.read_text() for path in (root / out).glob("*/samples.jsonl")]
    return sum(line.endswith("}") and '"status": "error"' not in line for text in texts for line in text.split("\n"))


def wait_for_lines(root: Path, out: str, count: int, process: "subprocess.Popen[str]") -> None:
    while answered(root, out) < count and process.poll() is None:
        time.sleep(0.003)


def left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ran, Any]:
    monkeypatch.setenv("NAP", "0")
    ran = alm(*arguments(root, "whole"))
    return ran, summary(root, "whole")


def summary(root: Path, out: str) -> str:
    return (only_run(root / out) / "summary.json").read_text()


def test_killed_ten_times_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(20)
    killed_at = []
    for _ in range(10):
        # each goes on where the one before was killed; some do not get past opening the folder
        kept = answered(tmp_path, "killed")
        process = started(tmp_path, "killed", NAP="0.02", HOLD="item-100")
        wait_for_lines(tmp_path, "killed", kept + draw.choice([0, 1, 3, 5, 8]), process)
        time.sleep(draw.random() * 0.03)
        process.kill()
        process.communicate()
        killed_at.append(lines(tmp_path, "killed"))
    assert len(set(killed_at)) > 3, killed_at
    assert 0 < killed_at[-1] < COUNT, "it was killed in the middle"
    assert not list((tmp_path / "killed").glob("*/summary.json")), "unfinished"
    whole, expected = left_alone(tmp_path, monkeypatch)
    resumed = alm(*arguments(tmp_path, "killed"))
    assert (resumed.status, whole.status) == (1, 1), "some items fail every time"
    assert resumed.out == whole.out
    assert summary(tmp_path, "killed") == expected
    rows = stored(only_run(tmp_path / "killed"))
    assert sorted(row["id"] for row in rows) == [f"item-{i:03}" for i in range(COUNT)]
    assert {row["status"] for row in rows} == {"ok", "unparsed", "error"}


def test_ctrl_c_prints_what_there_is_and_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(tmp_path, "stopped", NAP="0.05", HOLD="item-060")
    wait_for_lines(tmp_path, "stopped", 6, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    done = lines(tmp_path, "stopped")
    assert process.returncode == 130, err
    assert 6 <= done < COUNT
    assert f"PARTIAL: {done} of {COUNT} items" in out
    assert re.search(rf"\| mmau \(partial\) +\| Model +\| +{done} +\|", out), out
    assert err.splitlines()[-2:] == [
        "all finished items are kept: the same command resumes the run",
        "alm-bench: interrupted",
    ]
    assert "Traceback" not in err
    assert not list((tmp_path / "stopped").glob("*/summary.json"))
    assert "not finished" in alm("ls", "runs", "--out", tmp_path / "stopped").out
    whole, expected = left_alone(tmp_path, monkeypatch)
    resumed = alm(*arguments(tmp_path, "stopped"))
    assert (resumed.out, summary(tmp_path, "stopped")) == (whole.out, expected)


def test_a_fresh_run_goes_on_without_fresh(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    name = model(tmp_path / "stopped.py", "\n    def answer(self, request):\n        raise KeyboardInterrupt\n")
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--fresh")
    ran = alm("run", "--model", name, *where)
    assert ran.status == 130
    assert "all finished items are kept: the same command without --fresh resumes the run" in ran.err


def test_what_is_shown_as_done_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def update(self: Progress, records: Sequence[Record]) -> None:
        shown = {record.sample.id for record in records}
        text = (only_run(tmp_path / "runs") / "samples.jsonl").read_text(encoding="utf-8")
        lines = text.split("\n")[:-1]  # whole ones: the next batch may just be written
        seen.append(shown <= {json.loads(line)["id"] for line in lines})

    monkeypatch.setattr(Progress, "update", update)
    monkeypatch.setenv("NAP", "0")
    assert alm(*arguments(tmp_path, "runs")).status == 1
    assert len(seen) > 10
    assert all(seen)


def test_ctrl_c_with_json_is_one_partial_object(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 9, clips=False)
    stop = "        if request.id == 'item-004': raise KeyboardInterrupt\n        return 'a'\n"
    name = model(tmp_path / "m.py", f"    def answer(self, request):\n{stop}", audio="None")
    where = ("--data", tmp_path / "data", "--out", tmp_path / "runs", "--batch-size", 1)
    ran = alm("run", "--model", name, "--tasks", "mmau,mmau", *where, "--json")
    assert ran.status == 130
    assert (ran.run["partial"], ran.run["n"], ran.run["items"]) == (True, 4, 9)


def test_ctrl_c_while_the_model_loads_is_one_line(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 2, clips=False)
    name = model(tmp_path / "m.py", "    def __init__(self, options, runtime):\n        raise KeyboardInterrupt\n")
    ran = alm("run", "--model", name, "--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs")
    assert (ran.status, ran.out, ran.err) == (130, "", "alm-bench: interrupted\n")


def test_a_full_disk_in_the_middle_is_one_line_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, expected = left_alone(tmp_path, monkeypatch)
    command = arguments(tmp_path, "full")
    real = os.write
    room = [12_000]

    def write(handle: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        room[0] -= len(data)
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        ran = alm(*command)
    assert (ran.status, ran.out) == (1, "")
    last = ran.err.splitlines()[-1]
    assert last.startswith("alm-bench: cannot write ")
    assert "the disk is full: free some space and run the same command again" in last
    assert 0 < len(stored(only_run(tmp_path / "full"))) < COUNT
    assert alm(*command).out == whole.out
    assert summary(tmp_path, "full") == expected


def test_a_second_run_of_the_same_spec_waits_for_nobody(tmp_path: Path) -> None:
    process = started(tmp_path, "busy", NAP="0.3")
    try:
        wait_for_lines(tmp_path, "busy", 3, process)
        ran = alm(*arguments(tmp_path, "busy"))
    finally:
        process.kill()
        process.communicate()
    assert (ran.status, ran.out) == (1, "")
    assert f"is being written by process {process.pid}: wait for it, or end it" in ran.err
    assert len(ran.err.splitlines()) == 1
