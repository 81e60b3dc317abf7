"""HTTP client for the `openai` package that limits the size of replies and does not follow redirects."""

import zlib
from typing import Any

from openai import DefaultAsyncHttpxClient

from alm_bench.adapters.openai.reply import error_codes
from alm_bench.adapters.openai.session import QUOTA

REFUSED = "alm_bench.refused"
"""Key in a response's `extensions` for the reason why its body was not read. The body of such a response is empty."""


class BoundedClient(DefaultAsyncHttpxClient):
    """HTTP client that reads at most `max_bytes` of a reply and treats redirects as errors.

    The size is counted after decompression, since a kilobyte of gzip may expand to a gigabyte. Redirects are not
    followed, so that clips are sent neither to another address than the user's nor from https to http.
    """

    def __init__(self, max_bytes: int, **settings: Any) -> None:
        super().__init__(follow_redirects=False, headers={"Accept-Encoding": "gzip"}, **settings)
        self._max_bytes = max_bytes

    async def send(self, request: Any, *, stream: bool = False, **settings: Any) -> Any:
        """Send a request, read the reply and return it as an uncompressed response. `stream` has no effect."""
        response = await super().send(request, stream=True, **settings)
        try:
            body, refused = await _read_body(response, self._max_bytes)
        finally:
            await response.aclose()
        kept = [
            (name, value) for name, value in response.headers.multi_items() if name.lower() not in _TRANSFER_HEADERS
        ]
        if response.status_code == 429 and error_codes(body.decode("utf-8", "replace")) & QUOTA:
            kept.append(("x-should-retry", "false"))  # a used-up quota does not come back within seconds
        extensions = {**response.extensions, **({} if refused is None else {REFUSED: refused})}
        return type(response)(response.status_code, headers=kept, content=body, request=request, extensions=extensions)


_TRANSFER_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


async def _read_body(response: Any, max_bytes: int) -> tuple[bytes, str | None]:
    """Return the uncompressed body and None; or an empty body and the reason why the reply is refused.

    Raises the errors of the connection, and zlib.error if the compressed data are incomplete.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        return b"", f"the reply is compressed as {encoding[:40]!r}, which was not asked for"
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for piece in response.aiter_raw():
        # stop one byte above the limit, which suffices to know that the reply is too large
        body += piece if unpacker is None else unpacker.decompress(piece, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            return b"", f"the reply has more than max_reply_mb={max_bytes / 1e6:g} MB"
    if unpacker is not None and body and not unpacker.eof:
        raise zlib.error("the compressed reply breaks off")
    return bytes(body), None
