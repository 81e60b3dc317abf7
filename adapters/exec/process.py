"""Child process that exchanges lines with alm-bench. Reading has a time limit; ending it ends its descendants too."""

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
_LONGEST = 1 << 24  # bytes; longest line that is accepted as a reply
_TAIL = 1 << 16  # bytes of standard error that are held in memory
GRACE = 2.0  # seconds that a process has to end by itself


class WorkerFailure(Exception):  # noqa: N818  it is caught and becomes the error of an item or of the run
    """Failure after which the worker must be restarted. `hung` is True if it only failed to reply in time."""

    def __init__(self, reason: str, hung: bool = False) -> None:
        super().__init__(reason)
        self.hung = hung


class Log:
    """Standard error of the worker processes. Its last 64 KiB are held in memory until there is a file to write to.

    The texts `secrets` are replaced by `[set]`.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets = sorted((secret.encode() for secret in secrets), key=len, reverse=True)
        self._withheld = b""  # last bytes received, if they may be the beginning of a secret
        self._unfiled = self._tail = b""
        self._file: BinaryIO | None = None
        self._path: Path | None = None

    def write(self, data: bytes, own: bool = False) -> None:
        """Append data. `own` is True for lines of alm-bench itself, which `read_last_line` does not return."""
        with self._lock:
            if not own:
                data = self._hide_secrets(data)
                self._tail = (self._tail + data)[-_TAIL:]
            self._unfiled = (self._unfiled + data)[-_TAIL:]
            self._save()

    def flush(self) -> None:
        """Append the bytes that were held back as a possible beginning of a secret. Called when a process's standard
        error ends.
        """
        with self._lock:
            rest, self._withheld = self._withheld, b""
            self._tail = (self._tail + rest)[-_TAIL:]
            self._unfiled = (self._unfiled + rest)[-_TAIL:]
            self._save()

    def _hide_secrets(self, data: bytes) -> bytes:
        """Return the data with secrets replaced, without a possible beginning of a secret at its end.

        Such a beginning is held back until more data come or `flush` is called.
        """
        data = self._withheld + data
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN.encode())
        ends = (n for secret in self._secrets for n in range(len(secret) - 1, 0, -1) if data.endswith(secret[:n]))
        begun = max(ends, default=0)
        data, self._withheld = data[: len(data) - begun], data[len(data) - begun :]
        return data

    def redirect_to(self, path: Path) -> None:
        """Append to the file `path` from now on. The file is created with the first output."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._path = None, path
            self._save()

    def _save(self) -> None:
        """Write the bytes in memory to the log file, if it has a path.

        A failure is ignored: the bytes stay in memory.
        """
        if self._path is None or not self._unfiled:
            return
        try:
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
            self._file.write(self._unfiled)
        except OSError:  # full disk: writing the answers reports it; a process must not wait for its log
            return
        self._unfiled = b""

    def read_last_line(self) -> str:
        """Return the last line that is not blank, shortened to 300 characters; "" if there is none."""
        with self._lock:
            lines = self._tail.decode(errors="replace").split("\n")
        return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")

    def get_file(self) -> Path | None:
        """Return the path of the log file. Without one, the log in memory is written to a temporary file; None for an
        empty log.
        """
        if self._path is None and self._unfiled:
            handle, name = tempfile.mkstemp(prefix="alm-bench-worker-", suffix=".log")
            os.close(handle)
            self.redirect_to(Path(name))
        return self._path


class Process:
    """Child process in its own process group. It ends with `stop`, with this object, or with the interpreter.

    When the parent process ends, for any reason, the child's standard input is closed.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Log) -> None:
        """Start the command. Raises UsageError if it cannot be started."""
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
        self._copying = threading.Thread(
            target=_copy_to_log, args=(child.stderr, log), daemon=True, name="worker's log"
        )
        self._copying.start()
        self._finish = weakref.finalize(self, _end_process_group, child, GRACE)
        self._by_itself = False

    def send(self, line: bytes) -> None:
        """Queue a line for the process. Queued lines are written while `read_line` waits for output."""
        self._unsent += line

    def read_line(self, seconds: float) -> bytes:
        """Wait for the next line of standard output and return it without its newline.

        Raises WorkerFailure if none comes within `seconds` or the process ends.
        """
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as watched:
            watched.register(self._output, selectors.EVENT_READ)
            if self._unsent:
                watched.register(self._input, selectors.EVENT_WRITE)
            while (end := self._unread.find(b"\n")) < 0:
                ready = watched.select(max(0.0, until - time.monotonic()))
                if not ready:
                    raise WorkerFailure(f"gave no reply for {seconds:g} s", hung=True)
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
        """True if alm-bench has ended the process with `stop`."""
        return not self._finish.alive

    def has_ended(self) -> bool:
        """Return True if the process has been stopped or has exited by itself."""
        return self.is_stopped or _has_exited(self._child)

    def stop(self, grace: float = 0.0) -> None:
        """End the process and its descendants. The process has `grace` seconds to exit by itself."""
        if self._finish.detach() is not None:
            self._by_itself = _end_process_group(self._child, grace)
            self._copying.join(GRACE)

    def stop_and_describe_end(self) -> str:
        """Stop the process, and describe how it ended, with the last line of its standard error."""
        self.stop(GRACE)
        status = self._child.returncode
        if not self._by_itself:
            told = "closed its standard output"
        elif status is not None and status < 0:
            told = f"was killed by {_get_signal_name(-status)}"
        else:
            told = f"ended with status {status}"
        last = self._log.read_last_line()
        return f"{told} ({last})" if last else told

    def _read_chunk(self) -> None:
        """Read the output that is available. Raises WorkerFailure if the process has ended or a line is too long."""
        data = os.read(self._output.fileno(), _CHUNK)
        if not data:
            raise WorkerFailure(self.stop_and_describe_end())
        self._unread += data
        if len(self._unread) > _LONGEST:
            raise WorkerFailure(f"wrote more than {_LONGEST >> 20} MiB without the end of a line")

    def _write(self) -> bool:
        """Write as much queued data as the pipe accepts; return True if some remains."""
        try:
            sent = os.write(self._input.fileno(), self._unsent[:_CHUNK])
        except BlockingIOError:
            return True
        except BrokenPipeError:  # the process closed its input; its remaining output is still read
            self._unsent.clear()
            return False
        del self._unsent[:sent]
        return bool(self._unsent)


def _get_signal_name(number: int) -> str:
    """Return the name of a signal such as `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one has no name
        return f"signal {number}"


def _copy_to_log(source: IO[bytes], log: Log) -> None:
    """Copy a process's standard error to the log until it ends. Runs in a thread of its own."""
    with source:
        while data := os.read(source.fileno(), _CHUNK):
            log.write(data)
        log.flush()


def _has_exited(child: "subprocess.Popen[bytes]") -> bool:
    """Return True if the process has ended.

    It is not reaped, so that the system cannot reuse its id for another process group.
    """
    if child.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return child.poll() is not None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # someone else reaped it
        return True


def _end_process_group(child: "subprocess.Popen[bytes]", grace: float) -> bool:
    """End a process group. Return True if its leader had ended by itself."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    until = time.monotonic() + grace
    while not (over := _has_exited(child)) and time.monotonic() < until:
        time.sleep(0.01)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    child.stdout.close()
    return over
