"""Servers and files that give more than was asked for, or what is none: one line each, and nothing is filled up."""

import gzip
import io
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from alm_bench.core import DataError, FetchError
from alm_bench.data import fetch as fetching
from alm_bench.data.fetch import Fetcher
from alm_bench.data.outputs import read_output_texts


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def answering(*replies: bytes, last: bytes = b"") -> Iterator[str]:
    """A server that sends these bytes, one reply a connection, `last` without end; its address."""
    left = list(replies)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            try:
                self.wfile.write(left.pop(0) if left else b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
                while last:
                    self.wfile.write(last)
            except OSError:  # the client has enough
                pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def reply(*headers: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode("latin-1") + body


def refused(url: str, path: Path, size: int | None = None) -> str:
    with pytest.raises(FetchError) as caught:
        Fetcher(pause=lambda seconds: None).fetch(url, path, size=size)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", [None, 10_000])
def test_a_file_of_unknown_length_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    """By the size that its card tells, else by a limit."""
    monkeypatch.setattr(fetching, "MAX_UNKNOWN_SIZE", 1_000_000)
    with answering(reply(), last=b"x" * 65536) as url:
        told = refused(f"{url}/a.bin", tmp_path / "a.bin", size)
    assert f"more than {size or 1_000_000:,} bytes came" in told
    assert not list(tmp_path.iterdir()), "what came was removed"


def test_a_short_file_of_unknown_length_is_whole(tmp_path: Path) -> None:
    with answering(reply(body=b"abc")) as url:
        Fetcher().fetch(f"{url}/a.bin", tmp_path / "a.bin", size=3)
    assert (tmp_path / "a.bin").read_bytes() == b"abc"


def test_another_size_than_is_published(tmp_path: Path) -> None:
    with answering(reply("Content-Length: 5", body=b"12345")) as url:
        told = refused(f"{url}/a.bin", tmp_path / "a.bin", size=3)
    assert "the server has 5 bytes there, its makers publish 3" in told


def test_a_compressed_transfer_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    headers = ("Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    with answering(reply(*headers, body=bomb)) as url:
        assert "it came compressed as 'gzip', which was not asked for" in refused(f"{url}/a.bin", tmp_path / "a.bin")


def test_redirects_are_followed_unread_and_not_for_ever(tmp_path: Path) -> None:
    with answering(reply("Location: /b", status="302 Found"), reply("Content-Length: 1", body=b"x")) as url:
        Fetcher().fetch(f"{url}/a", tmp_path / "a")
    with answering(*[reply("Location: /b", status="302 Found")] * 20) as url:
        assert "redirects more than 10 times" in refused(f"{url}/a", tmp_path / "b")
    endless = reply("Location: /b", status="302 Found")
    with answering(endless, last=b"x" * 65536) as url, answering(reply("Content-Length: 1", body=b"x")) as other:
        first = reply(f"Location: {other}/b", status="302 Found")
        with answering(first, last=b"x" * 65536) as third:
            Fetcher().fetch(f"{third}/a", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"x"


def test_https_is_not_left_by_a_redirect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def get(self: requests.Session, url: str, **settings: object) -> requests.Response:
        asked.append(url)
        found = requests.Response()
        found.status_code, found.url, found.raw = 302, url, io.BytesIO()
        found.headers["Location"] = "http://example.org/a.bin"
        return found

    monkeypatch.setattr(requests.Session, "get", get)
    told = refused("https://example.org/a.bin", tmp_path / "a.bin")
    assert "it redirects from https to http://example.org/a.bin" in told
    assert asked == ["https://example.org/a.bin"]


@pytest.mark.parametrize(
    "after", ["²", "-5", "nan", "9" * 400, "Thu, 99 Foo 0000 99:99:99 GMT", "1 Jan 0001 00:00:00 -0000"]
)
def test_odd_times_to_come_back(tmp_path: Path, after: str) -> None:
    busy = reply(f"Retry-After: {after}", "Content-Length: 0", status="503 Busy")
    with answering(*[busy] * 10) as url:
        assert "the server answers 503 Busy" in refused(f"{url}/a", tmp_path / "a")


@pytest.mark.parametrize("total", ["²", "-1", "9" * 5000, "x", "*"])
def test_odd_totals(tmp_path: Path, total: str) -> None:
    part = reply(f"Content-Range: bytes 0-0/{total}", "Content-Length: 1", status="206 Partial", body=b"x")
    with answering(part) as url:
        Fetcher().fetch(f"{url}/a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_list_of_checksums_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.core import DownloadSource

    with answering(reply(), last=b"x" * 65536) as url:
        fetcher = Fetcher({"https://zenodo.org": url}, pause=lambda seconds: None)
        source = DownloadSource("a.zip", url="https://zenodo.org/records/1/files/a.zip", checksum="md5:0")
        assert fetcher.find_checksum(source) == "md5:0", "the card's, where the record's cannot be had"


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", f'[{{"id": "1", "model_output": {DEEP}}}]', "not JSON that can be read"),
        ("a.jsonl", f'{{"id": "1", "model_output": {DEEP}}}\n', "a.jsonl"),
        ("a.json", '[{"id": "1", "model_output": ' + "9" * 5000 + "}]", "not JSON that can be read"),
        ("a.jsonl", '{"id": "1", "model_output": ' + "9" * 5000 + "}\n", "a.jsonl"),
        ("a.json", json.dumps([{"id": "1", "model_output": {"a": 1}}]), "is a dict, expected text"),
    ],
)
def test_odd_files_of_outputs(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        read_output_texts(tmp_path / name)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
