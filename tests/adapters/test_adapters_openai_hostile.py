"""Replies that no sound server sends: each fails its own item, and nothing that is stored is broken by it."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import MODEL, Server, serving
from small_world import Ran, alm, mmau, only_run, stored

COUNT, BAD = 6, 2
MB = 10**6


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(lambda item, before: "raw" if item == BAD else "ok") as started:
        yield started


def run(tmp_path: Path, server: Server, *arguments: object, **options: object) -> Ran:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data", COUNT, clips=False)
    named = {"model": MODEL, "base_url": server.url, "audio": "none", "retries": 0, **options}
    pairs = [part for key, value in named.items() for part in ("--model-arg", f"{key}={value}")]
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", "openai", *pairs, *where, *arguments)


def completion(content: str = '"Dog"', usage: str = "null", more: str = "") -> bytes:
    """The bytes of a reply, parts of them written by hand."""
    choice = f'{{"message": {{"content": {content}{more}}}, "finish_reason": "stop"}}'
    return f'{{"model": "{MODEL}", "choices": [{choice}], "usage": {usage}}}'.encode()


def strict(path: Path) -> list[Any]:
    """The JSON of a file's lines; fails for NaN and for what is not UTF-8."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in {path}")

    text = path.read_bytes().decode()
    return [
        json.loads(part, parse_constant=refuse) for part in (text.splitlines() if path.suffix == ".jsonl" else [text])
    ]


def check_only_one_failed(tmp_path: Path, ran: Ran, reason: str) -> None:
    assert ran.status == 1, ran.err
    assert ran.run["status"]["error"] == 1, ran.run["reasons"]
    assert "Traceback" not in ran.err
    rows = {row["index"]: row for row in stored(only_run(tmp_path / "runs"))}
    assert {index for index, row in rows.items() if row["status"] == "error"} == {BAD}
    assert len(rows) == COUNT
    assert reason in rows[BAD]["reason"]
    for path in only_run(tmp_path / "runs").glob("*.json*"):
        strict(path)


DEEP = "[" * 50_000 + "]" * 50_000
HUGE = "9" * 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(completion(more=f', "x": {DEEP}'), "nested too deeply", id="deep"),
        pytest.param(completion(usage='{"prompt_tokens": ' + "9" * 5000 + "}"), "is no JSON", id="5000-digits"),
        pytest.param(
            completion(usage=f'{{"prompt_tokens": {HUGE}, "completion_tokens": 1}}'),
            "usage has prompt_tokens of about 400 digits, expected a whole number from 0 to 10^12",
            id="400-digits",
        ),
        pytest.param(completion(usage='{"prompt_tokens": -1}'), "usage has prompt_tokens -1", id="negative"),
        pytest.param(completion(usage='{"prompt_tokens": 1e400}'), "usage has prompt_tokens inf", id="float"),
        pytest.param(completion(usage='{"completion_tokens": true}'), "usage has completion_tokens True", id="bool"),
        pytest.param(completion(usage='{"prompt_tokens": "12"}'), "usage has prompt_tokens '12'", id="text"),
        pytest.param(completion(usage="[1]"), "usage has a list in its place, expected an object", id="list"),
        pytest.param(completion(usage='{"prompt_tokens_details": 5}'), "a int as prompt_tokens_details", id="details"),
        pytest.param(completion(usage='{"cost": NaN}'), "usage has cost nan, expected US dollars", id="nan"),
        pytest.param(completion(usage='{"cost": 1e999}'), "usage has cost inf", id="infinity"),
        pytest.param(completion(usage=f'{{"cost": {HUGE}}}'), "usage has cost of about 400 digits", id="huge-cost"),
        pytest.param(completion(usage='{"cost": "1"}'), "usage has cost '1'", id="text-cost"),
        pytest.param(completion(content="5"), "content is no text, found int", id="number"),
        pytest.param(b"\xff\xfe\x00", "is no JSON", id="bytes"),
        pytest.param(b'{"error": ' + DEEP.encode() + b"}", "nested too deeply", id="deep-error"),
    ],
)
def test_a_reply_that_is_none_fails_its_item(server: Server, tmp_path: Path, body: bytes, reason: str) -> None:
    server.raw = (200, {}, body)
    check_only_one_failed(tmp_path, run(tmp_path, server), reason)


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_page_without_end_fails_its_item(server: Server, tmp_path: Path, status: int) -> None:
    server.raw = (status, {}, b'{"error": ' + DEEP.encode() + b"}")
    check_only_one_failed(tmp_path, run(tmp_path, server), f"the server answered {status}: ")


