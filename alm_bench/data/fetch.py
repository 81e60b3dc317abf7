"""Downloads over HTTP that are resumed, retried and verified against published checksums."""

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

from alm_bench.core import DataError, DownloadSource, FetchError, StoreError
from alm_bench.core.errors import get_first_line
from alm_bench.core.files import translate_write_errors, write_atomically
from alm_bench.core.foreign import parse_json, parse_whole_number

if TYPE_CHECKING:
    import requests

ProgressCallback = Callable[[str, int, int | None], None]
"""Progress callback: name of the download, bytes received so far, and total bytes (None: unknown)."""

MAX_TRIES = 5
"""Maximum number of tries in a row that receive no further byte."""

MAX_PAUSE = 120
"""Longest pause in seconds that a server may request before the next try. A longer one ends the download."""

RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
TIMEOUT = (20, 60)  # seconds to connect, and between two pieces
PIECE = 1 << 16  # bytes; the most that a broken connection loses
MAX_UNKNOWN_SIZE = 4 << 30
"""Maximum size in bytes of a file whose size neither the server nor the task's card gives."""
MAX_LIST_BYTES = 1 << 24
"""Maximum size in bytes of a Zenodo record's list of files."""
MAX_REDIRECTS = 10
OPTION = "--to"

_ZENODO = re.compile(r"https://zenodo\.org/records/(\d+)/files/([^?]+)")


