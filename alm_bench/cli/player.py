"""Playback of clips with a player that is installed on this machine."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from alm_bench.core import AudioRef, UsageError

PLAYERS: tuple[tuple[str, ...], ...] = (
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("mpv", "--no-video", "--really-quiet"),
    ("play", "-q"),
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
)
"""Commands that play an audio file, whose path is appended, and end with it; in order of preference."""


def find_player() -> tuple[str, ...]:
    """Return the first command of `PLAYERS` that is installed. Raises UsageError if none is."""
    for command in PLAYERS:
        if shutil.which(command[0]) is not None:
            return command
    names = ", ".join(command[0] for command in PLAYERS)
    raise UsageError(f"--play found no audio player on this machine; install one of {names}")


def play_clip(ref: AudioRef, player: tuple[str, ...]) -> str | None:
    """Play a clip to its end. Return the reason in one line if that failed, else None.

    The path of a clip file is passed as it is; a clip that is not a file of its own is written to a temporary file.
    """
    if ref.read is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / (Path(ref.id).name or "clip.wav")
            path.write_bytes(ref.read())
            return _play_file(path, player)
    if not ref.path.is_file():
        return f"{ref.path} is not a file on this machine"
    return _play_file(ref.path.resolve(), player)  # an absolute path is never taken for an option


def _play_file(path: Path, player: tuple[str, ...]) -> str | None:
    """Play a file by the command `player`. Return the reason in one line if that failed, else None."""
    done = subprocess.run([*player, str(path)], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"{player[0]} could not play {path} (status {done.returncode}): {said}"
