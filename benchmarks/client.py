"""The speed of `--model openai`, and its ratio to a bare loop that does nothing but send requests.

    python benchmarks/client.py [--items 600] [--rounds 3] [--seconds 10] [--concurrency 32]

Prints a markdown table: items per second of a whole `alm_bench.evaluate` (questions read, clips encoded, audio-delivery
check, answers parsed, graded and stored with fsync, scores and summary), of two bare loops, and the ratios of the run
to them. A bare loop is asyncio whose workers post bodies that were made beforehand, those of the run, and parse the
replies: with httpx, which most clients of such servers are built on, and with aiohttp, which is faster and which the
adapter uses. The server is a process of its own on this machine that answers as soon as it has a whole request, so that
the client's own work is all that is measured. Bare loops and run take turns within a round, and a ratio is the median
of the rounds', since machines are noisy.

`wav`: WAV files at the rate that the adapter sends, whose bytes are passed on. `recoded`: the same with
`recode=always`. `text`: questions without clips.
"""

import argparse
import asyncio
import importlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

import alm_bench
from alm_bench.adapters.openai.body import build_body
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.api import make_run_options
from alm_bench.core.wav import encode_wav
from alm_bench.evaluation import plan_job
from alm_bench.jobs import resolve_jobs
from alm_bench.runner.loader import AudioPipeline, load_batch

Post = Callable[[bytes], Awaitable[bytes]]
"""Function that posts a body and returns the reply's."""

MODEL = "benchmark"
RATE = 16_000
SAMPLE = 20_000
"""Number of bytes at the beginning of a request's body on which the answer to the audio check depends."""
WORDS = ("Dog", "Rain", "Violin", "Speech", "Thunder", "Piano", "Crowd", "Engine")


class AnsweringProtocol(asyncio.Protocol):
    """HTTP/1.1 connection that answers each request when its last byte has arrived, without parsing the body.

    An answer depends on the first bytes of the request's body, so that the audio-delivery check sees a reaction.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._head, self._sample, self._missing = transport, b"", b"", 0

    def data_received(self, data: bytes) -> None:
        while data:
            if self._missing:
                piece, data = data[: self._missing], data[self._missing :]
                self._missing -= len(piece)
                if len(self._sample) < SAMPLE:
                    self._sample += piece[: SAMPLE - len(self._sample)]
                if not self._missing:
                    self._answer(piece)
                continue
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            self._head, self._sample, self._missing = b"", b"", int(found[1]) if found else 0
            if not self._missing:
                self._answer(b"")

    def _answer(self, tail: bytes) -> None:
        option = re.search(rb'\(B\) ([^\\"]*)', tail)  # its text alone, as most models answer
        text = option[1].decode() if option else f"sound {zlib.crc32(self._sample)}"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 300, "completion_tokens": 4}
        reply = json.dumps({"id": "x", "model": MODEL, "choices": [choice], "usage": usage}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(reply)}\r\n\r\n"
        self._transport.write(head.encode() + reply)


async def serve() -> None:
    """Answer on a free port of this machine, which is printed, until the process is ended."""
    server = await asyncio.get_running_loop().create_server(AnsweringProtocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def start_server() -> Iterator[str]:
    """Run the server in a process of its own for the duration of the block; yields its base URL."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def write_data(folder: Path, items: int, seconds: float) -> None:
    """Write questions of MMAU's layout, each about a clip of its own: noise of `seconds` seconds."""
    draw = np.random.default_rng(0)
    (folder / "mmau/clips").mkdir(parents=True)
    rows = []
    for number in range(items):
        choices = [str(word) for word in draw.choice(WORDS, 4, replace=False)]
        clip = f"clips/{number:05}.wav"
        wave = (0.1 * draw.standard_normal(round(seconds * RATE))).astype(np.float32)
        (folder / "mmau" / clip).write_bytes(encode_wav(wave, RATE))
        rows.append(
            {
                "id": f"{number:05}",
                "audio_id": clip,
                "question": f"Which sound is the loudest in recording {number}?",
                "choices": choices,
                "answer": choices[number % 4],
                "task": ("sound", "music", "speech")[number % 3],
                "difficulty": ("easy", "medium", "hard")[number % 3],
                "sub-category": f"Skill {number % 9}",
                "split": "test-mini",
            }
        )
    (folder / "mmau/mmau-test-mini.json").write_text(json.dumps(rows), encoding="utf-8")


