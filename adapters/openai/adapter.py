"""Model `openai`: a model behind an OpenAI-compatible server, hosted or local (vLLM, SGLang, llama.cpp, ...)."""

import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alm_bench.adapters.openai.concurrency import ConcurrencyLimit
from alm_bench.adapters.openai.options import CALL_OPTIONS, PRICES, OpenAIOptions
from alm_bench.adapters.openai.session import Session
from alm_bench.core import (
    Abilities,
    AdapterError,
    AdapterIdentity,
    AnsweredRequest,
    AudioPolicy,
    AudioRef,
    BaseAdapter,
    Decoding,
    Estimate,
    Output,
    Request,
    Runtime,
    UsageError,
    Wave,
)

if TYPE_CHECKING:
    from alm_bench.adapters.openai.call_queue import CallQueue

GIVE_UP = 20
"""Number of consecutive failed calls that end the run; each failed call may cost money, or time up to the deadline."""

SENDING_SECONDS = 0.05
"""Longest time in seconds for which further requests are prepared while answers wait to be stored."""


class OpenAIAdapter(BaseAdapter):
    """a model behind an OpenAI-compatible server: base_url=http://HOST:PORT/v1, model=NAME"""

    Options = OpenAIOptions
    abilities = Abilities(delivery="to be shown", runtime_options=(*CALL_OPTIONS, *PRICES))

    def __init__(self, options: OpenAIOptions, runtime: Runtime) -> None:
        if importlib.util.find_spec("aiohttp") is None:
            raise UsageError("model openai needs the package aiohttp: pip install 'alm-bench[openai]'")
        self._options, self._key = options, options.read_key()
        self._session, self._limit = Session(), ConcurrencyLimit(options.concurrency)
        hears = options.audio != "none"
        self.audio: AudioPolicy | None = (
            AudioPolicy(rate=options.rate, max_seconds=options.max_seconds) if hears else None
        )
        # samples of two clips are joined before they are encoded
        self.abilities = replace(
            self.abilities, prepare=hears and options.join is None, continuation=not options.is_openai_server
        )
        joined = None if options.join is None or not hears else f"joined, {options.join:g} s between"
        choices = ([] if hears else ["text-only"]) + ([] if joined is None else [joined])
        settings = {
            "base_url": options.base_url,
            "audio": options.audio,
            "system": options.system,
            "clips": joined,
            "order": None if options.clip_order == "clip-first" or not hears else options.clip_order,
            "recode": None if options.recode == "auto" or not hears else options.recode,
            "extra_body": options.extra_body,
        }
        self.identity = AdapterIdentity(
            label=options.model + (f"[{', '.join(choices)}]" if choices else ""),
            family="openai",
            settings={name: value for name, value in settings.items() if value is not None},
            note=None if hears else "it was sent text alone, no clip",
        )

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the indices of the requests in an order in which requests about the same clips are adjacent.

        Each clip is then encoded once, and servers can use their caches of prompts and encoded clips.
        """
        first: dict[tuple[AudioRef, ...], int] = {}
        for index, request in enumerate(requests):
            first.setdefault(request.audio, index)
        return sorted(range(len(requests)), key=lambda index: first[requests[index].audio])

    def prepare(self, wave: Wave) -> Any:
        """Encode decoded samples as the `EncodedClip` that requests contain."""
        from alm_bench.adapters.openai.clips import encode_wave

        return encode_wave(wave, self._options)

    def prepare_file(self, ref: AudioRef) -> Any:
        """Return the `EncodedClip` of a file that can be sent unchanged; None if it has to be decoded."""
        from alm_bench.adapters.openai.clips import read_unchanged_file

        return read_unchanged_file(ref, self._options)

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        found = {id(request): output for answers in self.stream(iter(batch), decoding) for request, output in answers}
        return [found[id(request)] for request in batch]

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[list[AnsweredRequest]]:
        """Send requests concurrently and yield outputs in the order in which they arrive.

        Raises UnreachableError if no call can succeed, AdapterError after too many consecutive failures.
        """
        from alm_bench.adapters.openai.call_queue import CallQueue
        from alm_bench.adapters.openai.calls import CallLoop

        with CallLoop(self._options, self._key, self._session, self._limit) as calls:
            if not self._session.checked:
                calls.check_connection()
            queue, more = CallQueue(calls), True
            while more or not queue.is_empty:
                gives_up = queue.failures >= GIVE_UP
                if gives_up and queue.is_empty:
                    if next(requests, None) is not None:
                        raise AdapterError(_describe_failures(queue.last_failure))
                    return
                if more and not gives_up:
                    more = self._send_requests(queue, requests, decoding)
                # with room for more calls, do not wait: take the answers that are there, then send the next request
                queue.collect_answers(wait=not (more and queue.has_room) or gives_up)
                if queue.has_due_answers:
                    yield queue.take_answers()
                if queue.error is not None:  # after the answers that came with it are stored
                    raise queue.error

    def _send_requests(self, queue: "CallQueue", requests: Iterator[Request], decoding: Decoding) -> bool:
        """Start calls as long as there is room for them. Return True if requests may be left, False after the last one.

        Returns after `SENDING_SECONDS` at the latest, so that answers are not kept waiting: decoding the clips of
        requests may take longer than calls.
        """
        from alm_bench.adapters.openai.body import build_body

        until = time.monotonic() + SENDING_SECONDS
        while queue.has_room and time.monotonic() < until:
            request = next(requests, None)
            if request is None:
                return False
            queue.start(request, build_body(request, decoding, self._options), self._estimate_cost(request, decoding))
        return True

    def _estimate_cost(self, request: Request, decoding: Decoding) -> float | None:
        """Return the estimated cost of a request in US dollars; None if the user gives no prices."""
        if self._options.price_in is None:
            return None
        if request.features:
            seconds = sum(clip.seconds for clip in request.features)
        else:
            seconds = sum(wave.size for wave in request.waves) / self._options.rate
        return self.estimate(request, seconds if self.audio is not None else 0.0, decoding).cost

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate tokens and cost of a request. A token is assumed to have four characters of text.

        The server's tokenizer may give other numbers, and its chat template adds tokens.
        """
        from alm_bench.adapters.openai.reply import compute_cost

        text = math.ceil((len(request.prompt) + len(request.prefix) + len(self._options.system or "")) / 4)
        audio = math.ceil(seconds * self._options.audio_tokens_per_second)
        written = decoding.max_new_tokens
        priced = self._options.price_in is not None
        return Estimate(
            prompt_tokens=text + audio,
            completion_tokens=written,
            audio_tokens=audio,
            cost=compute_cost(self._options, text + audio, audio, written) if priced else None,
        )


def _describe_failures(last_failure: str) -> str:
    """Return the error message after too many consecutive failures; `last_failure` is the reason of the last one."""
    return (
        f"the last {GIVE_UP} calls all failed, the last one as: {last_failure}; what is answered is kept, and the same "
        "command resumes the run"
    )


ADAPTERS = {"openai": OpenAIAdapter}
