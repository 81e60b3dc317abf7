"""The speed of `--model openai`, and its ratio to a bare loop that does nothing but send requests.

    python benchmarks/client.py [--items 600] [--rounds 3] [--seconds 10] [--concurrency 32]

Prints a markdown table: items per second of a whole `alm_bench.evaluate` (questions read, clips encoded, audio-delivery
check, answers parsed, graded and stored with fsync, summary written), of a bare loop, and their ratio. The bare loop is
asyncio with aiohttp, the HTTP client of the adapter: workers post bodies that were made beforehand, those of the run,
and read the replies. The server is a process of its own on this machine that answers as soon as it has a whole request,
so that the client's own work is all that is measured. Bare loop and run take turns within a round, and the ratio is the
median of the rounds', since machines are noisy.

`wav`: WAV files at the rate that the adapter sends, whose bytes are passed on. `recoded`: the same with
`recode=always`. `text`: questions without clips.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import numpy as np

import alm_bench
from alm_bench.adapters.openai.body import build_body
from alm_bench.core import Decoding, Request, Runtime
from alm_bench.core.wav import encode_wav
from alm_bench.plugins import catalogue
from alm_bench.runner.loader import AudioPipeline, load_clips

MODEL = "benchmark"
RATE = 16_000
WORDS = ("Dog", "Rain", "Violin", "Speech", "Thunder", "Piano", "Crowd", "Engine")


class AnsweringProtocol(asyncio.Protocol):
    """HTTP/1.1 connection that answers each request when its last byte has arrived, without parsing the body.

    An answer depends on the first bytes of the request's body, so that the audio-delivery check sees a reaction.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._head, self._missing, self._digest = transport, b"", 0, 0

    def data_received(self, data: bytes) -> None:
        while data:
            if self._missing:
                piece, data = data[: self._missing], data[self._missing :]
                self._missing -= len(piece)
                self._digest = self._digest or zlib.crc32(piece[:20_000])
                if not self._missing:
                    self._answer(piece)
                continue
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            self._head, self._missing, self._digest = b"", int(found[1]) if found else 0, 0
            if not self._missing:
                self._answer(b"")

    def _answer(self, tail: bytes) -> None:
        text = "(B)" if b"(B)" in tail else f"sound {self._digest}"
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