class _TemporaryError(Exception):
    """Download error after which another try may succeed. `pause` is the delay in seconds that the server requests
    (None: it requests none); `host` is the host that could not be reached."""

    def __init__(self, reason: str, pause: float | None = None, host: str | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.host = host


@dataclass
class _PartialFile:
    """A partial download: the file of the bytes received so far, and a JSON file that describes the version of the
    remote file."""

    path: Path
    """File of the bytes received so far."""

    note: Path
    """JSON file that describes the version of the remote file."""

    @staticmethod
    def from_target(target: Path) -> "_PartialFile":
        """Return the partial download of the file `target`, whose files lie beside it."""
        return _PartialFile(target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json"))

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def read_note(self) -> dict[str, Any]:
        """Return the description of the remote file's version; empty if it is missing or unreadable."""
        try:
            found = parse_json(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def read_resumable_note(self, url: str, has_checksum: bool) -> dict[str, Any]:
        """Return the description of the partial file if the download can be resumed, else an empty dictionary.

        It can be resumed if it belongs to the same `url`, and if a change of the remote file since then would be
        detected: by the server's ETag or modification date, or by a checksum at the end (`has_checksum` is True).
        """
        note = self.read_note()
        marked = note.get("etag") or note.get("modified") or has_checksum
        known = note.get("url") == url and isinstance(note.get("total"), int)
        return note if known and marked and 0 < self.size() <= note["total"] else {}

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass
class Fetcher:
    """Downloader of files, one after the other."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    """Mirrors: replacement URL prefix by URL prefix."""

    tell: ProgressCallback = lambda name, done, total: None
    """Function that is called with the progress of each download (see ProgressCallback)."""

    pause: Callable[[float], None] = time.sleep
    """Function that sleeps for a number of seconds before the next try."""

    _unreachable: dict[str, str] = field(default_factory=dict, init=False)
    _records: dict[str, dict[str, str]] = field(default_factory=dict, init=False)

    def apply_mirrors(self, url: str) -> str:
        """Return the URL of the file at its mirror, or the URL itself without a mirror."""
        for prefix in sorted(self.mirrors, key=len, reverse=True):
            if url.startswith(prefix):
                return self.mirrors[prefix] + url[len(prefix) :]
        return url

    def fetch(self, url: str, path: Path, checksum: str | None = None, size: int | None = None) -> None:
        """Download `url` to `path`. The file appears at `path` only when it is complete and verified. `size` is its
        published number of bytes, if there is one.

        The partial file (`.part`) of an interrupted call is resumed if the server still has the same file. Raises
        FetchError if the download fails, StoreError if the file cannot be written.
        """
        part = _PartialFile.from_target(path)
        with translate_write_errors(path, OPTION):
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                resumed = self._complete_part(url, part, checksum is not None, size)
                if checksum is None or matches_checksum(part.path, checksum):
                    break
                found = f"{checksum.partition(':')[0]}:{compute_digest(part.path, checksum.partition(':')[0])}"
                part.remove()
                if not resumed:  # a resumed download began with another file's bytes and starts again
                    raise FetchError(
                        f"{url}: what came has the checksum {found}, its makers publish {checksum}; it was removed: "
                        "try again later"
                    )
            part.path.replace(path)
            part.note.unlink(missing_ok=True)

    def find_checksum(self, source: DownloadSource) -> str | None:
        """Return the published checksum of a file: from its Zenodo record if it has one, else from the task's card."""
        match = _ZENODO.match(source.url or "")
        if match is None:
            return source.checksum
        record, name = match.groups()
        if record not in self._records:
            self._records[record] = self._request_record_checksums(f"https://zenodo.org/api/records/{record}")
        return self._records[record].get(unquote(name), source.checksum)

    def _request_record_checksums(self, url: str) -> dict[str, str]:
        """Request the checksums of a Zenodo record, by file name; empty if the list is unavailable."""
        tries = 0
        while True:
            try:
                with self._request(url, {"Accept": "application/json", "Accept-Encoding": "identity"}) as response:
                    files = parse_json(_read_short_body(response))["files"]
                return {file["key"]: file["checksum"] for file in files if ":" in file["checksum"]}
            except _TemporaryError as failure:
                tries += 1
                try:
                    self._wait_or_give_up(url, failure, tries)
                except FetchError:
                    return {}
            except (FetchError, ValueError, KeyError, TypeError):
                return {}

    def _complete_part(self, url: str, part: _PartialFile, has_checksum: bool, size: int | None) -> bool:
        """Download until the partial file is complete, with retries. Return True if it began with bytes of an earlier
        call. `has_checksum` is True if the complete file is verified against a checksum."""
        resumed = bool(part.read_resumable_note(url, has_checksum))
        best, tries = part.size(), 0
        while True:
            try:
                self._try_download(url, part, has_checksum, size)
                return resumed
            except _TemporaryError as failure:
                done = part.size()
                tries = 1 if done > best else tries + 1
                best = max(best, done)
                self._wait_or_give_up(
                    url, failure, tries, "what came is kept: " if part.read_resumable_note(url, has_checksum) else ""
                )

    def _wait_or_give_up(self, url: str, failure: _TemporaryError, tries: int, kept: str = "") -> None:
        """Wait before the next try. Raises FetchError after `MAX_TRIES` tries, or if the server's delay is too long.

        `kept` is a remark on the stored part of the download, for that message.
        """
        pause = min(60.0, 2.0 ** (tries - 1)) if failure.pause is None else failure.pause
        if tries >= MAX_TRIES or pause > MAX_PAUSE:
            asked = f", and asks to come back in {pause:.0f} s" if failure.pause is not None else f" ({tries} tries)"
            if failure.host is not None:
                self._unreachable[failure.host] = str(failure)
            raise FetchError(f"{url}: {failure}{asked}; {kept}run the same command again later")
        self.pause(pause)

    def _try_download(self, url: str, part: _PartialFile, has_checksum: bool, size: int | None) -> None:
        """Download the missing bytes of the partial file. Raises _TemporaryError if another try may succeed.
        `has_checksum` is True if the complete file is verified against a checksum."""
        note = part.read_resumable_note(url, has_checksum)
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
            mark = _identify_version(url, response)
            if start and not _is_continuation(response, start, note, mark):
                if response.status_code != 200:
                    part.remove()
                    raise _TemporaryError("the server has another file there now")
                start = 0
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise FetchError(f"{url}: a web page came instead of a file: is there a login in between?")
            if size is not None and mark["total"] not in (None, size):
                raise FetchError(f"{url}: the server has {mark['total']:,} bytes there, its makers publish {size:,}")
            longest = mark["total"] or size or MAX_UNKNOWN_SIZE
            check_free_space(part.path.parent, (mark["total"] or size or start) - start)
            write_atomically(part.note, json.dumps(mark), OPTION)
            with part.path.open("ab" if start else "wb") as file:
                done = start
                for piece in _iterate_pieces(response):
                    done += file.write(piece[: longest + 1 - done])
                    if done > longest:
                        break
                    self.tell(_get_file_name(url), done, mark["total"])
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
        """Request `url`, and yield the response if its status is 200, 206 or 416 and its body is uncompressed. Raises
        _TemporaryError or FetchError otherwise."""
        import requests

        where = self.apply_mirrors(url)
        host = urlsplit(where).netloc
        if host in self._unreachable:
            raise FetchError(f"{url}: {self._unreachable[host]}")
        named = {"User-Agent": "alm-bench", **headers}
        try:
            response = _get_response(where, named)
        except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
            self._unreachable[host] = f"no secure connection to {host}: {_describe_cause(error)}"
            raise FetchError(f"{url}: {self._unreachable[host]}") from error
        except (requests.ConnectionError, requests.Timeout) as error:
            if _is_unresolved_host(error):
                self._unreachable[host] = f"{host} cannot be found: is there a connection to the internet?"
                raise FetchError(f"{url}: {self._unreachable[host]}") from error
            raise _TemporaryError(f"no connection to {host}: {_describe_cause(error)}", host=host) from error
        except (requests.RequestException, ValueError) as error:  # an invalid address
            raise FetchError(f"{where}: {_describe_cause(error)}") from error
        with response:
            _check_status(url, response)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            if encoding not in ("", "identity"):  # one kilobyte may unpack to one gigabyte
                raise FetchError(f"{url}: it came compressed as {encoding[:40]!r}, which was not asked for")
            yield response


def _get_response(url: str, headers: Mapping[str, str]) -> "requests.Response":
    """Request a URL, follow redirects and return the response with its body unread. Raises the exceptions of requests,
    and FetchError for a redirect to plain HTTP and for too many redirects.

    Redirects are followed here because requests reads the bodies of redirects to the end, whatever their length, even
    if it is told not to follow them.
    """
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            """Return None, so that requests does not handle the redirect."""

    address = url
    with Session() as session:
        for _ in range(MAX_REDIRECTS):
            response = session.get(address, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False)
            target = super(Session, session).get_redirect_target(response)
            if target is None:
                return response
            response.close()
            before, address = address, urljoin(address, target)
            if urlsplit(before).scheme == "https" and urlsplit(address).scheme != "https":
                raise FetchError(f"{url}: it redirects from https to {address}: anyone could change what comes")
    raise FetchError(f"{url}: it redirects more than {MAX_REDIRECTS} times")


def _read_short_body(response: "requests.Response") -> bytes:
    """Return the body of a response with a list of files. Raises ValueError if it has more than
    MAX_LIST_BYTES bytes."""
    body = bytearray()
    for piece in _iterate_pieces(response):
        body += piece
        if len(body) > MAX_LIST_BYTES:
            raise ValueError(f"the list of files has more than {MAX_LIST_BYTES:,} bytes")
    return bytes(body)


def _check_status(url: str, response: "requests.Response") -> None:
    """Raise _TemporaryError for a status after which another try may succeed, FetchError for any other error."""
    status = response.status_code
    status_text = f"the server answers {status} {response.reason or ''}".rstrip()
    if status in RETRY_STATUSES:
        raise _TemporaryError(status_text, _parse_retry_after(response.headers.get("Retry-After")))
    if status in (404, 410):
        raise FetchError(f"{url}: {status_text}: the file has moved or is gone")
    if status not in (200, 206, 416):
        raise FetchError(f"{url}: {status_text}")


def _is_continuation(
    response: "requests.Response", start: int, note: Mapping[str, Any], mark: Mapping[str, Any]
) -> bool:
    """Return True if a response continues a partial file. It must begin at byte `start`, and its version (`mark`) must
    not contradict the version of the partial file (`note`)."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    same = all(not note.get(key) or not mark[key] or note[key] == mark[key] for key in ("etag", "modified", "total"))
    return response.status_code == 206 and begins and same


def _identify_version(url: str, response: "requests.Response") -> dict[str, Any]:
    """Return the properties that identify a remote file's version: `url`, `etag`, `modified` (a date) and `total`, its
    size in bytes. Values that the server does not report are None."""
    headers = response.headers
    length = headers.get("Content-Length", "")
    if response.status_code == 206:
        length = headers.get("Content-Range", "").rpartition("/")[2]
    marks = {"etag": headers.get("ETag"), "modified": headers.get("Last-Modified")}
    return {"url": url, **marks, "total": parse_whole_number(length)}


def _iterate_pieces(response: "requests.Response") -> Iterator[bytes]:
    """Yield the body of a response in pieces. Raises _TemporaryError if the connection breaks off."""
    import requests

    try:
        yield from response.iter_content(PIECE)
    except requests.RequestException as error:
        raise _TemporaryError(f"the connection broke off: {_describe_cause(error)}") from error


def _parse_retry_after(value: str | None) -> float | None:
    """Parse the header Retry-After (seconds or a date) into seconds; None if it is neither."""
    if not value:
        return None
    if (seconds := parse_whole_number(value)) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):  # not a date, or a date out of range
        return None


def _find_innermost_cause(error: BaseException) -> BaseException:
    """Return the innermost cause of an error, since outer errors repeat the address."""
    while (inner := error.__cause__ or error.__context__ or next(iter(error.args), None)) is not None:
        inner = getattr(inner, "reason", inner)
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    return error


def _describe_cause(error: BaseException) -> str:
    """Return a one-line description of the innermost cause of an error."""
    return get_first_line(_find_innermost_cause(error)).rpartition(">: ")[2]


def _is_unresolved_host(error: BaseException) -> bool:
    """Return True if the error is a failed name resolution of the host, after which a retry does not help."""
    return isinstance(_find_innermost_cause(error), socket.gaierror)


def _get_file_name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def compute_digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def matches_checksum(path: Path, checksum: str) -> bool:
    """Return True if a file has the checksum, such as `md5:...`. Raises DataError for an unknown hash algorithm."""
    kind, _, value = checksum.partition(":")
    if kind not in hashlib.algorithms_available:
        raise DataError(f"the checksum {checksum!r} is of no known kind: expected md5:... or sha256:...")
    return compute_digest(path, kind) == value.lower()


def check_free_space(folder: Path, needed: int) -> None:
    """Check that the disk of `folder` has `needed` free bytes. Raises StoreError otherwise."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"{folder}: {needed / 1e9:.1f} GB are to come and the disk has {free / 1e9:.1f} GB left: free some space, "
            f"or name another folder with {OPTION}"
        )


MIRROR_VARIABLE = "ALM_BENCH_MIRROR"
"""Environment variable with pairs PREFIX=URL, separated by spaces."""


def read_mirror_variable() -> list[str]:
    """Return the mirrors in the environment variable MIRROR_VARIABLE, as texts like the values of `--mirror`."""
    return os.environ.get(MIRROR_VARIABLE, "").split()


def fetch_archive(fetcher: Fetcher, url: str, archive: Path, checksum: str | None, size: int | None = None) -> None:
    """Download an archive unless the file exists, and write a marker file that records the download. `drop_archive`
    removes only archives with such a marker. `size` is the published number of bytes, if there is one."""
    if not archive.is_file():
        fetcher.fetch(url, archive, checksum, size)
        with translate_write_errors(archive, OPTION):
            _get_marker_path(archive).touch()


def drop_archive(archive: Path, keep: bool) -> None:
    """Remove an unpacked archive that `fetch_archive` downloaded, unless `keep` is true. An archive that the user put
    there is never removed."""
    with translate_write_errors(archive, OPTION):
        if _get_marker_path(archive).is_file():
            if not keep:
                archive.unlink(missing_ok=True)
            _get_marker_path(archive).unlink()


def _get_marker_path(archive: Path) -> Path:
    """Return the path of the empty file that records that this program downloaded the archive."""
    return archive.with_name(f".{archive.name}.fetched")
