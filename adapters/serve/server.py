"""Server process on a free port: it is started, awaited until it is healthy, and stopped with all its descendants.

A process that is killed cannot stop its server. The cache folder therefore has one file per running server, and servers
that other processes left running are stopped before a new one starts.
"""

import json
import os
import socket
import subprocess
import time
import uuid
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from alm_bench.core import AdapterError, UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.files import get_cache_folder, write_atomically

TOKEN = "ALM_BENCH_SERVER"
"""Environment variable by which all processes of a server are found, also those in other process groups or sessions."""

GRACE = 10.0
"""Seconds that processes have to end by themselves."""

POLL = 0.2
LOG_LINES = 15
"""Number of log lines that are printed if a server does not start."""


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Running server. It ends with `stop`, with this object, or with the interpreter."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        """Start the command in its own session. Raises UsageError if it cannot be started."""
        self.port, self.log = port, log
        stop_orphaned_servers()
        token = uuid.uuid4().hex
        note = _get_servers_folder() / f"{token}.json"
        owner = psutil.Process()
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, json.dumps({"owner": owner.pid, "owner_started": owner.create_time()}))
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as file:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, TOKEN: token, "PYTHONUNBUFFERED": "1"},
                    start_new_session=True,  # Ctrl-C reaches alm-bench only, which stops the server later
                )
        except OSError as error:
            note.unlink(missing_ok=True)
            raise UsageError(f"model serve: cannot start {command[0]}: {error.strerror or error}") from error
        self._finish = weakref.finalize(self, _stop_server, self._child, token, note)

    def wait(self, seconds: float) -> None:
        """Wait until the server is healthy.

        If it ends or is not healthy after `seconds`, print the end of its log and raise AdapterError.
        """
        until = time.monotonic() + seconds
        while not self._is_healthy():
            status = self._child.poll()
            if status is None and time.monotonic() < until:
                time.sleep(POLL)
                continue
            for line in self.read_log_tail():
                print_notice(f"server: {line}")
            self.stop()
            told = f"did not become healthy within start_timeout={seconds:g} seconds"
            if status is not None:
                told = f"ended with status {status} before it was healthy"
            raise AdapterError(f"model serve: the server {told}; its log is {self.log}")

    def read_log_tail(self) -> list[str]:
        """Return the last lines of the log that are not blank."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if line.strip()][-LOG_LINES:]

    def _is_healthy(self) -> bool:
        """Return True if the server answers /health, or /v1/models if it has no /health, with a status below 400."""
        import requests

        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment does not reach this machine's own addresses
            try:
                for path in ("/health", "/v1/models"):
                    status = session.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).status_code
                    if status != 404:
                        return bool(status < 400)
            except requests.RequestException:
                return False
        return False

    @property
    def has_ended(self) -> bool:
        return self._child.poll() is not None

    def stop(self) -> None:
        """Stop the server and all its descendants."""
        self._finish()


def stop_orphaned_servers() -> None:
    """Stop the servers whose owner processes no longer run."""
    for note in sorted(_get_servers_folder().glob("*.json")):
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
            owner, started = int(found["owner"]), float(found["owner_started"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another process is writing or removing it
        if not _is_running(owner, started):
            end_server_processes(note.stem)
            note.unlink(missing_ok=True)


def _get_servers_folder() -> Path:
    """Return the folder with one file per running server."""
    return get_cache_folder("servers")


def _is_running(pid: int, started: float) -> bool:
    """Return True if the process `pid`, which was started at the time `started`, still runs."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < 1)
    except psutil.NoSuchProcess:
        return False


def _stop_server(child: "subprocess.Popen[bytes]", token: str, state_file: Path) -> None:
    """Stop a server, whose first process is `child`, and remove its file `state_file` from the cache folder."""
    end_server_processes(token)
    child.wait()
    state_file.unlink(missing_ok=True)


def end_server_processes(token: str) -> None:
    """End all processes of the server that was started with `token` in the environment variable `ALM_BENCH_SERVER`.

    They are terminated; those that still run after `GRACE` seconds are killed.
    """
    ask: Sequence[Callable[[psutil.Process], None]] = (psutil.Process.terminate, psutil.Process.kill)
    for way in ask:
        found = _find_processes(token)
        for process in found:
            try:
                way(process)
            except psutil.NoSuchProcess:
                continue
        if not psutil.wait_procs(found, timeout=GRACE)[1] and not _find_processes(token):
            return


def _find_processes(token: str) -> list[psutil.Process]:
    """Return all processes whose environment variable `ALM_BENCH_SERVER` has the value `token`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN) == token:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue  # it ended meanwhile, or belongs to another user
    return found
