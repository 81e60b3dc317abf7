"""How many calls are open at once, when a call is repeated, and where the event loop runs."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_server import MODEL, Server

from alm_bench.adapters.openai import call_queue
from alm_bench.adapters.openai.call_queue import CallQueue
from alm_bench.adapters.openai.client import Reply, find_proxy
from alm_bench.adapters.openai.concurrency import FIRST_LIMIT, MAX_LIMIT, ConcurrencyLimit
from alm_bench.adapters.openai.retries import choose_wait, is_busy, parse_retry_after, should_retry
from alm_bench.core import Decoding, Output, Request, Runtime, UnreachableError
from alm_bench.plugins import catalogue


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answer_window(limit: ConcurrencyLimit, clock: Clock, calls_per_second: float, seconds: float) -> None:
    """Let as many calls be answered as are open at once, each after `seconds` seconds."""
    for _ in range(limit.limit):
        clock.now += 1 / calls_per_second
        limit.record_answer(seconds)


def test_the_limit_doubles_as_long_as_more_calls_are_answered_faster() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(clock=clock)
    assert limit.limit == FIRST_LIMIT
    for rate in (8, 16, 32):
        answer_window(limit, clock, rate, 1.0)
    assert limit.limit == MAX_LIMIT
    answer_window(limit, clock, 64, 1.0)
    assert limit.limit == MAX_LIMIT


def test_a_saturated_server_gets_no_more_calls() -> None:
    """Twice as many calls that wait twice as long."""
    clock = Clock()
    limit = ConcurrencyLimit(clock=clock)
    answer_window(limit, clock, 10, 0.8)
    assert limit.limit == 16
    answer_window(limit, clock, 10, 1.59)
    assert limit.limit == 17, "no more doubling, one more to try"
    answer_window(limit, clock, 10, 1.7)
    assert limit.limit == 8, "the latency has doubled for nothing"


def test_a_busy_server_halves_the_limit_once_for_all_calls_of_the_same_time() -> None:
    limit = ConcurrencyLimit(clock=Clock())
    epoch = limit.epoch
    for _ in range(8):
        limit.record_busy(epoch)
    assert limit.limit == FIRST_LIMIT // 2
    limit.record_busy(limit.epoch)
    assert limit.limit == FIRST_LIMIT // 4
    for _ in range(9):
        limit.record_busy(limit.epoch)
    assert limit.limit == 1


def test_a_limit_of_the_user_stays() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(3, clock)
    limit.record_busy(limit.epoch)
    answer_window(limit, clock, 10, 0.1)
    assert limit.limit == 3


def made(server: Server, **options: str) -> Any:
    named = {"base_url": server.url, "model": MODEL, "audio": "none", **options}
    return catalogue().get_adapter("openai").create(named, Runtime())


def requests(count: int) -> list[Request]:
    return [Request(f"r{item}", f"What is heard in clip {item}?") for item in range(count)]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_server_that_refuses_calls_gets_fewer_and_all_are_answered(server: Server) -> None:
    server.script = lambda item, before: "429" if server.seen.open > 3 else "ok"
    crowded = threading.Event()

    def wait_for_others(server: Server) -> None:
        if server.seen.open > 3:
            crowded.set()
        crowded.wait(60)

    server.hold = wait_for_others
    model = made(server, retries="30")
    outputs = model.generate(requests(12), Decoding())
    assert [output.text for output in outputs] == server.golds
    assert server.seen.faults["429"] > 0
    assert model._limit.limit < FIRST_LIMIT


class EndedCalls:
    """Calls that have all ended when they are looked at."""

    def __init__(self, *results: Output | Exception) -> None:
        self.limit, self._results = ConcurrencyLimit(len(results)), list(results)
        self._ended: list[Future[Output]] = []

    def start(self, body: Sequence[bytes], estimate: float | None) -> "Future[Output]":
        call: Future[Output] = Future()
        result = self._results.pop(0)
        call.set_exception(result) if isinstance(result, Exception) else call.set_result(result)
        self._ended.append(call)
        return call

    def advance(self) -> None:
        pass

    def take_ended_calls(self, timeout: float | None) -> "list[Future[Output]]":
        ended, self._ended = self._ended, []
        return ended


def test_answers_that_came_with_an_error_that_ends_the_run_are_handed_on_first() -> None:
    error = UnreachableError("wrong key")
    calls: Any = EndedCalls(error, Output("A"), Output(None, error="400"), Output(None, error="500"), Output("B"))
    queue = CallQueue(calls)
    for request in requests(4):
        queue.start(request, [b""], None)
    assert queue.has_room
    queue.start(Request("r4", "?"), [b""], None)
    assert not queue.has_room
    queue.collect_answers(wait=True)
    assert queue.has_due_answers
    assert queue.error is error
    assert (queue.failures, queue.last_failure) == (0, "500")
    assert not queue.is_empty
    assert [request.id for request, _ in queue.take_answers()] == ["r1", "r2", "r3", "r4"]
    assert queue.is_empty


def test_a_few_answers_wait_for_others_and_take_room(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(call_queue, "time", SimpleNamespace(monotonic=clock))
    calls: Any = EndedCalls(*[Output("A")] * 4)
    queue = CallQueue(calls)
    queue.start(Request("r0", "?"), [b""], None)
    queue.collect_answers(wait=False)
    assert queue.has_due_answers, "no call is open"
    calls.take_ended_calls = lambda timeout: []
    for request in requests(3):
        queue.start(request, [b""], None)
    assert not queue.has_due_answers, "one of four"
    assert not queue.has_room, "it is not stored yet"
    clock.now += call_queue.GATHERING_SECONDS
    assert queue.has_due_answers, "it has waited"
    queue.take_answers()
    assert queue.has_room


def test_the_loop_runs_in_the_callers_thread(server: Server) -> None:
    before = threading.active_count()
    seen: list[int] = []
    server.hold = lambda server: seen.append(sum(t.name.startswith("openai") for t in threading.enumerate()))
    made(server).generate(requests(3), Decoding())
    assert seen == [0, 0, 0]
    assert threading.active_count() <= before + 4, "threads of the server alone"


def test_a_notebook_that_runs_a_loop_itself_gets_answers(server: Server) -> None:
    async def cell() -> list[Output]:
        return list(made(server).generate(requests(5), Decoding()))

    assert [output.text for output in asyncio.run(cell())] == server.golds[:5]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("openai")]


def test_one_connection_serves_many_calls(server: Server) -> None:
    accepted: list[Any] = []
    process = server.process_request
    server.process_request = lambda request, address: (accepted.append(address), process(request, address))[1]  # type: ignore[assignment,method-assign,func-returns-value]
    made(server, concurrency="1").generate(requests(9), Decoding())
    assert len(accepted) == 1


def reply(status: int, text: str = "", **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


def test_which_replies_are_retried() -> None:
    assert [status for status in (200, 400, 404, 408, 409, 422, 429, 500, 503) if should_retry(reply(status))] == [
        *(408, 409, 429, 500, 503)
    ]
    assert not should_retry(reply(500, x_should_retry="false"))
    assert should_retry(reply(400, x_should_retry="true"))
    spent = '{"error": {"code": "insufficient_quota"}}'
    assert not should_retry(reply(429, spent))
    assert [is_busy(reply(status)) for status in (429, 503, 500)] == [True, True, False]
    assert not is_busy(reply(429, spent))


def test_how_long_a_retry_waits() -> None:
    assert [choose_wait(None, attempt, 0.0) for attempt in (0, 1, 2, 9, 5000)] == [0.5, 1, 2, 8, 8]
    assert choose_wait(None, 0, 1.0) == 0.375
    assert choose_wait(reply(429, retry_after="7"), 0, 0.0) == 7
    assert choose_wait(reply(429, retry_after_ms="250"), 0, 0.0) == 0.25
    for useless in ("-3", "nan", "inf", "100000", "soon", ""):
        assert choose_wait(reply(429, retry_after=useless), 0, 0.0) == 0.5
    past = parse_retry_after(reply(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))
    assert past is not None
    assert past < 0


def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert find_proxy("https://host.example/v1") is None
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert find_proxy("https://host.example/v1") == "http://proxy.example:3128"
    assert find_proxy("http://host.example/v1") is None
    monkeypatch.setenv("no_proxy", "host.example")
    assert find_proxy("https://host.example/v1") is None
    monkeypatch.setenv("https_proxy", "socks5://proxy.example:1080")
    with pytest.raises(UnreachableError, match="of the kind 'socks5'"):
        find_proxy("https://other.example/v1")
    model = (
        catalogue().get_adapter("openai").create({"base_url": "https://other.example/v1", "model": MODEL}, Runtime())
    )
    with pytest.raises(UnreachableError, match="of the kind 'socks5'"):
        model.generate(requests(1), Decoding())