def name_options(url: str, concurrency: int, **options: str) -> dict[str, str]:
    return {"base_url": url, "model": MODEL, "concurrency": str(concurrency), **options}


def make_bodies(data: Path, options: dict[str, str]) -> list[bytes]:
    """Return the bodies that a run sends, made as the runner makes them."""
    asked = make_run_options("openai", "mmau", {"data": str(data), "model_arg": options})
    (job,), adapter = resolve_jobs(asked), asked.load_model()
    plan = plan_job(job, adapter)
    pipeline = AudioPipeline.from_adapter(adapter, plan.condition)
    ready = load_batch(list(enumerate(plan.requests)), pipeline, workers=2)
    built = [build_body(one.request, plan.spec.decoding, OpenAIOptions(**_typed(options))) for one in ready]
    return [b"".join(pieces) for pieces in built]


def _typed(options: dict[str, str]) -> dict[str, Any]:
    return {**options, "concurrency": int(options["concurrency"])}


@asynccontextmanager
async def open_aiohttp(url: str) -> AsyncIterator[Post]:
    """Yield a function that posts a body with aiohttp, the client of the adapter, and returns the reply."""
    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(body: bytes) -> bytes:
            async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
                return await response.read()

        yield post


@asynccontextmanager
async def open_httpx(url: str) -> AsyncIterator[Post]:
    """Yield a function that posts a body with httpx, the client of OpenAI's own package, and returns the reply."""
    httpx = importlib.import_module(next(name for name in ("httpx", "httpx2") if find_spec(name) is not None))
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)) as client:

        async def post(body: bytes) -> bytes:
            content: bytes = (await client.post(f"{url}/chat/completions", content=body, headers=headers)).content
            return content

        yield post


CLIENTS: dict[str, Callable[[str], AbstractAsyncContextManager[Post]]] = {"httpx": open_httpx, "aiohttp": open_aiohttp}
"""HTTP clients of bare loops."""


async def post_all(name: str, url: str, bodies: Sequence[bytes], concurrency: int) -> float:
    """Post the bodies and parse the replies in as many workers as `concurrency`; return the seconds that it takes."""
    todo = iter(bodies)
    async with CLIENTS[name](url) as post:

        async def work() -> None:
            for body in todo:
                json.loads(await post(body))

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return time.perf_counter() - started


def run_all(data: Path, options: dict[str, str]) -> float:
    """Evaluate all questions in a new folder, and return the seconds that it takes."""
    with tempfile.TemporaryDirectory() as out, redirect_stderr(io.StringIO()):  # notices about made-up data
        started = time.perf_counter()
        results = alm_bench.evaluate("openai", "mmau", data=data, out=out, model_arg=options)
        seconds = time.perf_counter() - started
        assert results.runs[0].summary.status["ok"] > 0, results.runs[0].summary.status
        return seconds


def measure(name: str, data: Path, url: str, asked: argparse.Namespace, **options: str) -> None:
    """Print one row of the table."""
    named = name_options(url, asked.concurrency, **options)
    bodies = make_bodies(data, named)
    run_all(data, named)  # once to be warm: modules, page cache
    loops: dict[str, list[float]] = {client: [] for client in CLIENTS}
    runs: list[float] = []
    for _ in range(asked.rounds):
        for client, seconds in loops.items():
            seconds.append(asyncio.run(post_all(client, url, bodies, asked.concurrency)))
        runs.append(run_all(data, named))
    count, size = len(bodies), sum(map(len, bodies)) / len(bodies) / 1000
    cells = [name, str(count), f"{size:.0f}", f"{count / statistics.median(runs):.0f}"]
    for client, seconds in loops.items():
        ratios = [loop / run for loop, run in zip(seconds, runs, strict=True)]
        cells += [f"{count / statistics.median(seconds):.0f}", f"{statistics.median(ratios):.2f}"]
        print(f"{name}, {client}: ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}", file=sys.stderr)
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--only", choices=("wav", "recoded", "text"))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return
    cases: dict[str, dict[str, str]] = {"wav": {}, "recoded": {"recode": "always"}, "text": {"audio": "none"}}
    with tempfile.TemporaryDirectory() as folder, start_server() as url:
        data = Path(folder)
        write_data(data, asked.items, asked.seconds)
        columns = ["clips", "items", "kB", "run, items/s"]
        columns += [column for client in CLIENTS for column in (f"bare {client}, items/s", "ratio")]
        print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for name, options in cases.items():
            if asked.only in (None, name):
                measure(name, data, url, asked, **options)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