def test_half_a_surrogate_pair_is_stored_as_utf8(server: Server, tmp_path: Path) -> None:
    server.raw = (200, {}, completion(content='"Dog \\ud800"', more=', "reasoning": "\\udfff"'))
    ran = run(tmp_path, server, "--strategy", "plain")
    assert ran.status == 0, ran.err
    folder = only_run(tmp_path / "runs")
    (row,) = [row for row in strict(folder / "samples.jsonl") if row["index"] == BAD]
    assert (row["text"], row["extra"]["reasoning"]) == ("Dog ?", "\udfff")


def test_half_a_surrogate_pair_in_a_question_reaches_the_server(server: Server, tmp_path: Path) -> None:
    mmau(tmp_path / "data", COUNT, clips=False)
    (file,) = (tmp_path / "data/mmau").glob("*.json")
    file.write_text(file.read_text().replace("clip 4?", "clip 4? \\\\ud800".replace("\\\\", "\\")), encoding="utf-8")
    server.script = lambda item, before: "ok"
    ran = run(tmp_path, server)
    assert ran.status == 0, ran.err
    assert "clip 4? ?" in " ".join(body["messages"][-1]["content"] for body in server.seen.bodies)


def test_half_a_surrogate_pair_in_the_audio_check(server: Server, tmp_path: Path) -> None:
    """What a model says of the probe sounds stands in run.json."""
    mmau(tmp_path / "data", COUNT)
    server.script = lambda item, before: "ok"
    server.said = "\ud800 {}"
    ran = run(tmp_path, server, audio="input_audio", rate=8000)
    assert ran.status == 0, ran.err
    assert strict(only_run(tmp_path / "runs") / "run.json")


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_is_bounded_after_it_is_unpacked(server: Server, tmp_path: Path, packed: bool) -> None:
    """60 MB of one letter are 60 kB of gzip."""
    body = completion(content='"' + "a" * (60 * MB if packed else MB // 5) + '"')
    server.raw = (200, {"content-encoding": "gzip"} if packed else {}, gzip.compress(body) if packed else body)
    ran = run(tmp_path, server, max_reply_mb=0.1, retries=3)
    check_only_one_failed(tmp_path, ran, "the reply has more than max_reply_mb=0.1 MB")
    assert len(server.seen.asked[BAD]) == 1, "it is not paid for again"
    if not packed:
        assert run(tmp_path, server, max_reply_mb=1).status == 0, "the item is tried again"
        only_run(tmp_path / "runs")  # the bound is no part of what a run is


def test_a_packed_reply_is_read(server: Server, tmp_path: Path) -> None:
    server.raw = (200, {"content-encoding": "gzip"}, gzip.compress(completion()))
    assert run(tmp_path, server).status == 0


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("br", b"x", "the reply is compressed as 'br', which was not asked for"),
        ("gzip", gzip.compress(completion(), mtime=0)[:-20], "breaks off"),
        ("gzip", b"no gzip at all", "Error -3 while decompressing"),
    ],
    ids=["another encoding", "cut", "no gzip"],
)
def test_a_reply_that_is_packed_badly(server: Server, tmp_path: Path, encoding: str, body: bytes, reason: str) -> None:
    server.raw = (200, {"content-encoding": encoding}, body)
    check_only_one_failed(tmp_path, run(tmp_path, server), reason)


