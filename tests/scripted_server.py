"""An OpenAI-compatible server on loopback that answers small_world's MMAU questions, and fails as a script says."""

import json
import re
import socket
import struct
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Literal

from small_world import questions

from alm_bench.runner.audio_check import QUESTION

MODEL = "scripted-audio"
Hearing = Literal["hears", "drops the clip", "always says the same", "always says the same, counts nothing"]
"""What becomes of the clips of the question that looks whether audio arrives."""

Script = Callable[[int, int], str]
"""From an item's number and how often it was asked before to what happens: `ok` or a fault."""


def text_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@dataclass
class Seen:
    """What the server was asked: bodies and keys, and by item when."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    asked: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)
    open: int = 0
    """Calls that are received and have no answer yet, not even the beginning of one."""
    most_open: int = 0


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, script: Script, count: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.seen, self.lock = script, Seen(), threading.Lock()
        self.golds = [row["answer"] for row in questions(count)]
        self.reply: dict[str, Any] = {}  # what its answers have beside or instead of the usual
        self.raw: tuple[int, dict[str, str], bytes] | None = None  # the whole of a "raw" reply: status, headers, body
        self.probe_reply: tuple[int, dict[str, str], bytes] | None = None  # of the question whether audio arrives
        self.probes = 0
        self.hold: Callable[[Server], None] = lambda server: None
        """Called after a question is counted and before its answer is sent, in the call's own thread."""
        self.hearing: Hearing = "hears"
        self.said = "sound {}"  # what it says of the sounds of that question; {}: a number for each

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed, or gave up, is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if text_of(body) == QUESTION:
            self.server.probes += 1
            if self.server.probe_reply is not None:
                status, headers, data = self.server.probe_reply
                self._send(status, data, headers)
            else:
                self._complete(self.heard(body), body)
            return
        found = re.search(r"clip (\d+)\?", text_of(body))
        item = int(found[1]) if found else 0
        seen = self.server.seen
        with self.server.lock:
            before = len(seen.asked[item])
            seen.asked[item].append(monotonic())
            seen.bodies.append(body)
            seen.keys.append(self.headers.get("authorization"))
            seen.open += 1
            seen.most_open = max(seen.most_open, seen.open)
            what = self.server.script(item, before)
            seen.faults[what] += 1
        try:
            self.server.hold(self.server)
        finally:
            with self.server.lock:
                seen.open -= 1
        FAULTS[what](self, item, body)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None, keep: float = 1.0) -> None:
        """`keep`: how much of the body is sent, as if it were all."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        data = data[: int(len(data) * keep)]
        self.send_response(status)
        for name, text in {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def completion(self, item: int, body: dict[str, Any]) -> dict[str, Any]:
        text = self.server.golds[item] if item < len(self.server.golds) else "none"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"audio_tokens": 60}}
        reply = {"id": f"chatcmpl-{item}", "model": body["model"], "choices": [choice], "usage": usage}
        return {**reply, **self.server.reply}

    def heard(self, body: dict[str, Any]) -> dict[str, Any]:
        content = body["messages"][-1]["content"]
        clips = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
        hearing = self.server.hearing
        kept = [] if hearing == "drops the clip" else clips
        said = (
            self.server.said.format(zlib.crc32(json.dumps(kept).encode()))
            if hearing == "hears"
            else "a dog barks in the rain"
        )
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20 + sum(len(json.dumps(clip)) // 1000 for clip in kept), "completion_tokens": 10}
        told = {} if hearing.endswith("counts nothing") else {"usage": usage}
        return {"id": "chatcmpl-probe", "model": body["model"], "choices": [choice], **told}

    def ok(self, item: int, body: dict[str, Any]) -> None:
        self._complete(self.completion(item, body), body)

    def _complete(self, reply: dict[str, Any], body: dict[str, Any]) -> None:
        """In one piece or, if that was asked for, in events of three characters each."""
        if not body.get("stream"):
            self._send(200, reply)
            return
        common = {"id": reply["id"], "model": reply["model"], "object": "chat.completion.chunk"}
        text = reply["choices"][0]["message"]["content"]
        pieces = [{"delta": {"role": "assistant", "content": ""}}]
        pieces += [{"delta": {"content": text[at : at + 3]}} for at in range(0, len(text), 3)]
        pieces.append({"delta": {}, "finish_reason": reply["choices"][0]["finish_reason"]})
        events = [{**common, "choices": [{"index": 0, **piece}]} for piece in pieces]
        if body.get("stream_options", {}).get("include_usage") and "usage" in reply:
            events.append({**common, "choices": [], "usage": reply["usage"]})
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        data = "".join([": ping\n\n", *lines, "data: [DONE]\n\n"]).encode()
        self._send(200, data, {"content-type": "text/event-stream"})

    def error(self, status: int, **headers: str) -> None:
        told = {"error": {"message": f"scripted {status} for {self.headers.get('authorization')}", "code": None}}
        self._send(status, told, headers)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def stall(self) -> None:
        """Until the client has gone."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.settimeout(20)
            self.connection.recv(1)

    def cut(self, item: int, body: dict[str, Any]) -> None:
        """Ends the connection in the middle of what was announced."""
        data = json.dumps(self.completion(item, body)).encode()
        self._send(200, data[: len(data) // 2], {"content-length": str(len(data))})
        self.close_connection = True

    def policy(self) -> None:
        self._send(400, {"error": {"message": "the prompt was filtered", "code": "content_filter"}})


def _changed(handler: Handler, item: int, body: dict[str, Any], **changes: Any) -> None:
    handler._send(200, {**handler.completion(item, body), **changes})


def _filtered(handler: Handler, item: int, body: dict[str, Any]) -> None:
    _changed(handler, item, body, choices=[{"message": {"content": None}, "finish_reason": "content_filter"}])


def _refused(handler: Handler, item: int, body: dict[str, Any]) -> None:
    message = {"content": None, "refusal": "I cannot help with that"}
    _changed(handler, item, body, choices=[{"message": message, "finish_reason": "stop"}])


def _raw(handler: Handler, item: int, body: dict[str, Any]) -> None:
    assert handler.server.raw is not None
    status, headers, data = handler.server.raw
    handler._send(status, data, headers)


FAULTS: dict[str, Callable[[Handler, int, dict[str, Any]], None]] = {
    "ok": Handler.ok,
    "raw": _raw,
    "429": lambda handler, item, body: handler.error(429),
    "429 after": lambda handler, item, body: handler.error(429, **{"retry-after": "1"}),
    "500": lambda handler, item, body: handler.error(500),
    "400": lambda handler, item, body: handler.error(400),
    "401": lambda handler, item, body: handler.error(401),
    "404": lambda handler, item, body: handler.error(404),
    "stall": lambda handler, item, body: handler.stall(),
    "reset": lambda handler, item, body: handler.reset(),
    "cut": Handler.cut,
    "truncated JSON": lambda handler, item, body: handler._send(200, handler.completion(item, body), keep=0.6),
    "empty choices": lambda handler, item, body: _changed(handler, item, body, choices=[]),
    "content filter": _filtered,
    "refusal": _refused,
    "policy": lambda handler, item, body: handler.policy(),
    "wrong id": lambda handler, item, body: _changed(handler, item, body, model="another-model"),
}
PASSING = ("429", "429 after", "500", "stall", "reset", "cut", "truncated JSON", "empty choices")
"""Faults after which asking again helps."""
REFUSALS = ("content filter", "refusal", "policy")


@contextmanager
def serving(script: Script | None = None, count: int = 12) -> Iterator[Server]:
    """A server that is up."""
    server = Server(script or (lambda item, before: "ok"), count)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
