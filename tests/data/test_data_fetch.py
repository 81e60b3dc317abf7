"""Fetching over a real connection to a server that breaks off, is busy, changes its files, or lies."""

import errno
import hashlib
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from file_server import Server, in_seconds, serving

from alm_bench.core import DownloadSource, FetchError, StoreError
from alm_bench.data.fetch import MAX_PAUSE, MAX_TRIES, PIECE, Fetcher

BODY = bytes(range(256)) * 4_000  # about 1 MB: several pieces
URL = "https://example.org/set/data.bin"


@dataclass
class World:
    server: Server
    folder: Path
    pauses: list[float] = field(default_factory=list)
    told: list[tuple[str, int, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = self.folder / "set" / "data.bin"
        self.part = self.path.with_name("data.bin.part")

    def fetcher(self) -> Fetcher:
        return Fetcher(
            {"https://example.org": self.server.url, "https://zenodo.org": self.server.url},
            lambda *told: self.told.append(told),
            self.pauses.append,
        )

    def serve(self, body: bytes = BODY, **settings: Any) -> Any:
        return self.server.put("/set/data.bin", body, **settings)

    def fetch(self, checksum: str | None = None) -> None:
        self.fetcher().fetch(URL, self.path, checksum)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.iterdir())

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for path, headers in self.server.asked if path == "/set/data.bin"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as server:
        yield World(server, tmp_path)


def md5(body: bytes = BODY) -> str:
    return f"md5:{hashlib.md5(body).hexdigest()}"


def test_a_file_comes_whole_and_nothing_else_stays(world: World) -> None:
    world.serve()
    world.fetch(md5())
    assert world.path.read_bytes() == BODY
    assert world.left() == ["data.bin"]
    assert world.told[-1] == ("data.bin", len(BODY), len(BODY))
    assert world.ranges() == [None]
    assert world.server.asked[0][1]["Accept-Encoding"] == "identity"


def test_what_broke_off_is_gone_on_with(world: World) -> None:
    world.serve(plan=[("cut", 300_000), ("cut", 200_000)])
    world.fetch()
    assert world.path.read_bytes() == BODY
    first, *others = world.ranges()
    assert first is None
    second, third = (int(str(asked).removeprefix("bytes=").removesuffix("-")) for asked in others)
    assert 300_000 - PIECE < second <= 300_000
    assert second + 200_000 - PIECE < third <= second + 200_000
    assert world.server.asked[1][1]["If-Range"] == '"1"'
    assert len(world.pauses) == 2


def interrupted(world: World, **settings: Any) -> int:
    """A first call that Ctrl-C ends in the middle; how many bytes it left."""
    world.serve(**settings)

    def stop(name: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    fetcher = world.fetcher()
    fetcher.tell = stop
    with pytest.raises(KeyboardInterrupt):
        fetcher.fetch(URL, world.path)
    assert not world.path.exists()
    return world.part.stat().st_size


def test_the_same_command_goes_on_after_ctrl_c(world: World) -> None:
    there = interrupted(world)
    assert 0 < there < len(BODY)
    world.fetch()
    assert world.path.read_bytes() == BODY
    assert world.ranges() == [None, f"bytes={there}-"]


def test_a_part_that_was_whole_already_is_not_asked_for_again(world: World) -> None:
    interrupted(world)
    world.part.write_bytes(BODY)
    world.fetch()
    assert world.path.read_bytes() == BODY
    assert len(world.server.asked) == 1


def test_a_server_without_ranges_starts_over(world: World) -> None:
    interrupted(world, ranges=False)
    world.fetch()
    assert world.path.read_bytes() == BODY


@pytest.mark.parametrize("etags", [('"1"', '"2"'), ('W/"1"', 'W/"2"')])
def test_a_file_that_changed_meanwhile_starts_over(world: World, etags: tuple[str, str]) -> None:
    """A weak ETag cannot be a condition: the answer is looked at instead."""
    interrupted(world, etag=etags[0])
    other = BODY[::-1]
    world.serve(other, etag=etags[1])
    world.fetch()
    assert world.path.read_bytes() == other


def test_without_marks_only_a_checksum_lets_a_part_be_gone_on_with(world: World) -> None:
    there = interrupted(world, etag=None)
    world.fetch(md5())
    assert world.ranges() == [None, f"bytes={there}-"]
    world.path.unlink()
    world.server.asked.clear()
    interrupted(world, etag=None)
    world.fetch()
    assert world.ranges() == [None, None]
    assert world.path.read_bytes() == BODY


def test_a_beginning_of_another_file_is_found_by_the_checksum(world: World) -> None:
    there = interrupted(world, etag=None)
    other = bytes(len(BODY))
    world.serve(other, etag=None)
    world.fetch(md5(other))
    assert world.path.read_bytes() == other
    assert world.ranges()[1:] == [f"bytes={there}-", None]


def test_a_part_of_another_address_is_not_gone_on_with(world: World) -> None:
    interrupted(world)
    note = world.path.with_name("data.bin.part.json")
    note.write_text(note.read_text().replace("/set/", "/other/"))
    world.fetch()
    assert world.ranges() == [None, None]
    note.write_text("[]")  # whatever lies there
    world.path.unlink()
    world.fetch()
    assert world.path.read_bytes() == BODY


@pytest.mark.parametrize("lie", ["md5:" + "0" * 32, "sha256:" + "0" * 64])
def test_a_wrong_checksum_is_an_error_and_leaves_nothing(world: World, lie: str) -> None:
    world.serve()
    with pytest.raises(FetchError, match="its makers publish") as caught:
        world.fetch(lie)
    assert lie in str(caught.value)
    assert world.left() == []
    assert len(world.server.asked) == 1


def test_busy_servers_are_asked_again(world: World) -> None:
    world.serve(plan=[503, 500, (429, "7"), (429, in_seconds(30))])
    world.fetch()
    assert world.path.read_bytes() == BODY
    assert world.pauses[:3] == [1, 2, 7]
    assert 20 < world.pauses[3] <= 30


def test_tries_are_bounded(world: World) -> None:
    world.serve(plan=[503] * 50)
    with pytest.raises(
        FetchError, match=f"the server answers 503 .*\\({MAX_TRIES} tries\\); run the same command again"
    ):
        world.fetch()
    assert len(world.server.asked) == MAX_TRIES


def test_what_came_is_promised_where_something_did(world: World) -> None:
    world.serve(plan=[("cut", 100_000)] + [503] * 50)
    with pytest.raises(
        FetchError, match=f"\\({MAX_TRIES} tries\\); what came is kept: run the same command again later"
    ):
        world.fetch()
    world.serve(plan=[])
    world.fetch()
    assert world.path.read_bytes() == BODY
    assert world.ranges()[-1] is not None, "it goes on from what came"


def test_tries_that_bring_something_do_not_count(world: World) -> None:
    world.serve(plan=[("cut", 100_000)] * 8)
    world.fetch()
    assert world.path.read_bytes() == BODY
    assert len(world.server.asked) == 9


def test_a_long_pause_is_left_to_the_user(world: World) -> None:
    world.serve(plan=[(429, "3600")])
    with pytest.raises(FetchError, match="asks to come back in 3600 s"):
        world.fetch()
    assert world.pauses == []
    assert MAX_PAUSE < 3600


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_one_line_at_once(world: World, status: int) -> None:
    world.serve(plan=[status] * 9)
    with pytest.raises(FetchError, match=rf"{URL}: the server answers {status}") as caught:
        world.fetch()
    assert "\n" not in str(caught.value)
    assert len(world.server.asked) == 1


def test_a_web_page_is_no_data(world: World) -> None:
    world.serve(b"<html>please log in</html>", type="text/html; charset=utf-8")
    with pytest.raises(FetchError, match="a web page came instead of a file"):
        world.fetch()
    assert world.left() == []


def test_a_host_that_does_not_answer_is_asked_no_more(tmp_path: Path) -> None:
    with serving() as server:
        gone = server.url
    fetcher = Fetcher({"https://example.org": gone}, pause=lambda seconds: None)
    with pytest.raises(FetchError, match=r"no connection to 127\.0\.0\.1:\d+: .*refused"):
        fetcher.fetch(URL, tmp_path / "a")
    fetcher.pause = pytest.fail
    with pytest.raises(FetchError, match="no connection"):
        fetcher.fetch(URL, tmp_path / "b")


@pytest.mark.parametrize("said", ["Name or service not known", "Temporary failure in name resolution"])
def test_a_name_that_is_not_found_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def nameless(*arguments: object, **named: object) -> object:
        raise socket.gaierror(-2, said)

    monkeypatch.setattr(socket, "getaddrinfo", nameless)
    pauses: list[float] = []
    fetcher = Fetcher(pause=pauses.append)
    with pytest.raises(FetchError, match=r"nowhere\.invalid cannot be found: is there a connection"):
        fetcher.fetch("http://nowhere.invalid/a", tmp_path / "a")
    assert pauses == []


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="nonsense/set"):
        Fetcher({"https://example.org": "nonsense"}).fetch(URL, tmp_path / "a")


def test_a_full_disk_is_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.serve()
    world.path.parent.mkdir()
    world.part.symlink_to("/dev/full")
    with pytest.raises(StoreError, match="the disk is full: free some space and run the same command again"):
        world.fetch()
    world.part.unlink()
    real = shutil.disk_usage(world.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(StoreError, match=r"the disk has 0\.0 GB left"):
        world.fetch()


def test_a_place_that_cannot_be_written(world: World) -> None:
    world.serve()
    world.path.parent.write_text("a file is in the way")
    with pytest.raises(StoreError, match="a file is in the way: name another folder with --to") as caught:
        world.fetch()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno in (errno.EEXIST, errno.ENOTDIR)


ZENODO = "https://zenodo.org/records/77/files/a%20b.csv?download=1"


def test_zenodo_is_asked_for_its_checksums_once(world: World) -> None:
    world.server.record(77, {"a b.csv": "md5:abc", "c.csv": "md5:def"})
    fetcher = world.fetcher()
    assert fetcher.find_checksum(DownloadSource("a", url=ZENODO)) == "md5:abc"
    assert fetcher.find_checksum(DownloadSource("a", url=ZENODO, checksum="md5:card")) == "md5:abc"
    assert fetcher.find_checksum(DownloadSource("c", url=ZENODO.replace("a%20b", "c"))) == "md5:def"
    assert (
        fetcher.find_checksum(DownloadSource("d", url=ZENODO.replace("a%20b", "d"), checksum="md5:card")) == "md5:card"
    )
    assert fetcher.find_checksum(DownloadSource("x", url=URL)) is None
    assert world.server.count("/api/records/77") == 1


@pytest.mark.parametrize("answer", [None, "<html>", "[]", json.dumps({"files": [{"key": "x"}]}), 503])
def test_without_its_list_the_cards_checksum_stands(world: World, answer: Any) -> None:
    if answer == 503:
        world.server.put("/api/records/77", "{}", plan=[503] * 9)
    elif answer is not None:
        world.server.put("/api/records/77", answer)
    fetcher = world.fetcher()
    assert fetcher.find_checksum(DownloadSource("a", url=ZENODO, checksum="md5:card")) == "md5:card"
    assert fetcher.find_checksum(DownloadSource("a", url=ZENODO)) is None
    assert len(world.pauses) == (MAX_TRIES - 1 if answer == 503 else 0)


def test_the_longest_mirror_wins() -> None:
    fetcher = Fetcher({"https://a.org": "http://x", "https://a.org/b": "http://y/z"})
    assert fetcher.apply_mirrors("https://a.org/b/c?d=1") == "http://y/z/c?d=1"
    assert fetcher.apply_mirrors("https://a.org/e") == "http://x/e"
    assert fetcher.apply_mirrors("https://other.org/e") == "https://other.org/e"
