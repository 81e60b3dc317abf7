"""Model `exec`: a worker command, in its own environment, that answers each request with one JSON line on standard
output.
"""

import base64
import hashlib
import itertools
import os
import shlex
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from alm_bench.adapters.exec.process import GRACE, Log, Process, WorkerFailure
from alm_bench.adapters.exec.wire import Hello, encode_request, read_hello, read_reply
from alm_bench.core import (
    AdapterError,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    Output,
    Request,
    Runtime,
    UsageError,
    Wave,
)
from alm_bench.core.files import translate_write_errors
from alm_bench.core.secrets import MIN_SECRET_LENGTH, find_secrets, hide_secrets, is_secret_name, replace_secrets
from alm_bench.core.wav import Encoding, encode_wav

LOG = "worker.log"


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """Options of the model exec."""

    command: str
    """Command of the worker. It is split like a shell command, quotes included, but runs without a shell."""

    timeout: float = 600.0
    """Seconds without a reply to pending requests after which the worker is considered hung."""

    start_timeout: float = 900.0
    """Seconds that the worker has for its first line."""

    restarts: int = 20
    """Largest number of consecutive restarts without an answer in between."""

    audio: Literal["paths", "base64"] = "paths"
    """Send clips as paths of temporary files, which are removed after the reply, or as base64 within the line."""

    samples: Encoding = "float32"
    """Encoding of the audio samples."""

    batch: int | None = None
    """Number of requests that are sent before the first reply. None: the number that the worker names."""

    env: str = ""
    """Additional environment variables, `A=1 B='two words'`. A name alone, such as `HF_TOKEN`, must be set in the
    environment. Secrets are stored as `[set]`.
    """

    def __post_init__(self) -> None:
        for name, least in (("timeout", 0.001), ("start_timeout", 0.001), ("restarts", 0), ("batch", 1)):
            value = getattr(self, name)
            if value is not None and not least <= value <= 10**7:
                raise UsageError(f"model exec: {name} takes a number from {least} to {10**7}, found {value}")


