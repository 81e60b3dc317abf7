"""Speech synthesis: the audio of a text, made by a program on this machine.

The program is `espeak-ng`, or any command that writes a WAV file. Clips are cached on disk by the hash of the program,
its version, the voice and the text, so that every text is spoken once.
"""

import hashlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from alm_bench.core import AudioError, AudioRef, UsageError
from alm_bench.core.files import compute_sha256, get_cache_folder, hash_json, is_file, write_atomically
from alm_bench.core.languages import normalise_language

ESPEAK = "espeak-ng"
"""Name of the synthesiser that needs no command line."""

SECONDS = 120
"""Longest time in seconds that a program may take for one text."""

_ESPEAK_COMMAND = (ESPEAK, "-v", "{voice}", "-b", "1", "--stdin", "-w", "{out}")
_ESPEAK_VOICES = {"zh": "cmn"}
"""Voices of espeak-ng whose name is not the code of their language."""

_MIN_BYTES = 45
"""A WAV file with at least one byte after its header."""


@dataclass(frozen=True, slots=True)
class Synthesiser:
    """A program for speech synthesis, which turns a text into a WAV file."""

    command: tuple[str, ...]
    """Program and arguments. `{text}`, `{out}`, `{voice}` and `{language}` are replaced. A command without `{text}`
    reads the text from its standard input, one without `{out}` writes the WAV file to its standard output."""

    name: str
    """Name in tables."""

    voice: str | None = None
    """Name of the voice; None to use the voice of each text's language."""

    @staticmethod
    def parse(text: str) -> "Synthesiser":
        """Parse the value of `--speak`: `espeak-ng`, `espeak-ng:VOICE` or a command. Raises UsageError if the program
        is not installed or the command is malformed."""
        head, _, voice = text.partition(":")
        if head == ESPEAK:
            _find_program(ESPEAK, text)
            return Synthesiser(_ESPEAK_COMMAND, ESPEAK, voice or None)
        try:
            command = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--speak {text!r}: {error}; expected {ESPEAK}, {ESPEAK}:VOICE or a command") from error
        if not command:
            raise UsageError(f"--speak takes {ESPEAK}, {ESPEAK}:VOICE or a command that writes a WAV file")
        _find_program(command[0], text)
        return Synthesiser(command, Path(command[0]).name)

    def pick_voice(self, language: str | None) -> str:
        """Return the name of the voice for a text in a language. None as language means English."""
        code = normalise_language(language or "en")
        return self.voice or (_ESPEAK_VOICES.get(code, code) if self.name == ESPEAK else code)

    def get_voice_language(self, language: str | None) -> str:
        """Return the code of the language of the voice that speaks texts in `language`."""
        voice = self.pick_voice(language)
        return normalise_language(voice.removeprefix("mb-").partition("+")[0])

    @property
    def version(self) -> str:
        """Version of the program: what espeak-ng prints, or the hash of the command's files."""
        return _read_version(self.command)

    def describe(self, voices: str) -> str:
        """Return the name of the program, its version and `voices` (the voices of a run) as one text for tables."""
        return f"{self.name} {self.version}, voice {voices}"

    def list_identity_parts(self) -> list[str]:
        """Return everything that determines the sound of a text, for the fingerprint of a run."""
        return [*self.command, self.version, self.voice or ""]

    def build_ref(self, text: str, language: str | None) -> AudioRef:
        """Return a reference to the clip in which a text is spoken. The clip is made when it is read first."""
        voice, code = self.pick_voice(language), self.get_voice_language(language)
        key = hash_json([*self.list_identity_parts(), voice, code, text])
        path = get_cache_folder("speech") / key[:2] / f"{key}.wav"
        return AudioRef(
            f"spoken question/{key[:16]}",
            path,
            read=partial(_read_clip, path, self, text, voice, code),
            content=key,
            is_question=True,
        )

    def synthesise_speech(self, text: str, voice: str, language: str) -> bytes:
        """Return the bytes of a WAV file in which a text is spoken. Raises AudioError if the program fails."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "speech.wav"
            values = {"text": text, "out": str(out), "voice": voice, "language": language}
            command = [_fill_placeholders(part, values) for part in self.command]
            given = None if _has_placeholder(self.command, "text") else text.encode("utf-8", "replace")
            try:
                done = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise AudioError(f"{self.name} could not speak {text[:40]!r}: {error}") from error
            made = out.read_bytes() if out.is_file() else b"" if _has_placeholder(self.command, "out") else done.stdout
            if done.returncode != 0 or len(made) < _MIN_BYTES:
                lines = done.stderr.decode("utf-8", "replace").split("\n")
                reason = next((line.strip() for line in lines if line.strip()), f"exit status {done.returncode}")
                raise AudioError(f"{self.name}, voice {voice}, could not speak {text[:40]!r}: {reason[:200]}")
            return made

    def check_voice(self, language: str | None) -> None:
        """Raise UsageError if the program cannot speak a test text with the voice of a language."""
        try:
            self.synthesise_speech("test", self.pick_voice(language), self.get_voice_language(language))
        except AudioError as error:
            advice = f" (`{ESPEAK} --voices` lists its voices)" if self.name == ESPEAK else ""
            raise UsageError(f"--speak: {error}{advice}") from error


def _read_clip(path: Path, synthesiser: Synthesiser, text: str, voice: str, language: str) -> bytes:
    """Return the clip from the cache, or make and cache it."""
    if not path.is_file():
        write_atomically(path, synthesiser.synthesise_speech(text, voice, language))
    return path.read_bytes()


def _fill_placeholders(part: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders `{name}` in a part of a command by the values of these names."""
    for name, value in values.items():
        part = part.replace(f"{{{name}}}", value)
    return part


def _has_placeholder(command: tuple[str, ...], name: str) -> bool:
    """Return True if a command contains the placeholder `{name}`."""
    return any(f"{{{name}}}" in part for part in command)


def _find_program(program: str, option_value: str) -> str:
    """Return the path of `program`. Raises UsageError, which quotes `option_value`, the value of `--speak`."""
    found = shutil.which(program)
    if found is None:
        advice = " (Debian: apt-get install espeak-ng)" if program == ESPEAK else ""
        raise UsageError(
            f"--speak {option_value}: there is no program {program!r}{advice}; expected {ESPEAK}, {ESPEAK}:VOICE or a "
            "command that writes a WAV file"
        )
    return found


@cache
def _read_version(command: tuple[str, ...]) -> str:
    """Return the version of espeak-ng, or a hash over the files that a command names."""
    if command[0] == ESPEAK:
        done = subprocess.run([ESPEAK, "--version"], capture_output=True, text=True, check=False)
        words = done.stdout.split("Data at")[0].split()
        return words[-1] if words else "of unknown version"
    named = [Path(shutil.which(part) or part) for part in command]
    files = [path for path in named if is_file(path)]
    return hashlib.sha256("".join(map(compute_sha256, files)).encode()).hexdigest()[:8]
