"""Calls of text models whose answers are stored one by one, so that no call is made twice."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from alm_bench.core import Adapter, Decoding, Estimate, Output, Request, StoreError, UsageError
from alm_bench.core.files import hash_json, translate_write_errors
from alm_bench.core.foreign import dump_json, parse_json
from alm_bench.core.usage import COST, USAGE, parse_money
from alm_bench.runner.executors.local import call_stream
from alm_bench.runner.inference import build_predict_function, predict_with_bisection

BATCH = 8
"""Default number of requests that a model without a stream gets at once."""

StepCallback = Callable[[int, int], None]
"""Function that is called with the number of answered requests and the number of all."""


class CallStore:
    """JSON Lines file of a text model's answers. The key of an answer is a hash of everything that it depends on
    (`TextModel.compute_key`).

    Answers are on disk when `add` returns. An incomplete last line of a killed process is dropped. Failed calls are not
    stored, so that they are repeated.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        """Read the file. With `read_only`, nothing is created or changed, and `add` must not be called.

        Raises StoreError if a line is not an answer.
        """
        self.path = path
        self._file: int | None = None
        self._answers: dict[str, Output] = {}
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error
        *lines, torn = content.split(b"\n")
        for number, line in enumerate(lines, 1):
            entry = _parse_line(line, f"{path}, line {number}")
            self._answers[entry["key"]] = Output(
                entry["text"], bool(entry["truncated"]), refusal=entry["refusal"], extra=entry["usage"]
            )
        if read_only:
            return
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if torn:
                os.truncate(path, len(content) - len(torn))
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Output | None:
        """Return the stored answer; None if there is none."""
        return self._answers.get(key)

    def add(self, answers: Sequence[tuple[str, Request, Output]]) -> None:
        """Store answers with their keys. Raises StoreError."""
        lines = []
        for key, request, output in answers:
            usage = {name: output.extra[name] for name in USAGE if name in output.extra}
            entry = {"key": key, "id": request.id, "text": output.text, "truncated": output.truncated}
            lines.append(dump_json({**entry, "refusal": output.refusal, "usage": usage}) + "\n")
            self._answers[key] = replace(output, extra=usage)
        assert self._file is not None, "the store is open for writing"
        data = "".join(lines).encode()
        with translate_write_errors(self.path):
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _parse_line(line: bytes, location: str) -> dict[str, Any]:
    """Parse one line of a `CallStore` into a mapping with the key and the answer. Raises StoreError.

    `location` is the file and the number of the line, for the message.
    """
    try:
        entry = parse_json(line)
    except ValueError as error:
        raise StoreError(f"{location}: not JSON ({error}): remove the file to start over") from error
    if not isinstance(entry, dict) or not {"key", "text", "truncated", "refusal", "usage"} <= entry.keys():
        raise StoreError(f"{location}: expected an answer of a model with its key: remove the file to start over")
    return entry


@dataclass(slots=True)
class Spending:
    """Cost of the calls of a command, and its limit."""

    limit: float | None = None
    """Limit in US dollars; None for no limit."""

    spent: float = 0.0
    """Cost of the answers so far in US dollars, including stored ones."""

    calls: int = 0
    """Number of calls made by this process."""

    stored: int = 0
    """Number of answers that were in the store already, so that no call was made."""

    failures: list[str] = field(default_factory=list)
    """Errors of failed calls."""

    @property
    def is_limit_reached(self) -> bool:
        """True if the cost limit is reached, so that no further call is made."""
        return self.limit is not None and self.spent >= self.limit

    def add(self, output: Output) -> None:
        """Add the cost of an answer."""
        self.spent += parse_money(output.extra.get(COST)) or 0.0


