"""The HTTP client under the `openai` package's: replies are read up to a bound, and no redirect is followed."""

import zlib
from typing import Any

from openai import DefaultAsyncHttpxClient

from alm_bench.adapters.openai.reply import error_codes
from alm_bench.adapters.openai.session import QUOTA

REFUSED = "alm_bench.refused"
"""Key of a response's `extensions`: why its body was not read. Such a response has an empty body."""


class BoundedClient(DefaultAsyncHttpxClient):
    """Reads at most `max_bytes` of a reply, counted after decompression: a kilobyte of gzip may hold a gigabyte.

    A redirect is an error: clips that are meant for one address are not sent to another, nor from https to http.
    """

    def __init__(self, max_bytes: int, **settings: Any) -> None:
        super().__init__(follow_redirects=False, headers={"Accept-Encoding": "gzip"}, **settings)
        self._max_bytes = max_bytes

    async def send(self, request: Any, *, stream: bool = False, **settings: Any) -> Any:
        """Send a request and read its reply, as a response with a plain body. `stream` is of no effect."""
        response = await super().send(request, stream=True, **settings)
        try:
            body, refused = await _read_body(response, self._max_bytes)
        finally:
            await response.aclose()
        kept = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_TRANSFER]
        if response.status_code == 429 and error_codes(body.decode("utf-8", "replace")) & QUOTA:
            kept.append(("x-should-retry", "false"))  # what is used up is not there a second later
        extensions = {**response.extensions, **({} if refused is None else {REFUSED: refused})}
        return type(response)(response.status_code, headers=kept, content=body, request=request, extensions=extensions)


_OF_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


async def _read_body(response: Any, max_bytes: int) -> tuple[bytes, str | None]:
    """The body, unpacked; or nothing, and why it is refused. Raises what the connection raises, and zlib.error."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        return b"", f"the reply is compressed as {encoding[:40]!r}, which was not asked for"
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for piece in response.aiter_raw():
        # one byte more than is allowed tells that there is more; unpacking stops there
        body += piece if unpacker is None else unpacker.decompress(piece, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            return b"", f"the reply has more than max_reply_mb={max_bytes / 1e6:g} MB"
    if unpacker is not None and body and not unpacker.eof:
        raise zlib.error("the compressed reply breaks off")
    return bytes(body), None
