"""HTTP client of the adapter: posts JSON, limits the size of replies, follows no redirects."""

import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from alm_bench import __version__
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import UnreachableError

NO_KEY = "none"
"""Key that is sent to servers that require none; some of them require the header all the same."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of a server."""

    status: int
    """HTTP status."""

    headers: Mapping[str, str]
    """Headers; names are matched in any case."""

    text: str
    """Uncompressed body; empty if it was refused."""

    refused: str | None = None
    """Reason why the body was not read to its end; None if it was."""


class HttpClient:
    """Client for one server. It keeps connections open for further requests.

    The size of a reply is limited after decompression, since a kilobyte of gzip may expand to a gigabyte. Redirects are
    not followed, so that clips are sent neither to another address than the user's nor from https to http. Must be
    created, used and closed within the same event loop.
    """

    def __init__(self, options: OpenAIOptions, key: str | None) -> None:
        """Prepare the client; the first request connects. Raises UnreachableError for an unsupported proxy."""
        self._base_url = options.base_url.rstrip("/")
        self._max_bytes = round(options.max_reply_mb * 1e6)
        self._proxy = None if options.is_loopback else find_proxy(options.base_url)
        headers = {
            "Authorization": f"Bearer {key or NO_KEY}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"alm-bench/{__version__}",
            **options.account_headers,
        }
        self._session = aiohttp.ClientSession(
            headers=headers,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),  # the caller limits the number of calls
            # without a total: a streamed answer may take long, as long as its pieces keep coming
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.timeout, sock_read=options.timeout),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def post(self, path: str, body: Sequence[bytes]) -> Reply:
        """Post JSON, given in pieces, to a path below the base URL, and return the reply, whatever its status.

        Raises TimeoutError, errors of aiohttp, OSError, and zlib.error for an incomplete compressed reply.
        """
        return await self._request("POST", path, data=_JSONPayload(body))

    async def get(self, path: str, timeout: float) -> Reply:
        """Get a path below the base URL within `timeout` seconds. Raises the same errors as `post`."""
        return await self._request("GET", path, timeout=aiohttp.ClientTimeout(total=timeout))

    async def _request(self, method: str, path: str, **settings: Any) -> Reply:
        url = f"{self._base_url}/{path}"
        async with self._session.request(method, url, allow_redirects=False, proxy=self._proxy, **settings) as response:
            body, refused = await _read_body(response, self._max_bytes)
            return Reply(response.status, response.headers, body.decode("utf-8", "replace"), refused)


class _JSONPayload(aiohttp.Payload):
    """JSON in pieces that are sent one after the other. To join them first would copy the clips once more."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__(pieces, content_type="application/json")
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        for piece in self._value:
            await writer.write(piece)


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, str | None]:
    """Return the uncompressed body and None; or an empty body and the reason why the reply is refused.

    Raises the errors of the connection, and zlib.error if the compressed data are incomplete.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        return b"", f"the reply is compressed as {encoding[:40]!r}, which was not asked for"
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for piece in response.content.iter_any():
        # stop one byte above the limit, which suffices to know that the reply is too large
        body += piece if unpacker is None else unpacker.decompress(piece, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            response.close()  # the rest is not read: the connection cannot be used again
            return b"", f"the reply has more than max_reply_mb={max_bytes / 1e6:g} MB"
    if unpacker is not None and body and not unpacker.eof:
        raise zlib.error("the compressed reply breaks off")
    return bytes(body), None


def find_proxy(url: str) -> str | None:
    """Return the URL of the proxy that the environment names for an address (`HTTPS_PROXY`, `NO_PROXY`, ...); None for
    a direct connection.

    Raises UnreachableError for a proxy of another kind than HTTP.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise UnreachableError(
            f"model openai: the environment names a proxy of the kind {proxy.partition('://')[0]!r}, expected an HTTP "
            "proxy: set HTTPS_PROXY, or NO_PROXY for this address"
        )
    return proxy
