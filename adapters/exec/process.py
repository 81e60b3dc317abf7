"""A child process that is spoken to in lines: read with a time limit, and ended with all that it started."""

import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

from alm_bench.core import UsageError
from alm_bench.core.secrets import HIDDEN

_CHUNK = 1 << 16
_LONGEST = 1 << 24  # bytes of a line; what is longer is no reply
_TAIL = 1 << 16  # bytes of standard error that are kept in memory
GRACE = 2.0  # seconds in which a process may end by itself


class Fault(Exception):  # noqa: N818  the name of the thing, of which an error is made for an item or for the run
    """A failure after which the process must be restarted. `hung`: it only was silent for too long."""

    def __init__(self, reason: str, hung: bool = False) -> None:
        super().__init__(reason)
        self.hung = hung


class Log:
    """Standard error of processes: in a file once there is one, before that its end in memory.

    The texts `secrets` are replaced by `[set]`.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets = sorted((secret.encode() for secret in secrets), key=len, reverse=True)
        self._withheld = b""  # the end of what came, where it may be the beginning of a secret
        self._unfiled = self._tail = b""
        self._file: BinaryIO | None = None
        self._path: Path | None = None

    def write(self, data: bytes, own: bool = False) -> None:
        """`own`: alm-bench's word among those of the processes, which is nobody's last."""
        with self._lock:
            if not own:
                data = self._without_secrets(data)
                self._tail = (self._tail + data)[-_TAIL:]
            self._unfiled = (self._unfiled + data)[-_TAIL:]
            self._save()

    def flush(self) -> None:
        """Called at the end of a process's standard error: no more comes of what looked like a secret's beginning."""
        with self._lock:
            rest, self._withheld = self._withheld, b""
            self._tail = (self._tail + rest)[-_TAIL:]
            self._unfiled = (self._unfiled + rest)[-_TAIL:]
            self._save()

    def _without_secrets(self, data: bytes) -> bytes:
        data = self._withheld + data
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN.encode())
        ends = (n for secret in self._secrets for n in range(len(secret) - 1, 0, -1) if data.endswith(secret[:n]))
        begun = max(ends, default=0)
        data, self._withheld = data[: len(data) - begun], data[len(data) - begun :]
        return data

    def to(self, path: Path) -> None:
        """Go on at the end of the file `path`, which is made when there is something to say."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._path = None, path
            self._save()

    def _save(self) -> None:
        if self._path is None or not self._unfiled:
            return
        try:
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
            self._file.write(self._unfiled)
        except OSError:  # a full disk: the answers' own file says so, and no process must wait for its log
            return
        self._unfiled = b""

    def last(self) -> str:
        """The last line that says something, or nothing."""
        with self._lock:
            lines = self._tail.decode(errors="replace").split("\n")
        return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")

    def get_file(self) -> Path | None:
        """Return the file that holds the log, creating it if needed; None if nothing was written."""
        if self._path is None and self._unfiled:
            handle, name = tempfile.mkstemp(prefix="alm-bench-worker-", suffix=".log")
            os.close(handle)
            self.to(Path(name))
        return self._path


class Process:
    """Child process in a process group of its own, which ends at the latest with this object or with the interpreter.

    Its standard input is closed when this process ends, for any reason.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Log) -> None:
        """Start a process. Raises UsageError if there is no such command."""
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise UsageError(f"cannot start {command[0]}: {error.strerror or error}; check command=") from error
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child, self._log = child, log
        self._input, self._output = child.stdin, child.stdout
        os.set_blocking(self._input.fileno(), False)
        self._unsent, self._unread = bytearray(), bytearray()
        self._copying = threading.Thread(target=_copy, args=(child.stderr, log), daemon=True, name="worker's log")
        self._copying.start()
        self._finish = weakref.finalize(self, _end, child, GRACE)
        self._by_itself = False

    def send(self, line: bytes) -> None:
        """Leave a line to be sent while lines are waited for."""
        self._unsent += line

    def line(self, seconds: float) -> bytes:
        """The next line, without its end. Raises Fault."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as watched:
            watched.register(self._output, selectors.EVENT_READ)
            if self._unsent:
                watched.register(self._input, selectors.EVENT_WRITE)
            while (end := self._unread.find(b"\n")) < 0:
                ready = watched.select(max(0.0, until - time.monotonic()))
                if not ready:
                    raise Fault(f"gave no reply for {seconds:g} s", hung=True)
                for key, _ in ready:
                    if key.fileobj is self._output:
                        self._read_chunk()
                    elif not self._write():
                        watched.unregister(self._input)
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line

    @property
    def is_stopped(self) -> bool:
        return not self._finish.alive

    def has_ended(self) -> bool:
        return self.is_stopped or _over(self._child)

    def stop(self, grace: float = 0.0) -> None:
        """End it, its own children included; at once, or after so many seconds in which it may end by itself."""
        if self._finish.detach() is not None:
            self._by_itself = _end(self._child, grace)
            self._copying.join(GRACE)

    def farewell(self) -> str:
        """Describe how the stopped process ended, with the last line of its standard error."""
        self.stop(GRACE)
        status = self._child.returncode
        if not self._by_itself:
            told = "closed its standard output"
        elif status is not None and status < 0:
            told = f"was killed by {_signal(-status)}"
        else:
            told = f"ended with status {status}"
        last = self._log.last()
        return f"{told} ({last})" if last else told

    def _read_chunk(self) -> None:
        data = os.read(self._output.fileno(), _CHUNK)
        if not data:
            raise Fault(self.farewell())
        self._unread += data
        if len(self._unread) > _LONGEST:
            raise Fault(f"wrote more than {_LONGEST >> 20} MiB without the end of a line")

    def _write(self) -> bool:
        """Write what the pipe takes; return True if more remains."""
        try:
            sent = os.write(self._input.fileno(), self._unsent[:_CHUNK])
        except BlockingIOError:
            return True
        except BrokenPipeError:  # it reads no more; what it still wrote is read up to its end
            self._unsent.clear()
            return False
        del self._unsent[:sent]
        return bool(self._unsent)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one has no name
        return f"signal {number}"


def _copy(source: IO[bytes], log: Log) -> None:
    with source:
        while data := os.read(source.fileno(), _CHUNK):
            log.write(data)
        log.flush()


def _over(child: "subprocess.Popen[bytes]") -> bool:
    """True if the process has ended; it is left unreaped, so that its number cannot become another process group's."""
    if child.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return child.poll() is not None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # someone else reaped it
        return True


def _end(child: "subprocess.Popen[bytes]", grace: float) -> bool:
    """End a process group; whether its leader ended by itself."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    until = time.monotonic() + grace
    while not (over := _over(child)) and time.monotonic() < until:
        time.sleep(0.01)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    child.stdout.close()
    return over
