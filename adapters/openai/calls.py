"""Concurrent calls to a server, each with retries and a deadline."""

import asyncio
import socket
import time
import zlib
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from random import random
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from alm_bench.adapters.openai.client import HttpClient, Reply
from alm_bench.adapters.openai.concurrency import ConcurrencyLimit
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.adapters.openai.reply import build_failure_output, build_usage_extra, list_error_codes, parse_reply
from alm_bench.adapters.openai.retries import choose_wait, is_busy, should_retry
from alm_bench.adapters.openai.session import QUOTA, Session, find_remedy
from alm_bench.adapters.openai.streamed import NoReplyError
from alm_bench.core import Output, UnreachableError
from alm_bench.core.errors import describe_error
from alm_bench.core.secrets import hide_secrets

Value = TypeVar("Value")


class CallLoop:
    """Event loop with open calls, used as a context manager. Its end cancels pending calls.

    The loop runs in the caller's thread while the caller waits. In a thread of its own, it would contend with the
    caller for the interpreter lock at each call. Only if the caller's thread already runs another event loop, as in a
    notebook, does the loop run in a thread of its own.
    """

    def __init__(self, options: OpenAIOptions, key: str | None, session: Session, limit: ConcurrencyLimit) -> None:
        self._options, self._key, self._session, self.limit = options, key, session, limit
        self._scrub = options.make_scrubber(key)
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="openai") if _is_loop_running() else None
        self._open: set[asyncio.Task[Output]] = set()
        self._ended: list[asyncio.Task[Output]] = []
        self._client: HttpClient | None = None
        self._is_waiting = False
        self._running: Future[Any] | None = None

    def __enter__(self) -> "CallLoop":
        try:
            self._client = self._run_coroutine(self._open_client())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_waiting = False  # an interruption may have left it set, and the loop running
        if self._running is not None and not self._running.done():
            self._loop.call_soon_threadsafe(self._loop.stop)
            wait([self._running])
        try:
            self._run_coroutine(self._cancel_calls())
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._loop.close()

    def start(self, body: Sequence[bytes], estimate: float | None = None) -> "asyncio.Task[Output]":
        """Start a call and return the task of its output.

        `body` is the request's body in pieces. `estimate` is the call's cost in US dollars, used if the server does not
        report token counts. The task raises UnreachableError if no call can succeed.
        """
        task = self._loop.create_task(self._answer_within_deadline(body, estimate))
        self._open.add(task)
        task.add_done_callback(self._move_to_ended)
        return task

    def advance(self) -> None:
        """Let open calls send and receive the bytes that are ready, without waiting for more."""
        self._loop.call_soon(self._stop_waiting)
        self._wait()

    def take_ended_calls(self, timeout: float | None) -> "list[asyncio.Task[Output]]":
        """Return the calls that have ended since this method was called last. If there are none, wait for one.

        `timeout` is the longest time to wait, in seconds; None: no limit.
        """
        self.advance()
        if not self._ended and timeout != 0:
            timer = None if timeout is None else self._loop.call_later(timeout, self._stop_waiting)
            self._wait()
            if timer is not None:
                timer.cancel()
        ended, self._ended = self._ended, []
        return ended

    def check_connection(self) -> None:
        """Raise UnreachableError if the connection is refused or the server's name is unknown.

        Any reply will do. A timeout or another failure raises no error here, since later calls are retried.
        """
        self._run_coroutine(self._check_connection())
        self._session.checked = True

    def _move_to_ended(self, task: "asyncio.Task[Output]") -> None:
        """Move the task of a call that has just ended from the open calls to the ended ones."""
        if not task.cancelled():
            task.exception()  # marks it as retrieved: of several errors that end a run, only one is raised
        self._open.discard(task)
        self._ended.append(task)
        self._stop_waiting()

    def _wait(self) -> None:
        """Run the event loop until `_stop_waiting` is called."""
        self._is_waiting = True
        self._run(self._loop.run_forever)

    def _stop_waiting(self) -> None:
        if self._is_waiting:  # a stop at any other time would end the work of `_complete`
            self._is_waiting = False
            self._loop.stop()

    def _run(self, work: Callable[[], Value]) -> Value:
        """Call `work`, which runs the event loop and blocks, in the loop's thread; return its result."""
        if self._thread is None:
            return work()
        self._running = running = self._thread.submit(work)
        return running.result()

    def _run_coroutine(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Run the event loop until a coroutine has ended, and return its result."""
        return self._run(lambda: self._loop.run_until_complete(work))

    async def _open_client(self) -> HttpClient:
        return HttpClient(self._options, self._key)

    async def _cancel_calls(self) -> None:
        """Cancel pending calls and close the client."""
        pending = list(self._open)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _check_connection(self) -> None:
        assert self._client is not None, "used as a context manager"
        try:
            await self._client.get("models", timeout=min(self._options.timeout, 10))
        except (aiohttp.ClientError, OSError) as error:
            if _is_unreachable(error):
                raise UnreachableError(
                    f"model openai: nobody answers at {self._options.base_url}: start the server, or name another with "
                    "base_url="
                ) from error
        except zlib.error:  # a compressed reply that breaks off is a reply, too
            return

    async def _answer_within_deadline(self, body: Sequence[bytes], estimate: float | None) -> Output:
        """Return the output of a call, retries included, without secrets; an error if the deadline passes.

        Raises UnreachableError if no call can succeed. All other errors are part of the output.
        """
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

    async def _call_with_retries(self, body: Sequence[bytes], estimate: float | None) -> Output:
        """Send a request until a usable reply comes, and return its output.

        Lost connections, replies of busy servers and unusable replies are retried.
        """
        found = Output(None, error="not asked")
        for attempt in range(self._options.retries + 1):
            reply: Reply | None = None
            started, epoch = time.perf_counter(), self.limit.epoch
            try:
                reply = await self._send(body)
                if 200 <= reply.status < 300:
                    output = self._read_reply(reply, estimate)
                    self.limit.record_answer(time.perf_counter() - started)
                    return output
                if is_busy(reply):
                    self.limit.record_busy(epoch)
                if not should_retry(reply) or attempt == self._options.retries:
                    return self._build_failure(reply)
            except NoReplyError as none:
                found = Output(
                    None,
                    error=f"{none}{self._describe_retries()}",
                    extra=build_usage_extra(None, self._options, estimate),
                )
            except _ConnectionFailedError as lost:
                self.limit.record_busy(epoch)
                found = Output(None, error=str(lost))
            if attempt < self._options.retries:
                await asyncio.sleep(choose_wait(reply, attempt, random()))
        return found

    async def _send(self, body: Sequence[bytes]) -> Reply:
        """Send a request and return the reply. Raises _ConnectionFailedError if none comes."""
        assert self._client is not None, "used as a context manager"
        try:
            return await self._client.post("chat/completions", body)
        except TimeoutError as error:  # of aiohttp: that of the deadline is raised outside
            raise _ConnectionFailedError(
                f"no answer within timeout={self._options.timeout:g} seconds{self._describe_retries()}"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _ConnectionFailedError(
                f"the connection failed{self._describe_retries()}: {describe_error(error)}"
            ) from error

    def _read_reply(self, reply: Reply, estimate: float | None) -> Output:
        """Return the output of a reply with status 200. Raises NoReplyError for an unusable one."""
        if reply.refused is not None:  # no retry, since each call costs money
            return Output(None, error=reply.refused, extra=build_usage_extra(None, self._options, estimate))
        output = parse_reply(reply.text, self._options, estimate)
        self._session.answered = self._session.answered or output.error is None
        return output

    def _describe_retries(self) -> str:
        """Return the part of an error message that says how often a request was sent; "" if it is never repeated."""
        return f" (asked {self._options.retries + 1} times)" if self._options.retries else ""

    def _build_failure(self, reply: Reply) -> Output:
        """Return the output of a call that failed with an error status.

        Raises UnreachableError if every call would fail: for a wrong key, a used-up quota, a redirect or a wrong
        address; and, unless a call has succeeded before, for an unknown model, a lack of permission or a model without
        audio.
        """
        told = build_failure_output(reply.status, reply.text)
        reason = self._scrub(told.error or "")
        if reply.status == 401:
            variable = self._options.api_key_env or ("OPENAI_API_KEY" if self._options.is_openai_server else None)
            sent = f"the key is that of {variable}" if variable else "no key was sent, name one with api_key_env="
            raise UnreachableError(f"model openai: {reason} ({sent})")
        if 300 <= reply.status < 400:
            to = hide_secrets(reply.headers.get("location", "another address"))
            raise UnreachableError(
                f"model openai: {self._options.base_url} redirects to {to}: name that with base_url="
            )
        if reply.status == 404:
            raise UnreachableError(
                f"model openai: {reason} (asked was the model {self._options.model!r} at {self._options.base_url}: is "
                "that its name, and is the address whole, /v1 included?)"
            )
        codes = list_error_codes(reply.text)
        hopeless = find_remedy(reply.status, codes, told.error or "", self._options.audio)
        if hopeless is not None and told.refusal is None and (not self._session.answered or codes & QUOTA):
            raise UnreachableError(f"model openai: {reason} ({hopeless})")
        return told


class _ConnectionFailedError(Exception):
    """The server sent no reply: the connection failed or timed out. The message is the reason."""


def _is_loop_running() -> bool:
    """Return True if this thread runs an event loop, so that it cannot run another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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
        waiting += [one.__cause__, one.__context__, getattr(one, "os_error", None), *getattr(one, "exceptions", ())]
    return False
