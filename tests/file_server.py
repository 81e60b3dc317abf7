"""A web server of this machine's own, which serves files as told: in parts, broken off, busy, changed, refused."""

import email.utils
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Served:
    """One file. `plan` is used up answer by answer: a status (503), a status with Retry-After (429, "2"), a number of
    bytes after which the connection is closed ("cut", 100), or "ok"."""

    body: bytes
    etag: str | None = '"1"'
    modified: str | None = None
    ranges: bool = True
    type: str = "application/octet-stream"
    plan: list[Any] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def put(self, path: str, body: bytes | str, **settings: Any) -> Served:
        """Serve `body` at a path, which begins with /."""
        self.files[path] = Served(body.encode() if isinstance(body, str) else body, **settings)
        return self.files[path]

    def record(self, number: int, checksums: dict[str, str]) -> None:
        """Zenodo's list of a record's files."""
        files = [{"key": name, "checksum": checksum} for name, checksum in checksums.items()]
        self.put(f"/api/records/{number}", json.dumps({"files": files}))

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = urlsplit(self.path).path
            server.asked.append((path, dict(self.headers)))
            file = server.files.get(path)
            step = file.plan.pop(0) if file is not None and file.plan else "ok"
            if file is None or isinstance(step, int) or step[0] == 429:
                status = 404 if file is None else step if isinstance(step, int) else step[0]
                self.send_response(status)
                if isinstance(step, tuple):
                    self.send_header("Retry-After", step[1])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._file(file, step, body)

        def _file(self, file: Served, step: Any, body: bool) -> None:
            start = self._start(file)
            if start is not None and start >= len(file.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(file.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200 if start is None else 206)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(file.body) - 1}/{len(file.body)}")
            marks = {"ETag": file.etag, "Last-Modified": file.modified, "Content-Type": file.type, **file.headers}
            for name, value in marks.items():
                if value is not None:
                    self.send_header(name, value)
            rest = file.body[start or 0 :]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if body:
                self.wfile.write(rest[: step[1]] if isinstance(step, tuple) else rest)
                self.close_connection = isinstance(step, tuple)

        def _start(self, file: Served) -> int | None:
            """Where a part is asked to begin; None for the whole file."""
            asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
            if asked is None or not file.ranges or condition not in (None, file.etag, file.modified):
                return None
            return int(asked.removeprefix("bytes=").removesuffix("-"))

    return Handler


class _Http(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that the other side ends are what is tested."""


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    http = _Http(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def in_seconds(seconds: float) -> str:
    """A date as Retry-After writes it."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)
