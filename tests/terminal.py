"""The command line called in this process with a real terminal (a pty) of some width as its standard output."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

from alm_bench.cli.app import main

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Screenful:
    """What a command wrote to its terminal."""

    status: int
    raw: str
    err: str

    @property
    def text(self) -> str:
        """Without escape sequences."""
        return _ESCAPE.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def on_terminal(
    *arguments: object, width: int, environment: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> Screenful:
    """`alm-bench ARGUMENTS` with standard output on a terminal of `width` columns; standard error is caught apart."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    seen = bytearray()
    reader = threading.Thread(target=_read_all, args=(leader, seen))
    reader.start()
    err = io.StringIO()
    settings = {"TERM": "xterm-256color", **(environment or {})}
    status: Any = 0
    with mock.patch.dict(os.environ, settings), os.fdopen(follower, "w", encoding=encoding, errors="replace") as out:
        for name in {"COLUMNS", "NO_COLOR"} - settings.keys():
            os.environ.pop(name, None)
        argv = mock.patch.object(sys, "argv", ["alm-bench", *map(str, arguments)])
        with argv, contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
            try:
                main()
            except SystemExit as end:
                status = end.code
    reader.join()
    os.close(leader)
    return Screenful(status, seen.decode(encoding).replace("\r\n", "\n"), err.getvalue())


def _read_all(leader: int, seen: bytearray) -> None:
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        seen += data