@pytest.mark.parametrize("after", ["²", "-5", "nan", "inf", "1e-3", "9" * 400, "Thu, 99 Foo 0000 99:99:99 GMT", ""])
def test_odd_times_to_come_back(server: Server, tmp_path: Path, after: str) -> None:
    server.raw = (503, {"retry-after": after}, b"{}")
    server.script = lambda item, before: "raw" if item == BAD and before == 0 else "ok"
    ran = run(tmp_path, server, retries=1)
    assert "Traceback" not in ran.err
    assert ran.run["status"]["error"] <= 1
    assert ran.run["status"]["ok"] >= COUNT - 1


def test_a_redirect_ends_the_run_with_one_line(server: Server, tmp_path: Path) -> None:
    server.raw = (308, {"location": "http://me:sesame-open@elsewhere.invalid/v1?key=sesame-open"}, b"")
    server.script = lambda item, before: "raw"
    ran = run(tmp_path, server)
    assert (ran.status, ran.out) == (2, ""), ran.err
    assert f"{server.url} redirects to http://[set]@elsewhere.invalid/v1?key=[set]: name that" in ran.err
    assert "sesame" not in ran.err


SECRET, OTHER = "sesame-0123456789", "another-9876543210"


def test_a_secret_of_the_body_is_stored_nowhere_and_is_no_part_of_the_run(server: Server, tmp_path: Path) -> None:
    def body(secret: str) -> str:
        return json.dumps({"provider": {"api_key": secret}, "headers": {"X-Auth-Token": secret}, "top_k": 3})

    server.raw = (400, {}, f'{{"error": "no such key: {SECRET}"}}'.encode())
    ran = run(tmp_path, server, extra_body=body(SECRET))
    check_only_one_failed(tmp_path, ran, "no such key: [set]")
    assert server.seen.bodies[0]["provider"] == {"api_key": SECRET}, "it is sent all the same"
    server.script = lambda item, before: "ok"
    again = run(tmp_path, server, extra_body=body(OTHER))
    assert again.status == 0, again.err
    folder = only_run(tmp_path / "runs")
    assert len(server.seen.bodies) == COUNT + 1, "another key is no other run"
    found = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    shown = ran.out + ran.err + again.out + again.err + alm("show", folder).out + alm("leaderboard", folder.parent).out
    for secret in (SECRET, OTHER):
        assert secret.encode() not in found
        assert secret not in shown
    assert "[set]" in json.loads((folder / "run.json").read_text())["spec"]["model_options"]["extra_body"]
    run(tmp_path, server, extra_body=body(OTHER).replace("3", "4"))
    assert len(list((tmp_path / "runs").iterdir())) == 2, "other fields are part of it"


PRICES = {"price_in": 1_000_000, "price_out": 1_000_000}  # a token is a dollar


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 5}])
def test_calls_whose_tokens_are_not_told_cost_their_estimate(server: Server, tmp_path: Path, usage: Any) -> None:
    """And end a run at its limit."""
    server.script, server.reply = (lambda item, before: "ok"), {"usage": usage}
    options = {**PRICES, "concurrency": 1}
    ran = run(tmp_path, server, "--max-cost", 60, "--max-new-tokens", 10, **options)
    assert ran.status == 1, ran.err
    assert 0 < len(server.seen.bodies) < COUNT
    taken = ran.run["usage"]
    assert taken["estimated_calls"] == taken["calls"] == len(server.seen.bodies)
    assert taken["cost"] >= 60
    said = [line for line in ran.err.splitlines() if "their cost is estimated" in line]
    assert len(said) == 1
    assert f"({taken['cost']:.4f} of it estimated)" in ran.err
    pairs = {"model": MODEL, "base_url": server.url, "audio": "none", **options}
    named = [part for key, value in pairs.items() for part in ("--model-arg", f"{key}={value}")]
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--max-new-tokens", 10)
    assert f"USD (estimated for {COUNT} calls whose tokens" in alm("run", "--model", "openai", *named, *where).out
