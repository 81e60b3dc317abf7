"""Concurrent calls to a server, each with retries and a deadline."""

import asyncio
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from random import random
from types import TracebackType
from typing import TYPE_CHECKING, Any

from alm_bench.adapters.openai.options import OpenAIOptions, scrub
from alm_bench.adapters.openai.reply import error_codes, failure, parse_reply, usage
from alm_bench.adapters.openai.session import QUOTA, Session, find_remedy
from alm_bench.adapters.openai.streamed import NoReplyError
from alm_bench.core import Output, UnreachableError
from alm_bench.core.errors import describe_error
from alm_bench.core.secrets import hide

if TYPE_CHECKING:
    from openai import APIStatusError

NO_KEY = "none"
"""Key for servers that require none; the `openai` client does not accept an empty key."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds; doubled with each retry, as in the client


class Calls:
    """Event loop in a separate thread that sends requests while the caller decodes clips and stores answers.

    Used as a context manager: entering starts the thread, leaving cancels pending calls and ends it.
    """

    def __init__(self, options: OpenAIOptions, key: str | None, session: Session) -> None:
        from openai import AsyncOpenAI

        from alm_bench.adapters.openai.client import BoundedClient

        self._options, self._key, self._session = options, key, session
        self._client = AsyncOpenAI(
            api_key=key or NO_KEY,
            base_url=options.base_url,
            timeout=options.timeout,
            max_retries=options.retries,
            # a proxy of the environment does not reach this machine's own addresses
            http_client=BoundedClient(round(options.max_reply_mb * 1e6), trust_env=not options.is_loopback),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai", daemon=True)

    def __enter__(self) -> "Calls":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel_calls(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_calls(self) -> None:
        """Cancel pending calls and close the client."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    def start(self, body: Mapping[str, Any], estimate: float | None = None) -> "Future[Output]":
        """Start a call and return the future of its output.

        `estimate` is the call's cost in US dollars, used if the server does not report token counts. The future raises
        UnreachableError if no call can succeed.
        """
        return asyncio.run_coroutine_threadsafe(self._answer_within_deadline(body, estimate), self._loop)

    def check_connection(self) -> None:
        """Check that a server accepts connections at the address, whatever it replies. Raises UnreachableError."""
        asyncio.run_coroutine_threadsafe(self._check_connection(), self._loop).result()
        self._session.met = True

    async def _check_connection(self) -> None:
        from openai import APIConnectionError, APIStatusError

        client = self._client.with_options(max_retries=0, timeout=min(self._options.timeout, 10))
        try:
            await client.models.with_raw_response.list()
        except APIConnectionError as error:
            if _is_unreachable(error):
                raise UnreachableError(
                    f"model openai: nobody answers at {self._options.base_url}: start the server, or name another with "
                    "base_url="
                ) from error
        except APIStatusError:
            return

    async def _answer_within_deadline(self, body: Mapping[str, Any], estimate: float | None) -> Output:
        deadline = self._options.deadline
        try:
            async with asyncio.timeout(deadline):
                output = await self._call_with_retries(body, estimate)
        except TimeoutError:
            return Output(None, error=f"no answer within deadline={deadline:g} seconds, retries included")
        except UnreachableError:
            raise
        except Exception as error:  # noqa: BLE001  any error that one reply causes in the client is recorded with its item
            output = Output(None, error=f"the reply cannot be read: {describe_error(error)}")
        texts = {name: self._scrub(getattr(output, name)) for name in ("text", "error", "refusal")}
        return replace(output, **texts, extra=self._scrub(dict(output.extra)))

    def _scrub(self, value: Any) -> Any:
        return scrub(value, self._options, self._key)

    async def _call_with_retries(self, body: Mapping[str, Any], estimate: float | None) -> Output:
        """Send a request until a usable reply comes, and return its output.

        The client retries after network errors and replies of busy servers; this method retries after unusable replies.
        The option `retries` limits the sum of both.
        """
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        left = self._options.retries
        while True:
            try:
                text, refused, retried = await self._send(body, left)
            except APITimeoutError:
                return Output(
                    None, error=f"no answer within timeout={self._options.timeout:g} seconds{self._describe_retries()}"
                )
            except APIConnectionError as error:
                why = str(error.__cause__ or "") or type(error.__cause__ or error).__name__
                return Output(None, error=f"the connection failed{self._describe_retries()}: {why}")
            except APIStatusError as error:
                return self._build_failure(error)
            left -= retried
            if refused is not None:  # no retry, since each call costs money
                return Output(None, error=refused, extra=usage(None, self._options, estimate))
            try:
                output = parse_reply(text, self._options, estimate)
                self._session.answered = self._session.answered or output.error is None
                return output
            except NoReplyError as none:
                if left <= 0:
                    return Output(
                        None, error=f"{none}{self._describe_retries()}", extra=usage(None, self._options, estimate)
                    )
                wait = min(_FIRST_WAIT * 2 ** (self._options.retries - left), _LONGEST_WAIT)
                await asyncio.sleep(wait * (1 - random() / 4))
                left -= 1

    async def _send(self, body: Mapping[str, Any], retries: int) -> tuple[str, str | None, int]:
        """Send a request; return the reply's text, the reason why it was not read (or None), and the client's retries.

        The status of the reply is 200; other replies raise errors of the `openai` package.
        """
        from alm_bench.adapters.openai.client import REFUSED

        client = self._client.with_options(max_retries=retries)
        others = {name: value for name, value in body.items() if name not in ("model", "messages")}
        raw = await client.chat.completions.with_raw_response.create(
            model=body["model"], messages=body["messages"], extra_body=others
        )
        return raw.text, raw.http_response.extensions.get(REFUSED), raw.retries_taken

    def _describe_retries(self) -> str:
        return f" (asked {self._options.retries + 1} times)" if self._options.retries else ""

    def _build_failure(self, error: "APIStatusError") -> Output:
        """Return the output of a call that failed with an error status.

        Raises UnreachableError if every call would fail: for a wrong key, a used-up quota, a redirect or a wrong
        address; and, unless a call has succeeded before, for an unknown model, a lack of permission or a model without
        audio.
        """
        told = failure(error.status_code, error.response.text)
        reason = self._scrub(told.error or "")
        if error.status_code == 401:
            variable = self._options.api_key_env or ("OPENAI_API_KEY" if self._options.is_hosted else None)
            sent = f"the key is that of {variable}" if variable else "no key was sent, name one with api_key_env="
            raise UnreachableError(f"model openai: {reason} ({sent})")
        if 300 <= error.status_code < 400:
            to = hide(error.response.headers.get("location", "another address"))
            raise UnreachableError(
                f"model openai: {self._options.base_url} redirects to {to}: name that with base_url="
            )
        if error.status_code == 404:
            raise UnreachableError(
                f"model openai: {reason} (asked was the model {self._options.model!r} at {self._options.base_url}: is "
                "that its name, and is the address whole, /v1 included?)"
            )
        codes = error_codes(error.response.text)
        hopeless = find_remedy(error.status_code, codes, told.error or "", self._options.audio)
        if hopeless is not None and told.refusal is None and (not self._session.answered or codes & QUOTA):
            raise UnreachableError(f"model openai: {reason} ({hopeless})")
        return told


def _is_unreachable(error: BaseException | None) -> bool:
    """Return True if the connection was refused or the server's name is unknown."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, ConnectionRefusedError | socket.gaierror):
            return True
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return False
