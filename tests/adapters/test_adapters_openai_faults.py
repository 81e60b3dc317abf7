"""500 questions at 32 concurrent calls: a server that fails in a fifth of them, and a run that is killed meanwhile."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_server import MODEL, PASSING, REFUSALS, Server, serving
from small_world import alm, mmau, only_run, stored

COUNT, AT_ONCE = 500, 32
KEY = "sk-scripted-0123456789abcdef"
LASTING = (*REFUSALS, "wrong id", "400")
EXPECTED = {**dict.fromkeys(PASSING, "ok"), **dict.fromkeys(REFUSALS, "refused"), "wrong id": "error", "400": "error"}


def fault(item: int) -> str | None:
    """Every fifth item's, each kind as often as another."""
    kinds = (*PASSING, *LASTING)
    return kinds[item // 5 % len(kinds)] if item % 5 == 0 else None


def faulty(item: int, before: int) -> str:
    kind = fault(item)
    return kind if kind in LASTING or (kind is not None and before == 0) else "ok"


def command(server: Server, data: Path, out: Path, *arguments: str) -> list[str]:
    options = [f"base_url={server.url}", f"model={MODEL}", "api_key_env=SCRIPTED_KEY", f"concurrency={AT_ONCE}"]
    options += ["timeout=10", "deadline=300", "rate=8000", "price_in=1", "price_out=2"]
    named = [part for option in options for part in ("--model-arg", option)]
    where = ["--tasks", "mmau", "--data", str(data), "--out", str(out), "--json"]
    return ["run", "--model", "openai", *named, *where, *arguments]


def records(out: Path) -> dict[str, dict[str, Any]]:
    """By id, without timings; each id is there once."""
    rows = stored(only_run(out))
    assert len({row["id"] for row in rows}) == len(rows), "none doubled"
    return {row["id"]: {name: value for name, value in row.items() if name != "seconds"} for row in rows}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mmau(tmp_path_factory.mktemp("data"), COUNT)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def no_key_below(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def meet(calls: int) -> Callable[[Server], None]:
    """Hold the answers to the first `calls` questions until so many are open at once, however slow the client is."""
    together = threading.Event()

    def hold(server: Server) -> None:
        if server.seen.most_open >= calls:
            together.set()
        assert together.wait(300), f"only {server.seen.most_open} calls were open at once"

    return hold


def test_every_item_ends_in_its_right_status(data: Path, tmp_path: Path) -> None:
    with serving(count=COUNT) as server:
        server.hold = meet(AT_ONCE)
        whole = alm(*command(server, data, tmp_path / "whole", "--model-arg", "timeout=300"))
        assert whole.status == 0, whole.err
        assert server.seen.most_open == AT_ONCE, "as many calls at once as were asked for, and no more"
        server.hold = lambda server: None
        server.script = faulty
        server.seen.asked.clear()
        ran = alm(*command(server, data, tmp_path / "faulty", "--max-failures", "5%"))
    assert ran.status == 0, ran.err
    seen = server.seen
    assert set(seen.faults) == {"ok", *PASSING, *LASTING}, "every kind was met"
    assert seen.most_open <= AT_ONCE
    expected, found = records(tmp_path / "whole"), records(tmp_path / "faulty")
    assert list(found.keys() ^ expected.keys()) == [], "none lost"
    assert {row["status"] for row in expected.values()} == {"ok"}
    for row in found.values():
        kind = fault(row["index"])
        assert row["status"] == ("ok" if kind is None else EXPECTED[kind]), (kind, row["reason"])
        if row["status"] == "ok":
            assert row == expected[row["id"]]
        else:
            assert row["text"] is None
    reasons = " ".join(str(row["reason"]) for row in found.values())
    assert "'another-model', asked was 'scripted-audio'" in reasons
    assert "scripted 400 for Bearer [key]" in reasons, "the server told the key, and it was taken out"
    no_key_below(tmp_path)
    assert KEY not in ran.out + ran.err
    for item, times in seen.asked.items():
        kind = fault(item)
        assert len(times) == (2 if kind in PASSING else 1), kind
        if kind == "429 after":
            assert times[1] - times[0] >= 1, "as long as the server asked for"
    answered = COUNT - sum(fault(item) in ("400", "policy") for item in range(COUNT))
    usage = ran.run["usage"]
    assert (usage["calls"], usage["prompt_tokens"], usage["audio_tokens"]) == (answered, 100 * answered, 60 * answered)
    assert usage["cost"] == pytest.approx(answered * 120e-6)


def test_a_killed_run_asks_no_finished_call_again(data: Path, tmp_path: Path) -> None:
    with serving(count=COUNT) as server:
        named = command(server, data, tmp_path / "killed", "--model-arg", "timeout=300")
        killed = threading.Event()

        def hold(server: Server) -> None:
            """Half of the questions are answered before the kill, and no more."""
            if len(server.seen.bodies) > COUNT // 2:
                killed.wait(300)

        server.hold = hold
        process = subprocess.Popen(
            [sys.executable, "-c", "from alm_bench.cli.app import main; main()", *named],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while lines(tmp_path / "killed") < 120 and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
        killed.set()
        (path,) = (tmp_path / "killed").glob("*/samples.jsonl")
        kept = {json.loads(line)["index"] for line in path.read_text().split("\n")[:-1]}
        assert 120 <= len(kept) < COUNT, "it was killed in the middle"
        before = {item: len(server.seen.asked[item]) for item in kept}
        assert set(before.values()) == {1}
        resumed = alm(*named)
        assert resumed.status == 0, resumed.err
        assert {item: len(server.seen.asked[item]) for item in kept} == before, "no finished call is asked again"
        repeated = [item for item, times in server.seen.asked.items() if len(times) > 1]
        assert len(repeated) <= AT_ONCE, "but for those that were in flight"
        whole = alm(*command(server, data, tmp_path / "whole", "--model-arg", "timeout=300"))
    assert records(tmp_path / "killed") == records(tmp_path / "whole")
    ours, theirs = resumed.run, whole.run
    for run in (ours, theirs):
        del run["audio_check"]["checked_at"]
    assert ours == theirs
    no_key_below(tmp_path)


def lines(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.glob("*/samples.jsonl"))
