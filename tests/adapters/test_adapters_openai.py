"""What is sent to an OpenAI-compatible server, how its replies are read, and what ends a run."""

import base64
import io
import json
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scripted_server import MODEL, Server, text_of
from small_world import Ran, alm, mmau, only_run, refusal, stored

from alm_bench.cli.progress import Progress
from alm_bench.core import AudioRef, Decoding, Request, Runtime
from alm_bench.plugins import catalogue
from alm_bench.records.schema import Record

KEY = "sk-scripted-0123456789abcdef"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def made(server: Server, **options: str) -> Any:
    named = {"base_url": server.url, "model": MODEL, "rate": "8000", **options}
    return catalogue().get_adapter("openai").create(named, Runtime())


def waves(*seconds: float) -> tuple[Any, ...]:
    return tuple(np.full(round(8000 * s), 0.25, np.float32) for s in seconds)


def asked(server: Server, decoding: Decoding | None = None, clips: tuple[float, ...] = (0.1,), **options: str) -> Any:
    """The output of one call, and the body that the server got."""
    refs = tuple(AudioRef(str(n), Path(f"{n}.wav")) for n in range(len(clips)))
    request = Request("one", "What is heard in clip 3?", refs, waves=waves(*clips))
    (output,) = made(server, **options).generate([request], decoding or Decoding())
    return output, server.seen.bodies[-1]


def run(tmp_path: Path, *arguments: object, **options: object) -> Ran:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data")
    named = [part for key, value in {"model": MODEL, **options}.items() for part in ("--model-arg", f"{key}={value}")]
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", "openai", *named, *where, *arguments)


def heard(part: dict[str, Any]) -> tuple[Any, int]:
    assert part["type"] == "input_audio"
    assert part["input_audio"]["format"] == "wav"
    return soundfile.read(io.BytesIO(base64.b64decode(part["input_audio"]["data"])))  # type: ignore[no-any-return]


def test_two_clips_are_two_parts_before_the_text(server: Server) -> None:
    output, body = asked(server, Decoding(max_new_tokens=7), clips=(0.1, 0.2), system="Listen.")
    assert output.text == server.golds[3]
    first, user = body["messages"]
    assert first == {"role": "system", "content": "Listen."}
    one, two, text = user["content"]
    assert [(len(heard(part)[0]), heard(part)[1]) for part in (one, two)] == [(800, 8000), (1600, 8000)]
    assert np.allclose(heard(one)[0], 0.25, atol=1e-4)
    assert text == {"type": "text", "text": "What is heard in clip 3?"}
    others = {name: value for name, value in body.items() if name != "messages"}
    assert others == {"model": MODEL, "max_tokens": 7, "temperature": 0}


def test_two_clips_as_one_with_silence_between_and_the_table_says_so(server: Server) -> None:
    _, body = asked(server, clips=(0.1, 0.2), join="0.5")
    audio, _ = body["messages"][-1]["content"]
    wave, rate = heard(audio)
    assert (len(wave), rate) == (800 + 4000 + 1600, 8000)
    assert np.abs(wave[900:4700]).max() == 0
    assert made(server, join="0.5").identity.label == f"{MODEL}[joined, 0.5 s between]"


def test_an_address_of_data_and_text_alone(server: Server) -> None:
    _, body = asked(server, audio="audio_url")
    assert body["messages"][-1]["content"][0]["audio_url"]["url"].startswith("data:audio/wav;base64,UklGR")
    _, body = asked(server, audio="none")
    assert body["messages"] == [{"role": "user", "content": "What is heard in clip 3?"}]
    assert made(server, audio="none").audio is None
    assert made(server, audio="none").identity.label == f"{MODEL}[text-only]"


@pytest.mark.parametrize("clips", [(), (0.1,)])
def test_a_given_beginning_is_the_assistants_message_to_be_continued(server: Server, clips: tuple[float, ...]) -> None:
    refs = tuple(AudioRef(str(n), Path(f"{n}.wav")) for n in range(len(clips)))
    plain = Request("one", "What is heard in clip 3?", refs, waves=waves(*clips))
    adapter = made(server)
    adapter.generate([plain], Decoding())
    adapter.generate([replace(plain, prefix="<think>É\n</think>")], Decoding())
    before, after = server.seen.bodies[-2:]
    assert after["messages"][-1] == {"role": "assistant", "content": "<think>É\n</think>"}
    assert after["messages"][:-1] == before["messages"]
    assert (after["continue_final_message"], after["add_generation_prompt"]) == (True, False)
    assert {key: value for key, value in after.items() if key in before} == {**before, "messages": after["messages"]}
    adapter = made(server, extra_body='{"continue_final_message": null, "add_generation_prompt": null}')
    adapter.generate([replace(plain, prefix="<think>")], Decoding())
    assert server.seen.bodies[-1].keys() == before.keys()


