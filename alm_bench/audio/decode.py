"""Decoding of clips: the format is detected from the content, and samples are read at once or block by block."""

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

MAX_SAMPLES = 1 << 26
"""Maximum number of decoded samples of one clip in memory: 256 MiB, or 70 minutes of mono sound at 16 kHz. A larger
clip is refused, unless the adapter uses only a part of it."""

_RATES = range(1_000, 1_000_001)  # Hz; resampling from the 1 Hz of a damaged header would exhaust memory
_BLOCK = 1 << 20  # samples per read
_UNKNOWN = 1 << 62  # libsndfile reports more frames than this for a FLAC file without a declared length


@dataclass(frozen=True, slots=True, eq=False)
class ClipReader:
    """An open clip, from which samples are decoded."""

    file: Any  # a soundfile.SoundFile
    """The open `soundfile.SoundFile`."""

    unterminated: bool
    """True for an Ogg stream whose last page is missing."""

    source: BinaryIO
    """The bytes of the clip. They share their position with `file`."""

    declares_size: bool = True
    """True unless the header should declare the size of the sound and does not, as in a WAV file that was written to a
    pipe.
    """

    @property
    def frames(self) -> int:
        """Number of samples per channel that the header declares."""
        return int(self.file.frames)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.file.channels)

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.file.samplerate)

    @property
    def container(self) -> str:
        """Name of the container in libsndfile, such as `WAV`, `MP3`, `FLAC`."""
        return str(self.file.format)

    @property
    def encoding(self) -> str:
        """Name of the encoding of the samples in libsndfile, such as `PCM_16`, `MPEG_LAYER_III`."""
        return str(self.file.subtype)

    @property
    def tags(self) -> frozenset[str]:
        """Names of the metadata fields that the file contains, such as `title`."""
        return frozenset(self.file.copy_metadata())

    def read_bytes(self) -> bytes:
        """Return all bytes of the clip, not decoded. No samples can be read afterwards."""
        self.source.seek(0)
        return self.source.read()

    @property
    def has_estimated_length(self) -> bool:
        """True if `frames` is only an estimate, which may exceed the number of frames that can be decoded. This is so
        for all formats but FLAC, whose header declares the exact number; the header of an MP3 or Ogg file may not."""
        return self.container != "FLAC"

    def check_length(self) -> None:
        """Raise OSError if the header of a FLAC file declares no length, as after writing to a pipe."""
        raise_unless(self.frames < _UNKNOWN, "its header declares no number of samples; encode the file once more")

    def read_blocks(self, limit: int, growth: float = 1.0) -> Iterator[Samples]:
        """Yield the first `limit` frames in order, as arrays of shape (frames, channels). Memory use does not depend on
        the length that the header declares.

        `growth`: factor by which the caller's processing enlarges a block, such as upsampling. Blocks are smaller by
        this factor. Raises OSError if samples are missing, damaged or not finite.
        """
        size, done = max(1, int(_BLOCK / self.channels / max(1.0, growth))), 0
        while done < limit:
            try:
                block: Samples = self.file.read(min(size, limit - done), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise OSError(
                    f"{self._describe_missing_samples(done)} (libsndfile says {_format_error(error)!r})"
                ) from error
            if not len(block):
                break
            done += len(block)
            raise_unless(bool(np.isfinite(block).all()), "holds values that are not finite (NaN or infinity)")
            yield block
        raise_unless(done == limit or self.has_estimated_length, self._describe_missing_samples(done))

    def read_frames(self, limit: int) -> Samples:
        """Return the first `limit` frames as one array, shape (frames, channels). Raises OSError as `read_blocks` does,
        and if the clip has no frames."""
        blocks = list(self.read_blocks(limit))
        raise_unless(bool(blocks), "holds no samples")
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def check_end(self) -> None:
        """Raise OSError if the last sample of a FLAC file cannot be decoded. A truncated file is not recognisable from
        its header."""
        if self.has_estimated_length or not 0 < self.frames < _UNKNOWN:
            return
        try:
            self.file.seek(self.frames - 1)
            count = len(self.file.read(1))
        except soundfile.LibsndfileError as error:
            raise OSError(
                f"{self._describe_missing_samples(None)} (libsndfile says {_format_error(error)!r})"
            ) from error
        raise_unless(count == 1, self._describe_missing_samples(None))

    def _describe_missing_samples(self, done: int | None) -> str:
        """Return the message for missing samples. `done`: number of frames that were decoded, or None if only the last
        one is missing."""
        there = "the last of them is not there" if done is None else f"they cannot be read beyond {done:,}"
        return f"cannot be decoded to its end, cut off or damaged: its header declares {self.frames:,} samples, {there}"


def decode(ref: AudioRef) -> tuple[Samples, int]:
    """Decode a clip. Return all samples, shape (frames, channels), and the sample rate in Hz.

    Reads every format of libsndfile. The format is detected from the content, never from the file's suffix. Raises
    AudioError for a clip that is missing, unreadable, truncated, empty or larger than `MAX_SAMPLES`, or that contains
    values that are not finite.
    """
    with open_sound(ref) as sound:
        sound.check_length()
        raise_unless(
            sound.frames * sound.channels <= MAX_SAMPLES,
            f"declares {sound.frames:,} samples of {sound.channels} channels, at most {MAX_SAMPLES:,} are decoded",
        )
        return sound.read_frames(sound.frames), sound.rate


@contextmanager
def open_sound(ref: AudioRef) -> Iterator[ClipReader]:
    """Open a clip for decoding: a context manager that yields a `ClipReader`.

    Raises AudioError, with a message of one line, for every error of the operating system and of libsndfile, both when
    the clip is opened and while it is open. A file with fewer bytes than its header declares is refused as well.
    """
    with open_bytes(ref) as (file, size):
        extent = find_extent(file, size)
        if extent is not None and extent.declared is not None:
            raise_unless(
                extent.start + extent.declared <= size + extent.slack,
                f"is cut off: its header declares {extent.declared:,} bytes of sound, "
                f"{max(0, size - extent.start):,} are there",
            )
        try:
            with _open_sound_file(file, None if extent is None else extent.size_offset) as sound:
                rate: int = sound.samplerate
                raise_unless(
                    rate in _RATES, f"has a sample rate of {rate} Hz in its header, {_RATES.start} or more is expected"
                )
                declares_size = extent is None or extent.declared is not None
                yield ClipReader(sound, extent is not None and extent.unterminated, file, declares_size)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"clip {ref.id}: cannot be decoded, libsndfile says {_format_error(error)!r}; "
                f"expected wav, flac, ogg, mp3 or another format that it reads ({ref.path})"
            ) from error