class ExecAdapter(BaseAdapter):
    """a model in its own environment: command="/envs/NAME/bin/python worker.py" (alm-bench new worker)"""

    Options = ExecOptions

    def __init__(self, options: ExecOptions, runtime: Runtime) -> None:
        self._options = options
        self._command = _split_command(options.command, "command")
        if not self._command:
            raise UsageError('model exec: command is empty, expected command="python worker.py"')
        variables = _parse_variables(options.env)
        named = {value for key, value in variables.items() if is_secret_name(key) and len(value) >= MIN_SECRET_LENGTH}
        self._secrets = named | find_secrets(options.command)
        self._environment = {
            "ALM_BENCH_DEVICE": runtime.device,
            "ALM_BENCH_SEED": str(runtime.seed),
            **({"ALM_BENCH_DTYPE": runtime.dtype} if runtime.dtype else {}),
            **variables,
        }
        self._log = Log(self._secrets)
        self._folder = tempfile.TemporaryDirectory(prefix="alm-bench-exec-", ignore_cleanup_errors=True)
        self._numbers = itertools.count()
        self._files: dict[str, list[Path]] = {}
        self._process, self._hello = self._start()
        self._answers = 0  # number of answers of the running process
        self._failures = 0  # number of starts since the last answer
        self._reason = ""  # reason of the last failure
        self.audio: AudioPolicy | None = self._hello.audio
        self.abilities = replace(
            self.abilities,
            delivery=self._hello.delivery,
            decodings=self._hello.decodings,
            continuation=self._hello.continuation,
        )
        self.identity: AdapterIdentity = self._build_identity()
        self._batch = options.batch or self._hello.batch

    def log_to(self, folder: Path) -> None:
        """Write the worker's standard error, from its start on, to `worker.log` in the run's folder."""
        self._log.redirect_to(folder / LOG)

    def close(self) -> None:
        """End the worker. It has GRACE seconds to exit by itself."""
        self._process.stop(GRACE)
        self._folder.cleanup()

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        named: dict[str, Request] = {}
        for request in batch:  # a cascade's requests have clip ids, which repeat if one clip is used with two noises
            name = request.id
            while name in named:
                name += "'"
            named[name] = replace(request, id=name)
        outputs = {request.id: output for request, output in self.stream(iter(named.values()), decoding)}
        return [outputs[name] for name in named]

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
        """Send requests and yield answers in the order in which they arrive. Up to `batch` requests are pending at a
        time.

        If the worker fails, the pending requests are sent again one by one, so that only the request that causes the
        failure gets an error. Raises AdapterError if the worker cannot be restarted.
        """
        pending: dict[str, Request] = {}
        unresolved: deque[Request] = deque()  # sent again one by one, the first one next
        try:
            while self._send_requests(pending, unresolved, requests, decoding):
                try:
                    item, output = self._read_reply(pending)
                except WorkerFailure as fault:
                    yield from self._handle_failure(fault, pending, unresolved)
                    continue
                request = pending.pop(item)
                self._remove_files(request)
                if unresolved:
                    unresolved.popleft()
                    output = replace(output, extra={**output.extra, "asked_again": f"the worker {self._reason}"})
                yield request, output
        finally:
            if pending:  # interrupted: later replies of the worker are not read
                self._process.stop()
                for request in pending.values():
                    self._remove_files(request)

    def _send_requests(
        self, pending: dict[str, Request], unresolved: deque[Request], requests: Iterator[Request], decoding: Decoding
    ) -> bool:
        """Send requests up to the batch limit. Return True if any request is pending.

        `pending` are requests without a reply yet, by id. `unresolved` are requests whose worker failed: as long as
        there are any, only the first of them is sent, and only while nothing is pending.
        """
        if not unresolved:
            for request in itertools.islice(requests, self._batch - len(pending)):
                self._send_request(request, decoding, pending)
        elif not pending:
            self._send_request(unresolved[0], decoding, pending)
        return bool(pending)

    def _send_request(self, request: Request, decoding: Decoding, pending: dict[str, Request]) -> None:
        if not pending and self._process.has_ended():
            if not self._process.is_stopped:
                self._reason = self._process.stop_and_describe_end()
            self._restart()
        pending[request.id] = request
        clips = [self._encode_clip(request.id, wave) for wave in request.waves]
        self._process.send(encode_request(request, clips, decoding))

    def _read_reply(self, pending: dict[str, Request]) -> tuple[str, Output]:
        """Read one reply; return the request's id and the output. Raises WorkerFailure."""
        item, output = read_reply(self._process.read_line(self._options.timeout))
        output = self._hide_secrets(output)
        if item not in pending:
            raise WorkerFailure(f"replied to {item!r:.80}, expected {' or '.join(map(repr, pending)):.80}")
        self._answers += 1
        self._failures = 0
        return item, output

    def _handle_failure(
        self, fault: WorkerFailure, pending: dict[str, Request], unresolved: deque[Request]
    ) -> Iterator[tuple[Request, Output]]:
        """Stop the failed worker, and decide which of the pending requests get an error or are sent again.

        If several requests were pending, they are queued in `unresolved`, to be sent again one by one. If a single
        request was pending, it caused the failure and is yielded with an error. But if an earlier request may have
        damaged the worker, that is, if the worker had answered before and did not hang, it is queued as well.
        """
        self._process.stop()
        self._reason = replace_secrets(
            str(fault), self._secrets
        )  # an exception would hold this object by its traceback
        suspects = list(pending.values())
        for request in suspects:
            self._remove_files(request)
        pending.clear()
        if not unresolved:
            unresolved.extend(suspects)
        if len(suspects) == 1 and (fault.hung or not self._answers):
            yield unresolved.popleft(), Output(None, error=f"the worker {self._reason}")

    def _encode_clip(self, item_id: str, wave: Wave) -> str:
        """Encode a clip for the worker: return the path of a temporary file, or base64. Raises StoreError."""
        assert self.audio is not None
        file = encode_wav(wave, self.audio.rate, self._options.samples)
        if self._options.audio == "base64":
            return base64.b64encode(file).decode("ascii")
        path = Path(self._folder.name) / f"{next(self._numbers)}.wav"
        self._files.setdefault(item_id, []).append(path)
        with translate_write_errors(path):
            path.write_bytes(file)
        return str(path)

    def _remove_files(self, request: Request) -> None:
        """Remove the temporary files of a request."""
        for path in self._files.pop(request.id, ()):
            path.unlink(missing_ok=True)

    def _start(self) -> tuple[Process, Hello]:
        """Start the worker and read its first line. Raises UsageError and AdapterError."""
        process = Process(self._command, self._environment, self._log)
        try:
            return process, read_hello(process.read_line(self._options.start_timeout))
        except WorkerFailure as fault:
            process.stop()
            log = self._log.get_file()
            kept = f"; its standard error is in {log}" if log else ""
            why = replace_secrets(str(fault), self._secrets)
            raise AdapterError(f"model exec: the worker did not start: it {why}{kept}") from fault
        except UsageError as error:
            process.stop()
            raise UsageError(f"model exec: the worker: {replace_secrets(str(error), self._secrets)}") from error

    def _restart(self) -> None:
        """Restart the worker. Raises AdapterError after too many failures, or if the worker names another model than
        before.
        """
        self._failures += 1
        if self._failures > self._options.restarts:
            raise AdapterError(
                f"model exec: the worker failed {self._failures} times in a row, the last time it {self._reason}; "
                "finished items are kept, and the same command resumes the run"
            )
        self._log.write(f"--- alm-bench: the worker {self._reason}; it is started again\n".encode(), own=True)
        self._process, hello = self._start()
        self._answers = 0
        if hello != self._hello:
            raise AdapterError("model exec: the worker says that it is another model after it was started again")

    def _build_identity(self) -> AdapterIdentity:
        """Return the identity in the worker's first line. A hash of the worker's code is added to its settings."""
        files = [Path(part) for part in self._command if part.endswith(".py") and Path(part).is_file()]
        code = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
        reported = self._hello.identity
        scrubbed = {
            name: replace_secrets(getattr(reported, name), self._secrets) for name in ("label", "note", "settings")
        }
        return replace(
            reported, **{**scrubbed, "settings": {**scrubbed["settings"], **({"worker": code} if files else {})}}
        )

    def _hide_secrets(self, output: Output) -> Output:
        """Replace the worker's secrets in an output by `[set]`."""
        texts = {name: replace_secrets(getattr(output, name), self._secrets) for name in ("text", "error", "refusal")}
        return replace(output, **texts, extra=replace_secrets(output.extra, self._secrets))


def _split_command(text: str, option: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        found = hide_secrets(text, option)
        raise UsageError(f"model exec: {option} cannot be split as a shell would: {error}, found {found!r}") from error


def _parse_variables(text: str) -> dict[str, str]:
    """Parse the option `env` into names and values of environment variables. Raises UsageError.

    A name without a value gets its value from alm-bench's own environment.
    """
    variables = {}
    for part in _split_command(text, "env"):
        key, equals, value = part.partition("=")
        if not key:
            raise UsageError(
                f"model exec: env takes A=1 B=2, or the name of a variable, found {hide_secrets(text, 'env')!r}"
            )
        if not equals and key not in os.environ:
            raise UsageError(
                f"model exec: env names {key}, which is not in the environment: export it, or give {key}=..."
            )
        variables[key] = value if equals else os.environ[key]
    return variables


ADAPTERS = {"exec": ExecAdapter}
