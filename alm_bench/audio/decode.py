"""Decode a clip by its content and bring it into the form that an adapter's `AudioPolicy` asks for."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr  # type: ignore[import-untyped]

from alm_bench.audio.ops import stable_int
from alm_bench.core import AudioError, AudioPolicy, AudioRef, Wave

Samples = npt.NDArray[np.float32]
"""Decoded samples, shape (frames, channels), in -1..1 for integer formats."""

Touch = Literal[
    "ends_early", "mixed_down", "first_channel", "laid_end_to_end", "resampled", "cropped", "repeated", "padded"
]
"""What happened to a clip on its way. `ends_early`: the file holds fewer samples than its header announces."""

_GUARD_SECONDS = 1.0  # decoded beyond a crop from the start, so that the resampling filter sees what follows it
_RATES = range(1_000, 1_000_001)  # a damaged header that says 1 Hz would ask for more memory than there is
_BLOCK = 1 << 20  # samples a read


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """`wave` is contiguous; `touched` is in the order of the steps; `seconds` is the clip's own duration."""

    wave: Wave
    touched: tuple[Touch, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Sound:
    samples: Samples
    rate: int
    frames: int  # of the whole clip, which may be more than was decoded
    ends_early: bool


def decode(ref: AudioRef) -> tuple[Samples, int]:
    """All samples, (frames, channels), and the rate in Hz.

    Whatever libsndfile reads: the format is told from the content, never from the file's suffix.
    Raises AudioError for a clip that is missing, unreadable, empty or holds values that are not finite.
    """
    sound = _read(ref, None)
    return sound.samples, sound.rate


def load(ref: AudioRef, policy: AudioPolicy, change: Callable[[Wave], Wave] | None = None) -> Loaded:
    """The clip as `policy` wants it: channels, then rate, then exactly `seconds` (where the policy names a length).

    `change` is done to the clip before it is brought to that length.

    A random crop starts where the clip's id says, so every question about a clip hears the same part of it.
    Raises AudioError as `decode` does, and for a clip below `min_seconds`.
    """
    from_start = policy.seconds is not None and policy.crop == "first"
    sound = _read(ref, policy.seconds if from_start else None)
    seconds = sound.frames / sound.rate
    if seconds < policy.min_seconds:
        raise AudioError(f"clip {ref.id}: {seconds:.3f} s is too short, at least {policy.min_seconds:g} s are expected")
    touched: list[Touch] = ["ends_early"] if sound.ends_early else []
    samples = _select(sound.samples, policy, touched)
    if sound.rate != policy.rate:
        samples = _resample(ref, samples, sound.rate, policy.rate)
        touched.append("resampled")
    wave = np.ascontiguousarray(samples.T).reshape(-1)  # one channel, or several laid end to end
    if change is not None:
        wave = change(wave)
    if policy.seconds is not None:
        wave = _fit(wave, round(policy.seconds * policy.rate), policy, ref.id, touched)
    elif policy.max_seconds is not None:
        wave = _crop(wave, round(policy.max_seconds * policy.rate), policy, ref.id, touched)
    return Loaded(wave, tuple(touched), seconds)


def seconds_heard(ref: AudioRef, policy: AudioPolicy) -> float:
    """How long the wave is that `load` gives, by the file's header alone: no sample is decoded. Raises AudioError."""
    with _told(ref), _opened(ref) as file:
        own: float = file.frames / _rate(file)
        own *= file.channels if policy.channels == "end_to_end" else 1
    if policy.seconds is not None:
        return min(own, policy.seconds) if policy.short == "keep" else policy.seconds
    return own if policy.max_seconds is None else min(own, policy.max_seconds)


def _select(samples: Samples, policy: AudioPolicy, touched: list[Touch]) -> Samples:
    """Shape (frames, 1), or (frames, channels) for `end_to_end`."""
    if samples.shape[1] == 1:
        return samples
    match policy.channels:
        case "first":
            touched.append("first_channel")
            return samples[:, :1]
        case "end_to_end":
            touched.append("laid_end_to_end")
            return samples
        case "mean_first_two":
            samples = samples[:, :2]
        case "mean":
            pass
    touched.append("mixed_down")
    mixed: Samples = samples.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return mixed


def _resample(ref: AudioRef, samples: Samples, source: int, target: int) -> Samples:
    try:
        resampled: Samples = soxr.resample(np.ascontiguousarray(samples), source, target, quality="HQ")
    except (RuntimeError, ValueError) as error:
        raise AudioError(f"clip {ref.id}: cannot be resampled from {source} to {target} Hz ({error})") from error
    if not resampled.size:
        raise AudioError(f"clip {ref.id}: nothing is left of it at {target} Hz (it has {samples.shape[0]} samples)")
    if not np.isfinite(resampled).all():  # values near the largest float overflow in the filter
        raise AudioError(f"clip {ref.id}: resampling gives values that are not finite (found samples far beyond -1..1)")
    return resampled


def _fit(wave: Wave, target: int, policy: AudioPolicy, clip: str, touched: list[Touch]) -> Wave:
    wave = _crop(wave, target, policy, clip, touched)
    if wave.size == target or policy.short == "keep":
        return wave
    if policy.short == "repeat":
        touched.append("repeated")
        return np.resize(wave, target)
    touched.append("padded")
    return np.pad(wave, (0, target - wave.size))


def _crop(wave: Wave, longest: int, policy: AudioPolicy, clip: str, touched: list[Touch]) -> Wave:
    spare = wave.size - longest
    if spare <= 0:
        return wave
    touched.append("cropped")
    starts = {"first": 0, "centre": spare // 2, "random": stable_int("crop", clip) % (spare + 1)}
    start = starts[policy.crop]
    return wave[start : start + longest].copy()  # a view would keep the whole clip in memory


def _read(ref: AudioRef, seconds: float | None) -> _Sound:
    """Decode everything, or no more than a crop of `seconds` from the start needs."""
    with _told(ref), _opened(ref) as file:
        frames, rate = file.frames, _rate(file)
        limit = frames if seconds is None else min(frames, int((seconds + _GUARD_SECONDS) * rate))
        samples = _blocks(file, limit)
    if not samples.shape[0]:
        raise AudioError(f"clip {ref.id}: holds no samples ({ref.path})")
    if not np.isfinite(samples).all():
        raise AudioError(f"clip {ref.id}: holds values that are not finite (NaN or infinity) ({ref.path})")
    ends_early = samples.shape[0] < limit
    return _Sound(samples, rate, samples.shape[0] if ends_early else frames, ends_early)


@contextmanager
def _told(ref: AudioRef) -> Iterator[None]:
    """What the system and libsndfile say of a clip, as one line."""
    try:
        yield
    except OSError as error:
        raise AudioError(f"clip {ref.id}: {_reason(error)} ({ref.path})") from error
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"clip {ref.id}: cannot be decoded, libsndfile says {error.error_string.rstrip('.')!r}; "
            f"expected wav, flac, ogg, mp3 or another format that it reads ({ref.path})"
        ) from error


@contextmanager
def _opened(ref: AudioRef) -> Iterator[Any]:
    """A `soundfile.SoundFile` on the clip's bytes, without a file name that could hint at another format."""
    if ref.read is not None:
        data = ref.read()
        _expect(len(data) > 0, "is empty (0 bytes)")
        with _in_memory(data) as file, soundfile.SoundFile(file, closefd=False) as sound:
            yield sound
        return
    _expect("\0" not in str(ref.path), "the file's name holds a zero byte")
    status = ref.path.stat()
    _expect(not stat.S_ISDIR(status.st_mode), "is a folder")
    _expect(stat.S_ISREG(status.st_mode), "is not a regular file")  # opening a pipe would wait for ever
    _expect(status.st_size > 0, "is empty (0 bytes)")
    with ref.path.open("rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
        yield sound


@contextmanager
def _in_memory(data: bytes) -> Iterator[Any]:
    """What libsndfile reads `data` from: on Linux the number of a file without a name, which it reads by itself;
    elsewhere an object that it calls back for every block, where the threads that decode wait for one another."""
    if not hasattr(os, "memfd_create"):
        yield io.BytesIO(data)
        return
    with os.fdopen(os.memfd_create("clip"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _rate(file: Any) -> int:
    rate: int = file.samplerate
    _expect(rate in _RATES, f"has a sample rate of {rate} Hz in its header, {_RATES.start} or more is expected")
    return rate


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OSError(otherwise)


def _blocks(file: Any, limit: int) -> Samples:
    """Read by blocks: a header that announces more than there is must not decide how much memory is taken."""
    size = max(1, _BLOCK // file.channels)
    blocks: list[Samples] = []
    while limit > 0:
        block = file.read(min(size, limit), dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block)
        limit -= len(block)
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate(blocks) if blocks else np.zeros((0, file.channels), np.float32)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    return error.strerror or str(error)
