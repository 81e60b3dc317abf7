"""Replies that come in pieces or are spoken, and the other ways to send a clip."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted_server import MODEL, Server
from small_world import alm, mmau, stored

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.adapters.openai.reply import parse_reply
from alm_bench.adapters.openai.streamed import NoReplyError, join_chunks
from alm_bench.core import AudioRef, Decoding, Output, Request, Runtime
from alm_bench.plugins import catalogue


def ask(server: Server, **options: str) -> tuple[Output, dict[str, Any]]:
    named = {"base_url": server.url, "model": MODEL, "rate": "8000", "retries": "0", **options}
    adapter = catalogue().get_adapter("openai").create(named, Runtime())
    request = Request(
        "one", "What is heard in clip 3?", (AudioRef("a", Path("a.wav")),), waves=(np.full(800, 0.25, np.float32),)
    )
    (output,) = adapter.generate([request], Decoding())
    return output, server.seen.bodies[-1]


def events(*pieces: object, end: str = "data: [DONE]\n\n", line_end: str = "\n") -> str:
    text = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + end
    return text.replace("\n", line_end)


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def parse(text: str) -> Output:
    return parse_reply(text, OpenAIOptions(MODEL))


def test_a_streamed_answer_is_that_of_one_piece(server: Server) -> None:
    whole, plain = ask(server)
    streamed, body = ask(server, stream="true")
    assert (streamed.text, streamed.extra) == (whole.text, whole.extra)
    assert streamed.extra["audio_tokens"] == 60, "the usage comes too"
    assert "stream" not in plain
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_a_streamed_run_is_the_same_run(server: Server, tmp_path: Path) -> None:
    """How answers travel is no part of the fingerprint."""
    mmau(tmp_path / "data")
    asked = ("--model", "openai", "--model-arg", f"base_url={server.url}", "--model-arg", f"model={MODEL}")
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--json")
    runs = [
        alm("run", *asked, *stream, *where, "--out", tmp_path / name).run
        for name, stream in (("a", ()), ("b", ("--model-arg", "stream=true")))
    ]
    assert runs[0]["fingerprint"] == runs[1]["fingerprint"]
    assert runs[0]["metrics"] == runs[1]["metrics"]
    texts = [{row["id"]: row["text"] for row in stored(next((tmp_path / name).glob("*")))} for name in "ab"]
    assert texts[0] == texts[1]
    assert runs[1]["audio_check"]["verdict"] == "delivered"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_pieces_are_joined_whatever_ends_a_line(line_end: str) -> None:
    text = events(piece(content="a "), piece(content="dog\u2028 barks"), piece("stop"), line_end=line_end)
    found = parse(text.replace("\\u2028", "\u2028"))
    assert (found.text, found.truncated) == ("a dog\u2028 barks", False)


def test_reasoning_length_and_refusal_of_a_stream() -> None:
    found = parse(
        events(piece(reasoning_content="It "), piece(reasoning_content="barks."), piece("length", content="B"))
    )
    assert (found.text, found.truncated, found.extra["reasoning"]) == ("B", True, "It barks.")
    refused = parse(events(piece(refusal="I "), piece("stop", refusal="cannot.")))
    assert (refused.text, refused.refusal) == (None, "refused: I cannot.")


def test_a_stream_without_the_closing_mark_is_whole_once_it_has_a_reason() -> None:
    assert parse(events(piece("stop", content="B"), end="")).text == "B"
    assert parse(events(piece(content="B"))).text == "B"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (events(piece(content="a dog"), end=""), "the streamed reply breaks off"),
        (events(piece(content="a dog"), end='data: {"choi'), "is no JSON"),
        (events([1]), "is no JSON object, found list"),
        (events({"error": {"message": "CUDA out of memory"}}), "CUDA out of memory"),
    ],
)
def test_a_stream_that_breaks_off_is_no_reply(text: str, reason: str) -> None:
    with pytest.raises(NoReplyError, match=reason):
        parse(text + ("\n\n" if text.endswith("choi") else ""))


def test_a_policy_in_a_stream_is_a_refusal() -> None:
    found = parse(events({"error": {"message": "no", "code": "content_filter"}}))
    assert found.refusal == "content policy (content_filter): no"


def test_pieces_that_hold_nothing_are_passed_over() -> None:
    odd: list[object] = [{"choices": []}, {"choices": None}, {"choices": [{"delta": None}]}, {"choices": ["x"]}]
    assert join_chunks(events(*odd, piece("stop", content="B")))["choices"][0]["message"]["content"] == "B"


def test_a_spoken_answer_is_its_transcript() -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "AAAA", "transcript": "A dog."}}
    assert parse(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})).text == "A dog."
    spoken = events(piece(audio={"transcript": "A "}), piece("stop", audio={"transcript": "dog."}))
    assert parse(spoken).text == "A dog."
    both = {"content": "B", "audio": {"transcript": "A dog."}}
    assert parse(json.dumps({"choices": [{"message": both, "finish_reason": "stop"}]})).text == "B"
    silent = {"content": None, "audio": {"transcript": None}}
    assert parse(json.dumps({"choices": [{"message": silent, "finish_reason": "stop"}]})).text == ""


def test_a_data_url_within_an_input_audio_part(server: Server) -> None:
    _, plain = ask(server)
    _, body = ask(server, audio="input_audio_url")
    part = body["messages"][-1]["content"][0]
    assert part["type"] == "input_audio"
    head, _, data = part["input_audio"]["data"].partition(",")
    assert head == "data:audio/wav;base64"
    assert data == plain["messages"][-1]["content"][0]["input_audio"]["data"]
    assert base64.b64decode(data).startswith(b"RIFF")


def test_the_text_stands_first_where_a_checkpoint_wants_it(server: Server) -> None:
    _, body = ask(server, order="text-first")
    assert [part["type"] for part in body["messages"][-1]["content"]] == ["text", "input_audio"]
    made = [
        catalogue().get_adapter("openai").create({"base_url": server.url, "model": MODEL, **more}, Runtime()).identity
        for more in ({}, {"order": "clip-first"}, {"order": "text-first"})
    ]
    assert made[0].settings == made[1].settings != made[2].settings
