"""What a run would cost is told before it is asked, and a limit ends it with every answer kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import MODEL, Server, serving
from small_world import Ran, alm, cle, mmau, model, refusal

from alm_bench.audio import compute_loaded_duration, load
from alm_bench.core import AudioPolicy, AudioRef

PRICES = {"price_in": 10_000, "price_out": 100_000}  # a call of 100 and 10 tokens: 2 USD
A_CALL = 2.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as started:
        yield started


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return cle(mmau(tmp_path / "data"))


def run(data: Path, url: str, *arguments: object, command: str = "run", **options: object) -> Ran:
    named = {"model": MODEL, "base_url": url, "concurrency": 1, **PRICES, **options}
    pairs = [part for key, value in named.items() for part in ("--model-arg", f"{key}={value}")]
    where = ("--data", data, "--out", data.parent / "runs", "--json")
    return alm(command, "--model", "openai", *pairs, *where, "--tasks", "mmau", *arguments)


def test_a_limit_ends_the_run_and_a_higher_one_goes_on(server: Server, data: Path) -> None:
    ran = run(data, server.url, "--max-cost", 5)
    assert ran.status == 1
    assert (ran.run["partial"], ran.run["n"], ran.run["usage"]["cost"]) == (True, 3, 3 * A_CALL)
    last = ran.err.splitlines()[-1]
    assert last.startswith("alm-bench: mmau: --max-cost 5 is reached with 6.0000 USD spent, 9 of 12 items are not")
    assert not list((data.parent / "runs").glob("*/summary.json"))
    again = run(data, server.url, "--max-cost", 5)
    assert (again.status, again.run["n"], len(server.seen.bodies)) == (1, 3, 3), "what is stored counts"
    whole = run(data, server.url, "--max-cost", 100)
    assert whole.status == 0, whole.err
    assert (whole.run["partial"], whole.run["n"], len(server.seen.bodies)) == (False, 12, 12), "none asked twice"
    assert run(data, server.url).run == whole.run, "the limit is no part of what a run is"
    assert run(data, server.url, "--max-cost", 1).status == 0, "a finished run asks nothing"


def test_the_limit_is_of_all_tasks_together(server: Server, data: Path) -> None:
    ran = run(data, server.url, "--max-cost", 26, "--tasks", "mmau,cle")
    assert ran.status == 1
    assert [(one["task"], one["n"]) for one in ran.json["runs"]] == [("mmau", 12), ("cle", 1)]
    ended = run(data, server.url, "--max-cost", 24, "--tasks", "mmau,cle", "--limit", 12)
    assert ended.status == 1
    assert [(one["task"], one["n"]) for one in ended.json["runs"]] == [("mmau", 12), ("cle", 0)]


def test_what_is_open_is_finished_and_stored(server: Server, data: Path) -> None:
    ran = run(data, server.url, "--max-cost", 1, concurrency=4)
    assert ran.status == 1
    assert 1 <= ran.run["n"] == len(server.seen.bodies) <= 4 + 1


def test_a_limit_needs_prices(data: Path) -> None:
    line = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--data", data, "--max-cost", 1))
    assert "what a call of blind[first] costs is not known" in line
    assert "above 0, found 0" in refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--max-cost", 0))


def test_noise_ablation_keeps_to_it(server: Server, data: Path) -> None:
    asked = ("--conditions", "silence", "--max-cost", 30)
    ran = run(data, server.url, *asked, command="noise-ablation")
    assert ran.status == 1
    assert "mmau: --max-cost 30 is reached" in ran.err
    assert len(server.seen.bodies) == 15
    (clean, silence) = run(data, server.url, *asked, "--dry-run", command="noise-ablation").json["runs"]
    assert (clean["calls"], clean["stored"], silence["condition"], silence["calls"]) == (0, 12, "silence", 9)


def test_a_dry_run_asks_nobody(data: Path) -> None:
    ran = run(data, "http://127.0.0.1:1/v1", "--dry-run", "--tasks", "mmau,cle", "--max-new-tokens", 8)
    assert ran.status == 0, ran.err
    assert ran.json["dry_run"] is True
    first, second = ran.json["runs"]
    assert (first["task"], first["items"], first["calls"], second["calls"]) == ("mmau", 12, 12, 15)
    assert first["audio_minutes"] == pytest.approx(12 * 0.3 / 60)
    assert first["audio_tokens"] == 12 * 8, "0.3 s at 25 tokens a second, whole ones"
    assert first["completion_tokens"] == 12 * 8
    assert first["cost"] == pytest.approx((first["prompt_tokens"] * 10_000 + 96 * 100_000) / 1e6)
    assert ran.json["total"]["cost"] == pytest.approx(first["cost"] + second["cost"])
    assert not (data.parent / "runs").exists(), "nothing is written"


def test_a_dry_run_counts_what_is_left(server: Server, data: Path) -> None:
    run(data, server.url, "--max-cost", 5)
    (left,) = run(data, server.url, "--dry-run").json["runs"]
    assert (left["items"], left["stored"], left["calls"]) == (12, 3, 9)
    (fresh,) = run(data, server.url, "--dry-run", "--fresh").json["runs"]
    assert (fresh["stored"], fresh["calls"]) == (0, 12)
    assert len(server.seen.bodies) == 3


def test_a_dry_run_of_any_model(data: Path) -> None:
    """Characters by four; an unreadable clip is no call; minutes follow the model's policy."""
    sorted((data / "mmau").rglob("*.wav"))[0].unlink()
    body = "    def answer(self, request):\n        raise AssertionError\n"
    name = model(data.parent / "m.py", body, audio="AudioPolicy(seconds=5, short='zeros')")
    ran = alm("run", "--model", name, "--tasks", "mmau", "--data", data, "--dry-run", "--json")
    (told,) = ran.json["runs"]
    assert (told["calls"], told["unusable"], told["cost"]) == (11, 1, None)
    assert told["audio_minutes"] == pytest.approx(11 * 5 / 60, abs=1e-3)
    assert 11 * 10 < told["prompt_tokens"] < 11 * 60
    shown = alm("run", "--model", name, "--tasks", "mmau,cle", "--data", data, "--dry-run").out
    assert "11 (1 unusable)" in shown
    assert shown.splitlines()[-1].startswith("| all ")