def test_who_continues_a_given_beginning(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    hosted = catalogue().get_adapter("openai").create({"model": "gpt-audio"}, Runtime())
    assert (made(server).abilities.continuation, hosted.abilities.continuation) == (True, False)


def test_nucleus_sampling_and_fields_of_ones_own(server: Server) -> None:
    _, body = asked(server, Decoding("nucleus", top_p=0.7, temperature=0.5, seed=3))
    assert (body["top_p"], body["temperature"], body["seed"]) == (0.7, 0.5, 3)
    extra = '{"temperature": null, "reasoning_effort": "low"}'
    _, body = asked(server, extra_body=extra)
    assert "temperature" not in body
    assert body["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("choice", "text", "truncated", "extra"),
    [
        ({"message": {"content": "b) dog"}, "finish_reason": "length"}, "b) dog", True, {}),
        ({"message": {"content": None}, "finish_reason": "length"}, "", True, {}),
        ({"message": {"content": "a", "reasoning_content": "hm"}}, "a", False, {"reasoning": "hm"}),
        ({"message": {"content": "a", "reasoning": "hm"}}, "a", False, {"reasoning": "hm"}),
        ({"message": {"content": [{"type": "text", "text": "a"}, {"type": "x"}]}}, "a", False, {}),
    ],
)
def test_a_reply_is_read(server: Server, choice: Any, text: str, truncated: bool, extra: dict[str, str]) -> None:
    server.reply = {"choices": [choice], "usage": None}
    output, _ = asked(server)
    assert (output.text, output.truncated, output.error, dict(output.extra)) == (text, truncated, None, extra)


def test_tokens_and_money(server: Server) -> None:
    output, _ = asked(server, price_in="10", price_out="20", price_audio_in="100")
    tokens = {"prompt_tokens": 100, "audio_tokens": 60, "completion_tokens": 10}
    assert output.extra == {**tokens, "cost": pytest.approx((40 * 10 + 60 * 100 + 10 * 20) / 1e6)}
    server.reply = {"usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.25}}
    output, _ = asked(server)
    assert output.extra == {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.25}


@pytest.mark.parametrize(
    ("name", "said", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),
        ("voxtral-latest", "voxtral-2507", False),
        ("Qwen/Qwen2-Audio-7B-Instruct", "qwen2-audio-7b-instruct", True),
        ("Qwen/Qwen2-Audio-7B-Instruct", "acme/Qwen2-Audio-7B-Instruct", False),
        ("/models/mine", "/models/mine@main", True),
        ("mine", "", True),
    ],
)
def test_a_reply_of_another_model_is_an_error(server: Server, name: str, said: str, same: bool) -> None:
    server.reply = {"model": said}
    output, _ = asked(server, model=name)
    assert (output.error is None) is same
    if not same:
        assert output.text is None
        assert output.error.startswith(f"the reply is of the model {said!r}, asked was {name!r}: ")
        assert f"answers_as={said}" in output.error
        assert asked(server, model=name, answers_as=said)[0].error is None


def test_a_deadline_covers_retries(server: Server) -> None:
    server.script = lambda item, before: "500"
    output, _ = asked(server, deadline="1", retries="50")
    assert output.error == "no answer within deadline=1 seconds, retries included"
    output, _ = asked(server, retries="1")
    assert output.error == "the server answered 500: scripted 500 for Bearer none"
    server.script = lambda item, before: "truncated JSON"
    output, _ = asked(server, retries="1")
    assert "(asked 2 times)" in output.error
    server.script = lambda item, before: "stall"
    output, _ = asked(server, retries="0", timeout="0.2")
    assert output.error == "no answer within timeout=0.2 seconds"


def test_a_key_is_sent_where_it_is_named_and_nowhere_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked(server)
    monkeypatch.setenv("OTHER_KEY", "sk-another-0123456789")
    asked(server, api_key_env="OTHER_KEY")
    assert server.seen.keys == ["Bearer none", "Bearer sk-another-0123456789"]


def test_a_server_that_tells_the_key_is_not_quoted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    told = {"role": "assistant", "content": f"your key is {KEY}", "reasoning": f"it sent {KEY}"}
    server.reply = {"choices": [{"message": told, "finish_reason": "stop"}]}
    ran = run(tmp_path, "--limit", 2, base_url=server.url, api_key_env="SCRIPTED_KEY")
    (row, _) = stored(only_run(tmp_path / "runs"))
    assert (row["text"], row["extra"]["reasoning"]) == ("your key is [key]", "it sent [key]")
    server.script = lambda item, before: "401"
    denied = run(tmp_path, "--limit", 3, base_url=server.url, api_key_env="SCRIPTED_KEY")
    assert (denied.status, denied.out) == (2, "")
    assert denied.err.endswith("scripted 401 for Bearer [key] (the key is that of SCRIPTED_KEY)\n")
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    assert KEY not in ran.out + ran.err + denied.err


def test_what_no_call_can_get_past_ends_the_run_in_one_line(server: Server, tmp_path: Path) -> None:
    server.script = lambda item, before: "404"
    missing = run(tmp_path, base_url=server.url)
    assert (missing.status, missing.out) == (2, "")
    told = f"the server answered 404: scripted 404 for Bearer none (asked was the model '{MODEL}' at {server.url}"
    assert missing.err.splitlines()[-1].startswith(f"alm-bench: model openai: {told}: is that its")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        nobody = run(tmp_path, base_url=address)
    assert (nobody.status, nobody.out) == (2, "")
    assert f"model openai: nobody answers at {address}: start the server" in nobody.err.splitlines()[-1]


def test_calls_that_all_fail_end_the_run_and_the_same_command_goes_on(server: Server, tmp_path: Path) -> None:
    mmau(tmp_path / "data", 60, clips=False)
    server.script = lambda item, before: "ok" if item < 9 else "400"
    server.golds = ["x"] * 60
    options = {"base_url": server.url, "audio": "none", "concurrency": 4}
    ran = run(tmp_path, **options)
    assert (ran.status, ran.out) == (1, "")
    assert "the last 20 calls all failed, the last one as: the server answered 400" in ran.err
    assert 20 <= sum(item >= 9 for item in server.seen.asked) < 25
    server.script = lambda item, before: "ok"
    resumed = run(tmp_path, **{**options, "concurrency": 9, "retries": 1})
    assert resumed.status == 0, resumed.err
    assert resumed.run["n"] == 60
    only_run(tmp_path / "runs")  # other speed, same run
    assert {len(server.seen.asked[item]) for item in range(9)} == {1}


def test_ctrl_c_gives_up_what_is_open(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script = lambda item, before: "ok" if item < 5 else "stall"
    seen = []

    def update(self: Progress, records: Sequence[Record]) -> None:
        seen.extend(records)
        if len(seen) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", update)
    ran = run(tmp_path, base_url=server.url, audio="none")
    assert (ran.status, ran.run["partial"], ran.run["n"]) == (130, True, 5)
    assert not [thread for thread in threading.enumerate() if thread.name == "openai"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"base_url": "127.0.0.1:8000"}, "base_url takes an address like http://127.0.0.1:8000/v1"),
        ({"base_url": "http://me:secret@host/v1"}, "base_url holds more than an address"),
        ({"base_url": "http://host/v1?key=secret"}, "base_url holds more than an address"),
        ({}, "no key in the environment variable OPENAI_API_KEY"),
        ({"base_url": "http://host/v1", "api_key_env": "NO_SUCH"}, "no key in the environment variable NO_SUCH"),
        ({"extra_body": "[1]"}, "extra_body takes a JSON object, found list"),
        ({"extra_body": '{"model": "x"}'}, "extra_body cannot set model"),
        ({"concurrency": "0"}, "option concurrency takes a number above 0, found 0"),
        ({"price_in": "1"}, "price_in and price_out go together"),
    ],
)
def test_misuse_is_one_line(options: dict[str, str], told: str, tmp_path: Path) -> None:
    line = refusal(run(tmp_path, **options))
    assert told in line
    assert "secret" not in line


def test_a_key_among_the_options_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    extra = json.dumps({"api_key": KEY})
    ran = run(tmp_path, base_url="http://127.0.0.1:1/v1", api_key_env="SCRIPTED_KEY", extra_body=extra)
    assert "an option holds the key of SCRIPTED_KEY" in refusal(ran)
    assert KEY not in ran.err


def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    told = refusal(run(tmp_path, base_url="http://127.0.0.1:1/v1"))
    assert told.endswith("pip install 'alm-bench[openai]'")


def test_options_in_other_orders_reach_the_server(server: Server, tmp_path: Path) -> None:
    ran = run(tmp_path, "--limit", 3, "--options", "circular", base_url=server.url, audio="none")
    assert ran.status == 0, ran.err
    prompts = [text_of(body) for body in server.seen.bodies]
    assert len(prompts) == len(set(prompts)) == ran.run["n"] > 3
