"""Model `openai`: a model behind an OpenAI-compatible server, hosted or local (vLLM, SGLang, llama.cpp, ...)."""

import importlib.util
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from alm_bench.adapters.openai.options import CALL_OPTIONS, PRICES, OpenAIOptions
from alm_bench.adapters.openai.session import Session
from alm_bench.core import (
    Abilities,
    AdapterError,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    Estimate,
    Output,
    Request,
    Runtime,
    UsageError,
)

GIVE_UP = 20
"""Number of consecutive failed calls that end the run; each failed call may cost money, or time up to the deadline."""


class OpenAIAdapter(BaseAdapter):
    """a model behind an OpenAI-compatible server: base_url=http://HOST:PORT/v1, model=NAME"""

    Options = OpenAIOptions
    abilities = Abilities(delivery="to be shown", runtime_options=(*CALL_OPTIONS, *PRICES))

    def __init__(self, options: OpenAIOptions, runtime: Runtime) -> None:
        if importlib.util.find_spec("openai") is None:
            raise UsageError("model openai needs the package openai: pip install 'alm-bench[openai]'")
        self._options, self._key = options, options.key()
        self._session = Session()
        hears = options.audio != "none"
        self.audio: AudioPolicy | None = (
            AudioPolicy(rate=options.rate, max_seconds=options.max_seconds) if hears else None
        )
        joined = None if options.join is None or not hears else f"joined, {options.join:g} s between"
        choices = ([] if hears else ["text-only"]) + ([] if joined is None else [joined])
        settings = {
            "base_url": options.base_url,
            "audio": options.audio,
            "system": options.system,
            "clips": joined,
            "order": None if options.order == "clip-first" or not hears else options.order,
            "extra_body": options.extra_body,
        }
        self.identity = AdapterIdentity(
            label=options.model + (f"[{', '.join(choices)}]" if choices else ""),
            family="openai",
            settings={name: value for name, value in settings.items() if value is not None},
            note=None if hears else "it was sent text alone, no clip",
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        found = {id(request): output for request, output in self.stream(iter(batch), decoding)}
        return [found[id(request)] for request in batch]

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
        """Send requests concurrently and yield outputs in the order in which they arrive.

        Raises UnreachableError if no call can succeed, AdapterError after too many consecutive failures.
        """
        from alm_bench.adapters.openai.body import body
        from alm_bench.adapters.openai.calls import Calls

        with Calls(self._options, self._key, self._session) as calls:
            if not self._session.met:
                calls.check_connection()
            open_: dict[Future[Output], Request] = {}
            failed, last, more = 0, "", True

            def has_room() -> bool:
                return more and failed < GIVE_UP and len(open_) < self._options.concurrency

            while more or open_:
                if has_room() or not open_:
                    request = next(requests, None)
                    more = request is not None
                    if request is not None:
                        if failed >= GIVE_UP:
                            raise AdapterError(_describe_failures(last))
                        call = calls.start(body(request, decoding, self._options), self._cost(request, decoding))
                        open_[call] = request
                # below the concurrency limit, do not wait: yield the answers that are ready, then send the next request
                done, _ = wait(open_, timeout=0 if has_room() else None, return_when=FIRST_COMPLETED)
                for future in done:
                    output = future.result()
                    failed, last = (0, "") if output.error is None else (failed + 1, output.error)
                    yield open_.pop(future), output

    def _cost(self, request: Request, decoding: Decoding) -> float | None:
        """Return the estimated cost of a request in US dollars, from its decoded clips; None without prices."""
        seconds = sum(wave.size for wave in request.waves) / self._options.rate if self.audio is not None else 0.0
        return self.estimate(request, seconds, decoding).cost

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate tokens and cost of a request. A token is assumed to have four characters of text.

        The server's tokenizer may give other numbers, and its chat template adds tokens.
        """
        from alm_bench.adapters.openai.reply import cost

        text = math.ceil((len(request.prompt) + len(self._options.system or "")) / 4)
        audio = math.ceil(seconds * self._options.audio_tokens_per_second)
        written = decoding.max_new_tokens
        priced = self._options.price_in is not None
        return Estimate(
            prompt_tokens=text + audio,
            completion_tokens=written,
            audio_tokens=audio,
            cost=cost(self._options, text + audio, audio, written) if priced else None,
        )


def _describe_failures(last: str) -> str:
    return (
        f"the last {GIVE_UP} calls all failed, the last one as: {last}; what is answered is kept, and the same command "
        "resumes the run"
    )


ADAPTERS = {"openai": OpenAIAdapter}