POLICIES = [
    AudioPolicy(rate=8_000),
    AudioPolicy(rate=16_000, seconds=0.2),
    AudioPolicy(rate=8_000, seconds=1.0, short="keep"),
    AudioPolicy(rate=8_000, seconds=1.0, short="repeat"),
    AudioPolicy(rate=8_000, max_seconds=0.1),
]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_a_header_tells_how_long_the_wave_is(policy: AudioPolicy, data: Path) -> None:
    clip = sorted((data / "mmau").rglob("*.wav"))[0]
    ref = AudioRef("clip", clip)
    assert compute_loaded_duration(ref, policy) == pytest.approx(load(ref, policy).wave.size / policy.rate, abs=1e-3)


def test_usage_stands_in_the_report_and_in_the_stored_summary(server: Server, data: Path) -> None:
    run(data, server.url)
    (path,) = (data.parent / "runs").glob("*/summary.json")
    (summary,) = json.loads(path.read_text())["runs"]
    sums: dict[str, Any] = {"calls": 12, "prompt_tokens": 1200, "audio_tokens": 720, "completion_tokens": 120}
    assert summary["usage"] == {**sums, "estimated_calls": 0, "cost": 24.0}
    arguments = ("--tasks", "mmau", "--data", data, "--out", data.parent / "runs")
    pairs = {"model": MODEL, "base_url": server.url, **PRICES}
    named = [part for key, value in pairs.items() for part in ("--model-arg", f"{key}={value}")]
    shown = alm("run", "--model", "openai", *named, *arguments).out
    assert "usage: 1,200 prompt tokens (720 of audio), 120 completion tokens, 24.0000 USD in 12 calls" in shown
    blind = alm("run", "--model", "blind", *arguments, "--json")
    assert blind.run["usage"] is None
