"""Open a clip by its content and decode its samples, all of them or block by block."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from alm_bench.audio.extent import find_extent
from alm_bench.core import AudioError, AudioRef

Samples = npt.NDArray[np.float32]
"""Decoded samples, shape (frames, channels), in -1..1 for integer formats."""

MOST_SAMPLES = 1 << 26
"""Samples of one clip that are held decoded: 256 MiB, 70 minutes at 16 kHz. A clip of more is refused, unless an
adapter takes no more than a part of it."""

_RATES = range(1_000, 1_000_001)  # a damaged header that says 1 Hz would ask for more memory than there is
_BLOCK = 1 << 20  # samples a read
_UNKNOWN = 1 << 62  # libsndfile gives a FLAC file that declares no length more frames than this


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """An open clip."""

    file: Any  # a soundfile.SoundFile
    """The open `soundfile.SoundFile`."""

    unterminated: bool
    """True for an Ogg stream without its last page."""

    @property
    def frames(self) -> int:
        """Number of samples per channel that the header declares."""
        return int(self.file.frames)

    @property
    def channels(self) -> int:
        return int(self.file.channels)

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.file.samplerate)

    @property
    def is_estimated(self) -> bool:
        """True if `frames` may exceed the actual number: FLAC declares it, an MP3 or Ogg file need not."""
        return str(self.file.format) != "FLAC"

    def check_length(self) -> None:
        """Raise OSError if a FLAC file declares no length, as one written to a pipe does."""
        expect(self.frames < _UNKNOWN, "its header declares no number of samples; encode the file once more")

    def blocks(self, limit: int, growth: float = 1.0) -> Iterator[Samples]:
        """Yield the first `limit` frames, in order. Memory does not depend on the length that the header declares.

        `growth`: factor by which the caller's result is larger than a block. Raises OSError if samples are missing,
        damaged or not finite.
        """
        size, done = max(1, int(_BLOCK / self.channels / max(1.0, growth))), 0
        while done < limit:
            try:
                block: Samples = self.file.read(min(size, limit - done), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise OSError(f"{self._shortage(done)} (libsndfile says {_format_error(error)!r})") from error
            if not len(block):
                break
            done += len(block)
            expect(bool(np.isfinite(block).all()), "holds values that are not finite (NaN or infinity)")
            yield block
        expect(done == limit or self.is_estimated, self._shortage(done))

    def read(self, limit: int) -> Samples:
        """Return the first `limit` frames as one array; raises OSError as `blocks` does, and if there are none."""
        blocks = list(self.blocks(limit))
        expect(bool(blocks), "holds no samples")
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def check_end(self) -> None:
        """Raise OSError if the last sample of a FLAC file is missing, which its header does not show."""
        if self.is_estimated or not 0 < self.frames < _UNKNOWN:
            return
        try:
            self.file.seek(self.frames - 1)
            found = len(self.file.read(1))
        except soundfile.LibsndfileError as error:
            raise OSError(f"{self._shortage(None)} (libsndfile says {_format_error(error)!r})") from error
        expect(found == 1, self._shortage(None))

    def _shortage(self, done: int | None) -> str:
        there = "the last of them is not there" if done is None else f"they cannot be read beyond {done:,}"
        return f"cannot be decoded to its end, cut off or damaged: its header declares {self.frames:,} samples, {there}"


def decode(ref: AudioRef) -> tuple[Samples, int]:
    """Return all samples, shape (frames, channels), and the rate in Hz.

    Reads every format of libsndfile, detected by content, never by the file's suffix. Raises AudioError for a clip that
    is missing, unreadable, cut off, empty, larger than `MOST_SAMPLES` or that holds values that are not finite.
    """
    with open_sound(ref) as sound:
        sound.check_length()
        expect(
            sound.frames * sound.channels <= MOST_SAMPLES,
            f"declares {sound.frames:,} samples of {sound.channels} channels, at most {MOST_SAMPLES:,} are decoded",
        )
        return sound.read(sound.frames), sound.rate


@contextmanager
def open_sound(ref: AudioRef) -> Iterator[Sound]:
    """Open a clip for decoding. Raises AudioError, in one line, for every error of the system and of libsndfile, now or
    while the clip is open."""
    try:
        with _open(ref) as (file, size):
            extent = find_extent(file, size)
            if extent is not None and extent.declared is not None:
                expect(
                    extent.start + extent.declared <= size + extent.slack,
                    f"is cut off: its header declares {extent.declared:,} bytes of sound, "
                    f"{max(0, size - extent.start):,} are there",
                )
            with _sound_file(file, None if extent is None else extent.size_at) as sound:
                rate: int = sound.samplerate
                expect(
                    rate in _RATES, f"has a sample rate of {rate} Hz in its header, {_RATES.start} or more is expected"
                )
                yield Sound(sound, extent is not None and extent.unterminated)
    except OSError as error:
        raise AudioError(f"clip {ref.id}: {_reason(error)} ({ref.path})") from error
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"clip {ref.id}: cannot be decoded, libsndfile says {_format_error(error)!r}; "
            f"expected wav, flac, ogg, mp3 or another format that it reads ({ref.path})"
        ) from error


@contextmanager
def _open(ref: AudioRef) -> Iterator[tuple[BinaryIO, int]]:
    """Open the clip's bytes as a file; return it and their number."""
    if ref.read is not None:
        data = ref.read()
        expect(len(data) > 0, "is empty (0 bytes)")
        with _in_memory(data) as memory:
            yield memory, len(data)
        return
    expect("\0" not in str(ref.path), "the file's name holds a zero byte")
    status = ref.path.stat()
    expect(not stat.S_ISDIR(status.st_mode), "is a folder")
    expect(stat.S_ISREG(status.st_mode), "is not a regular file")  # opening a pipe would wait for ever
    expect(status.st_size > 0, "is empty (0 bytes)")
    with ref.path.open("rb", buffering=0) as file:  # its position is libsndfile's, too
        yield file, status.st_size


@contextmanager
def _sound_file(file: BinaryIO, size_at: int | None) -> Iterator[Any]:
    """Open `file` as a `soundfile.SoundFile`, without a name that could hint at another format.

    `size_at`: offset of a size of zero that stands for an unknown one; libsndfile knows the largest for that.
    """
    if size_at is not None:
        file.seek(0)
        data = bytearray(file.read())
        data[size_at : size_at + 4] = b"\xff" * 4
        with _in_memory(data) as memory, _sound_file(memory, None) as sound:
            yield sound
        return
    file.seek(0)  # libsndfile reads on from where the file stands
    with soundfile.SoundFile(file if isinstance(file, io.BytesIO) else file.fileno(), closefd=False) as sound:
        yield sound


@contextmanager
def _in_memory(data: bytes | bytearray) -> Iterator[BinaryIO]:
    """Open `data` as a file for libsndfile: on Linux an anonymous file, which it reads without Python; elsewhere an
    object that it calls back for every block, where decoding threads wait for one another."""
    if not hasattr(os, "memfd_create"):
        yield io.BytesIO(data)
        return
    with os.fdopen(os.memfd_create("clip"), "w+b", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        yield file


def expect(holds: bool, otherwise: str) -> None:
    """Raise an OSError unless `holds`; `open_sound` turns it into an AudioError with the clip's name."""
    if not holds:
        raise OSError(otherwise)


def _format_error(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).rstrip(".")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    return error.strerror or str(error)