class TextModel:
    """Language model that answers prompts without clips. Its answers are stored in a `CallStore` and reused, and their
    costs are added to a `Spending`."""

    def __init__(
        self, adapter: Adapter, decoding: Decoding, store: CallStore, spending: Spending, batch: int = BATCH
    ) -> None:
        """Prepare calls of `adapter`, without clips, with stored answers in `store` and costs in `spending`. `batch` is
        the number of requests that the adapter gets at once if it has no `stream`.

        Raises UsageError for an unsupported decoding method, and for a cost limit of a model without prices.
        """
        if decoding.method not in adapter.abilities.decodings:
            known = ", ".join(adapter.abilities.decodings)
            raise UsageError(f"{adapter.identity.label} does not decode by {decoding.method}; known: {known}")
        priced = adapter.estimate(Request("price", "-"), 0.0, decoding).cost is not None
        if spending.limit is not None and not priced:
            raise UsageError(f"--max-cost: what a call of {adapter.identity.label} costs is not known")
        self._adapter, self._decoding, self._store, self._spending = adapter, decoding, store, spending
        self._priced = priced
        self._identity = asdict(adapter.identity)
        self._batch = batch

    @property
    def label(self) -> str:
        """Name of the model in tables."""
        return self._adapter.identity.label

    def compute_key(self, request: Request) -> str:
        """Return the key of a call: a hash of the model, the decoding, and the request."""
        parts = [self._identity, self._decoding.as_dict(), request.id, request.prompt, request.choices]
        return hash_json(parts)[:32]

    def select_unanswered(self, requests: Sequence[Request]) -> list[Request]:
        """Return the requests without a stored answer."""
        return [request for request in requests if self._store.get(self.compute_key(request)) is None]

    def estimate(self, requests: Sequence[Request]) -> Estimate:
        """Return the estimated size and cost of calls. The cost is None if the model has no prices."""
        total = Estimate(0, 0, cost=0.0 if self._priced else None)
        for request in requests:
            total = total + self._adapter.estimate(request, 0.0, self._decoding)
        return total

    def ask(self, requests: Sequence[Request], watch: StepCallback | None = None) -> dict[str, Output]:
        """Return the answers by the requests' ids. Failed calls, and calls beyond the cost limit, have no entry.

        Stored answers are returned without a call. `watch` is called with the progress.
        """
        todo = self.select_unanswered(requests)
        self._spending.stored += len(requests) - len(todo)
        keys = {request.id: self.compute_key(request) for request in requests}
        if len(keys) < len(requests):
            raise ValueError("requests must have different ids")
        for request in requests:
            if (known := self._store.get(keys[request.id])) is not None:
                self._spending.add(known)
        done = len(requests) - len(todo)
        for answers in self._call_adapter(todo):
            sound = [(keys[request.id], request, output) for request, output in answers if output.error is None]
            self._spending.failures += [output.error for _, output in answers if output.error is not None]
            self._spending.calls += len(answers)
            self._store.add(sound)
            for _, _, output in sound:
                self._spending.add(output)
            done += len(answers)
            if watch is not None:
                watch(done, len(requests))
        found = {request.id: self._store.get(keys[request.id]) for request in requests}
        return {name: output for name, output in found.items() if output is not None}

    def ask_text(self, requests: Sequence[Request]) -> dict[str, str]:
        """Return the texts of the answers by the requests' ids. The text is empty if the model's provider refused the
        call. Failed calls have no entry."""
        return {name: output.text or "" for name, output in self.ask(requests).items()}

    def _call_adapter(self, requests: Sequence[Request]) -> Iterator[list[tuple[Request, Output]]]:
        """Send the requests to the adapter until the cost limit is reached. Yield lists of (request, output) as the
        calls end."""
        if not requests:
            return
        affordable = itertools.takewhile(lambda _: not self._spending.is_limit_reached, requests)
        if self._adapter.abilities.stream:
            yield from call_stream(self._adapter, affordable, self._decoding)
            return
        predict = build_predict_function(self._adapter, self._decoding)
        while some := list(itertools.islice(affordable, self._batch)):
            yield list(zip(some, predict_with_bisection(predict, some), strict=True))