@contextmanager
def open_bytes(ref: AudioRef) -> Iterator[tuple[BinaryIO, int]]:
    """Open the bytes of a clip: a context manager that yields a binary file and its size in bytes.

    Raises AudioError, with a message of one line, for every error of the operating system, both when the clip is opened
    and while it is open.
    """
    try:
        with _open_clip_file(ref) as opened:
            yield opened
    except OSError as error:
        raise AudioError(f"clip {ref.id}: {_explain_os_error(error)} ({ref.path})") from error


@contextmanager
def _open_clip_file(ref: AudioRef) -> Iterator[tuple[BinaryIO, int]]:
    """Open the bytes of a clip as a binary file. Yields the file and its size in bytes."""
    if ref.read is not None:
        data = ref.read()
        raise_unless(len(data) > 0, "is empty (0 bytes)")
        with _open_in_memory(data) as memory:
            yield memory, len(data)
        return
    raise_unless("\0" not in str(ref.path), "the file's name holds a zero byte")
    status = ref.path.stat()
    raise_unless(not stat.S_ISDIR(status.st_mode), "is a folder")
    raise_unless(stat.S_ISREG(status.st_mode), "is not a regular file")  # opening a pipe would block forever
    raise_unless(status.st_size > 0, "is empty (0 bytes)")
    with ref.path.open("rb", buffering=0) as file:  # shares its position with libsndfile
        yield file, status.st_size


@contextmanager
def _open_sound_file(file: BinaryIO, size_offset: int | None) -> Iterator[Any]:
    """Open `file` as a `soundfile.SoundFile`. libsndfile gets no file name, so a suffix cannot hint at another format.

    `size_offset`: offset in the file, in bytes, of a 32-bit size field that is zero because the size was unknown when
    the header was written. In a copy of the file, the field gets the largest value, which libsndfile treats as an
    unknown size. None if there is no such field.
    """
    if size_offset is not None:
        file.seek(0)
        data = bytearray(file.read())
        data[size_offset : size_offset + 4] = b"\xff" * 4
        with _open_in_memory(data) as memory, _open_sound_file(memory, None) as sound:
            yield sound
        return
    file.seek(0)  # libsndfile reads from the current position
    with soundfile.SoundFile(file if isinstance(file, io.BytesIO) else file.fileno(), closefd=False) as sound:
        yield sound


@contextmanager
def _open_in_memory(data: bytes | bytearray) -> Iterator[BinaryIO]:
    """Open `data` as a file for libsndfile. On Linux this is an anonymous file (memfd), which libsndfile reads without
    calling Python. Elsewhere it is a BytesIO, which libsndfile reads through Python callbacks; decoding threads then
    wait for one another."""
    if not hasattr(os, "memfd_create"):
        yield io.BytesIO(data)
        return
    with os.fdopen(os.memfd_create("clip"), "w+b", buffering=0) as file:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[file.write(remaining) :]
        yield file


def raise_unless(condition: bool, message: str) -> None:
    """Raise OSError with a message if a condition is False. `open_sound` turns the error into an AudioError with the
    clip's id."""
    if not condition:
        raise OSError(message)


def _format_error(error: soundfile.LibsndfileError) -> str:
    """Return the text of an error of libsndfile, without the full stop."""
    return str(error.error_string).rstrip(".")


def _explain_os_error(error: OSError) -> str:
    """Return the reason for an error of the operating system, in plain words."""
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    return error.strerror or str(error)
