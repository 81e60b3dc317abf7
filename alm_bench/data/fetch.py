"""Downloads: resumed, retried, and checked against published checksums."""

import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from alm_bench.core import DataError, Fetch, FetchError, StoreError
from alm_bench.core.errors import first_line
from alm_bench.core.files import atomic_write, report_full_disk
from alm_bench.core.foreign import parse_json, whole_number

if TYPE_CHECKING:
    import requests

Tell = Callable[[str, int, int | None], None]
"""Called with the name of a download, the bytes received, and the total (None: unknown)."""

TRIES = 5
"""In a row, without a byte more than before."""

LONGEST_PAUSE = 120
"""Seconds that a server may ask us to wait before we come back."""

TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
TIMEOUT = (20, 60)  # seconds to connect, and between two pieces
PIECE = 1 << 16  # bytes: what a connection that breaks off loses at most
LONGEST_UNKNOWN = 4 << 30
"""Bytes of a file whose size neither its server nor its card tells."""
LONGEST_LIST = 1 << 24
"""Bytes of a record's list of files."""
MOST_REDIRECTS = 10
OPTION = "--to"

_ZENODO = re.compile(r"https://zenodo\.org/records/(\d+)/files/([^?]+)")


class _TemporaryError(Exception):
    """Worth another try, after `pause` seconds where the server names them. `host`: the one that did not answer."""

    def __init__(self, reason: str, pause: float | None = None, host: str | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.host = host


@dataclass
class _Part:
    """A partial download: its bytes so far, and a note of the file that they belong to."""

    path: Path
    note: Path

    @staticmethod
    def of(target: Path) -> "_Part":
        return _Part(target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json"))

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def read_note(self) -> dict[str, Any]:
        try:
            found = parse_json(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def resumable(self, url: str, checked: bool) -> dict[str, Any]:
        """Return the note if the download can be resumed: it is about `url`, and the server's marks of the content, or
        a checksum in the end (`checked`), ensure that both parts belong to the same file. Empty otherwise."""
        note = self.read_note()
        marked = note.get("etag") or note.get("modified") or checked
        known = note.get("url") == url and isinstance(note.get("total"), int)
        return note if known and marked and 0 < self.size() <= note["total"] else {}

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass
class Fetcher:
    """Downloads files one after the other."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    """Replacements for beginnings of addresses."""

    tell: Tell = lambda name, done, total: None
    """Called with the progress of a download."""

    pause: Callable[[float], None] = time.sleep
    """Waits for so many seconds before another try."""

    _unreachable: dict[str, str] = field(default_factory=dict, init=False)
    _records: dict[str, dict[str, str]] = field(default_factory=dict, init=False)

    def apply_mirrors(self, url: str) -> str:
        for prefix in sorted(self.mirrors, key=len, reverse=True):
            if url.startswith(prefix):
                return self.mirrors[prefix] + url[len(prefix) :]
        return url

    def fetch(self, url: str, path: Path, checksum: str | None = None, size: int | None = None) -> None:
        """Download `url` to `path`, which afterwards exists complete and verified, or not at all. `size` is the
        published number of bytes, if there is one.

        A partial file (`.part`) of an interrupted call is resumed if the server still has the same file. Raises
        FetchError, and StoreError if the file cannot be written.
        """
        part = _Part.of(path)
        with report_full_disk(path, OPTION):
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                resumed = self._whole(url, part, checksum is not None, size)
                if checksum is None or fits(part.path, checksum):
                    break
                found = f"{checksum.partition(':')[0]}:{digest(part.path, checksum.partition(':')[0])}"
                part.remove()
                if not resumed:  # else the beginning was another file's: once more from the start
                    raise FetchError(
                        f"{url}: what came has the checksum {found}, its makers publish {checksum}; it was removed: "
                        "try again later"
                    )
            part.path.replace(path)
            part.note.unlink(missing_ok=True)

    def find_checksum(self, source: Fetch) -> str | None:
        """Return the published checksum of a file: that of its Zenodo record, else the card's."""
        match = _ZENODO.match(source.url or "")
        if match is None:
            return source.checksum
        record, name = match.groups()
        if record not in self._records:
            self._records[record] = self._record(f"https://zenodo.org/api/records/{record}")
        return self._records[record].get(unquote(name), source.checksum)

    def _record(self, url: str) -> dict[str, str]:
        """Return the checksums of a Zenodo record by file name; empty if the list is unavailable."""
        tries = 0
        while True:
            try:
                with self._request(url, {"Accept": "application/json", "Accept-Encoding": "identity"}) as response:
                    files = parse_json(_short_body(response))["files"]
                return {file["key"]: file["checksum"] for file in files if ":" in file["checksum"]}
            except _TemporaryError as failure:
                tries += 1
                try:
                    self._wait(url, failure, tries)
                except FetchError:
                    return {}
            except (FetchError, ValueError, KeyError, TypeError):
                return {}

    def _whole(self, url: str, part: _Part, checked: bool, size: int | None) -> bool:
        """Fetch until the part is whole; whether it began with an earlier call's bytes."""
        resumed = bool(part.resumable(url, checked))
        best, tries = part.size(), 0
        while True:
            try:
                self._once(url, part, checked, size)
                return resumed
            except _TemporaryError as failure:
                done = part.size()
                tries = 1 if done > best else tries + 1
                best = max(best, done)
                self._wait(url, failure, tries, "what came is kept: " if part.resumable(url, checked) else "")

    def _wait(self, url: str, failure: _TemporaryError, tries: int, kept: str = "") -> None:
        pause = min(60.0, 2.0 ** (tries - 1)) if failure.pause is None else failure.pause
        if tries >= TRIES or pause > LONGEST_PAUSE:
            asked = f", and asks to come back in {pause:.0f} s" if failure.pause is not None else f" ({tries} tries)"
            if failure.host is not None:
                self._unreachable[failure.host] = str(failure)
            raise FetchError(f"{url}: {failure}{asked}; {kept}run the same command again later")
        self.pause(pause)

    def _once(self, url: str, part: _Part, checked: bool, size: int | None) -> None:
        note = part.resumable(url, checked)
        start = part.size() if note else 0
        if note and start == note["total"]:
            return
        headers = {"Accept-Encoding": "identity"}
        if note:
            headers["Range"] = f"bytes={start}-"
            strong = note.get("etag") if not str(note.get("etag")).startswith("W/") else None
            if condition := strong or note.get("modified"):
                headers["If-Range"] = condition
        with self._request(url, headers) as response:
            mark = _mark(url, response)
            if start and not _continues(response, start, note, mark):
                if response.status_code != 200:
                    part.remove()
                    raise _TemporaryError("the server has another file there now")
                start = 0
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise FetchError(f"{url}: a web page came instead of a file: is there a login in between?")
            if size is not None and mark["total"] not in (None, size):
                raise FetchError(f"{url}: the server has {mark['total']:,} bytes there, its makers publish {size:,}")
            longest = mark["total"] or size or LONGEST_UNKNOWN
            check_free_space(part.path.parent, (mark["total"] or size or start) - start)
            atomic_write(part.note, json.dumps(mark), OPTION)
            with part.path.open("ab" if start else "wb") as file:
                done = start
                for piece in _pieces(response):
                    done += file.write(piece[: longest + 1 - done])
                    if done > longest:
                        break
                    self.tell(_name(url), done, mark["total"])
        if mark["total"] is None and done > longest:
            part.remove()
            raise FetchError(
                f"{url}: more than {longest:,} bytes came, of a file whose size the server does not tell; they were "
                "removed: fetch it by hand if that is right"
            )
        if mark["total"] is not None and done != mark["total"]:
            if done > mark["total"]:
                part.remove()
            raise _TemporaryError(f"the connection broke off at {done:,} of {mark['total']:,} bytes")

    @contextmanager
    def _request(self, url: str, headers: Mapping[str, str]) -> "Iterator[requests.Response]":
        """An answer with a plain body that fits the question (200, 206, or 416). Raises _TemporaryError, FetchError."""
        import requests

        where = self.apply_mirrors(url)
        host = urlsplit(where).netloc
        if host in self._unreachable:
            raise FetchError(f"{url}: {self._unreachable[host]}")
        named = {"User-Agent": "alm-bench", **headers}
        try:
            response = _get(where, named)
        except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
            self._unreachable[host] = f"no secure connection to {host}: {_cause(error)}"
            raise FetchError(f"{url}: {self._unreachable[host]}") from error
        except (requests.ConnectionError, requests.Timeout) as error:
            if _nameless(error):
                self._unreachable[host] = f"{host} cannot be found: is there a connection to the internet?"
                raise FetchError(f"{url}: {self._unreachable[host]}") from error
            raise _TemporaryError(f"no connection to {host}: {_cause(error)}", host=host) from error
        except (requests.RequestException, ValueError) as error:  # an address that is none, endless redirection
            raise FetchError(f"{where}: {_cause(error)}") from error
        with response:
            _check_status(url, response)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            if encoding not in ("", "identity"):  # a kilobyte of it may unpack to a gigabyte
                raise FetchError(f"{url}: it came compressed as {encoding[:40]!r}, which was not asked for")
            yield response


def _get(where: str, headers: Mapping[str, str]) -> "requests.Response":
    """Return the response at an address, after redirects, its body unread. Raises exceptions of requests, and
    FetchError.

    Redirects are followed here because requests reads their bodies to the end, whatever their length, even if told not
    to follow them.
    """
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            """Hide from requests that it is redirected."""

    address = where
    with Session() as session:
        for _ in range(MOST_REDIRECTS):
            response = session.get(address, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False)
            target = super(Session, session).get_redirect_target(response)
            if target is None:
                return response
            response.close()
            before, address = address, urljoin(address, target)
            if urlsplit(before).scheme == "https" and urlsplit(address).scheme != "https":
                raise FetchError(f"{where}: it redirects from https to {address}: anyone could change what comes")
    raise FetchError(f"{where}: it redirects more than {MOST_REDIRECTS} times")


def _short_body(response: "requests.Response") -> bytes:
    """Return the body of a list of files. Raises ValueError if it is too long for one."""
    body = bytearray()
    for piece in _pieces(response):
        body += piece
        if len(body) > LONGEST_LIST:
            raise ValueError(f"the list of files has more than {LONGEST_LIST:,} bytes")
    return bytes(body)


def _check_status(url: str, response: "requests.Response") -> None:
    status = response.status_code
    said = f"the server answers {status} {response.reason or ''}".rstrip()
    if status in TEMPORARY:
        raise _TemporaryError(said, _retry_after(response.headers.get("Retry-After")))
    if status in (404, 410):
        raise FetchError(f"{url}: {said}: the file has moved or is gone")
    if status not in (200, 206, 416):
        raise FetchError(f"{url}: {said}")


def _continues(response: "requests.Response", start: int, note: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    """Check that a partial response begins where the part ends, and belongs to the same file."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    same = all(not note.get(key) or not mark[key] or note[key] == mark[key] for key in ("etag", "modified", "total"))
    return response.status_code == 206 and begins and same


def _mark(url: str, response: "requests.Response") -> dict[str, Any]:
    """Return the marks of a file's version. `total` is None if the server does not report it."""
    headers = response.headers
    length = headers.get("Content-Length", "")
    if response.status_code == 206:
        length = headers.get("Content-Range", "").rpartition("/")[2]
    marks = {"etag": headers.get("ETag"), "modified": headers.get("Last-Modified")}
    return {"url": url, **marks, "total": whole_number(length)}


def _pieces(response: "requests.Response") -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(PIECE)
    except requests.RequestException as error:
        raise _TemporaryError(f"the connection broke off: {_cause(error)}") from error


def _retry_after(value: str | None) -> float | None:
    """Parse Retry-After, in seconds or as a date, into seconds; None if it is neither."""
    if not value:
        return None
    if (seconds := whole_number(value)) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):  # a date that is none, or that no clock has
        return None


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost cause: outer ones repeat the address."""
    while (inner := error.__cause__ or error.__context__ or next(iter(error.args), None)) is not None:
        inner = getattr(inner, "reason", inner)
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    return error


def _cause(error: BaseException) -> str:
    """Describe an error in one line."""
    return first_line(_innermost(error)).rpartition(">: ")[2]


def _nameless(error: BaseException) -> bool:
    """True if the host's name could not be resolved, so that retrying does not help."""
    return isinstance(_innermost(error), socket.gaierror)


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def fits(path: Path, checksum: str) -> bool:
    """Check a file against a checksum such as `md5:...`. Raises DataError for an unknown kind."""
    kind, _, value = checksum.partition(":")
    if kind not in hashlib.algorithms_available:
        raise DataError(f"the checksum {checksum!r} is of no known kind: expected md5:... or sha256:...")
    return digest(path, kind) == value.lower()


def check_free_space(folder: Path, needed: int) -> None:
    """Check the free disk space. Raises StoreError if it does not suffice."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{folder}: {needed / 1e9:.1f} GB are to come and the disk has {free / 1e9:.1f} GB left: free some space, "
            f"or name another folder with {OPTION}"
        )


MIRROR_VARIABLE = "ALM_BENCH_MIRROR"
"""The environment variable with PREFIX=URL pairs, separated by spaces."""


def environment_mirrors() -> list[str]:
    return os.environ.get(MIRROR_VARIABLE, "").split()


def fetch_archive(fetcher: Fetcher, url: str, archive: Path, checksum: str | None, size: int | None = None) -> None:
    """Fetch an archive unless it is there, and note that it was fetched: only such a one is removed again. `size` is
    its number of bytes where its makers publish that."""
    if not archive.is_file():
        fetcher.fetch(url, archive, checksum, size)
        with report_full_disk(archive, OPTION):
            _marker_path(archive).touch()


def drop_archive(archive: Path, keep: bool) -> None:
    """Remove an unpacked archive that `fetch_archive` fetched, unless it is to be kept. A user's own stays."""
    with report_full_disk(archive, OPTION):
        if _marker_path(archive).is_file():
            if not keep:
                archive.unlink(missing_ok=True)
            _marker_path(archive).unlink()


def _marker_path(archive: Path) -> Path:
    return archive.with_name(f".{archive.name}.fetched")
