"""Bring a clip into the form that an adapter's `AudioPolicy` asks for: channels, rate, length."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr  # type: ignore[import-untyped]

from alm_bench.audio.decode import MOST_SAMPLES, Samples, Sound, expect, open_sound
from alm_bench.core import AudioError, AudioPolicy, AudioRef, Wave
from alm_bench.core.rng import stable_int

Touch = Literal[
    "ends_early", "mixed_down", "first_channel", "laid_end_to_end", "resampled", "cropped", "repeated", "padded"
]
"""What happened to a clip on its way. `ends_early`: an MP3 of fewer samples than were estimated from its header, or an
Ogg stream that lacks its last page; other formats tell that they are cut off, and such clips are refused."""

AT_ONCE = 1 << 25
"""A clip of more samples than this, as decoded or as resampled, is decoded block by block: 128 MiB."""

_GUARD_SECONDS = 1.0  # decoded beyond a crop from the start, so that the resampling filter sees what follows it


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAudio:
    """Audio as an adapter receives it."""

    wave: Wave
    """Samples, contiguous."""

    touched: tuple[Touch, ...]
    """Preprocessing steps that changed the audio, in the order in which they were applied."""

    seconds: float
    """Duration of the clip itself, before cropping or padding."""


def load(ref: AudioRef, policy: AudioPolicy, change: Callable[[Wave], Wave] | None = None) -> LoadedAudio:
    """Load a clip as `policy` specifies: channels, then rate, then exactly `seconds` (where the policy names a length).

    `change` is done to the clip before it is brought to that length; to the part that is heard alone where the whole
    clip is more than `AT_ONCE` samples, of which no more than that part is held in memory.

    A random crop starts where the clip's id says, so every question about a clip hears the same part of it.
    Raises AudioError as `decode` does, for a clip below `min_seconds`, and for one of which more than `MOST_SAMPLES`
    samples would be heard.
    """
    with open_sound(ref) as sound:
        _check_heard(ref, sound, policy)
        limit = _frames_needed(sound, policy)
        large = max(limit, _count_resampled(limit, sound.rate, policy.rate)) * sound.channels > AT_ONCE
        return _load_parts(ref, sound, policy, change) if large else _load_whole(ref, sound, limit, policy, change)


def seconds_heard(ref: AudioRef, policy: AudioPolicy) -> float:
    """Return the duration in seconds of what `load` returns, from the file's header alone. Raises AudioError."""
    with open_sound(ref) as sound:
        _check_heard(ref, sound, policy)
        own = sound.frames / sound.rate * _lanes(sound, policy)
    if policy.seconds is not None:
        return min(own, policy.seconds) if policy.short == "keep" else policy.seconds
    return own if policy.max_seconds is None else min(own, policy.max_seconds)


def _longest(policy: AudioPolicy) -> int | None:
    """Return the maximum number of samples used of a clip, None where the policy names no length."""
    seconds = policy.max_seconds if policy.seconds is None else policy.seconds
    return None if seconds is None else round(seconds * policy.rate)


def _lanes(sound: Sound, policy: AudioPolicy) -> int:
    """Return the number of channels that are concatenated in time."""
    return sound.channels if policy.channels == "end_to_end" else 1


def _check_heard(ref: AudioRef, sound: Sound, policy: AudioPolicy) -> None:
    if _frames_needed(sound, policy) == sound.frames:
        sound.check_length()
    own = _count_resampled(sound.frames, sound.rate, policy.rate) * _lanes(sound, policy)
    longest = _longest(policy)
    if min(own, own if longest is None else longest) > MOST_SAMPLES:
        raise AudioError(
            f"clip {ref.id}: {own / policy.rate:,.0f} s would be heard, at most {MOST_SAMPLES // policy.rate:,} s at "
            f"{policy.rate} Hz are possible; give shorter clips, or an adapter that hears a part ({ref.path})"
        )


def _frames_needed(sound: Sound, policy: AudioPolicy) -> int:
    """Return the number of frames to decode: all, or what a crop from the start needs."""
    if policy.seconds is None or policy.crop != "first":
        return sound.frames
    return min(sound.frames, int((policy.seconds + _GUARD_SECONDS) * sound.rate))


def _count_resampled(frames: int, source: int, target: int) -> int:
    """Return the number of samples that soxr makes of `frames`."""
    return (2 * frames * target + source) // (2 * source)


def _load_whole(
    ref: AudioRef, sound: Sound, limit: int, policy: AudioPolicy, change: Callable[[Wave], Wave] | None
) -> LoadedAudio:
    decoded = sound.read(limit)
    if limit < sound.frames:
        sound.check_end()
    short = decoded.shape[0] < limit
    frames = decoded.shape[0] if short else sound.frames
    seconds = _check_seconds(ref, frames / sound.rate, policy)
    touched: list[Touch] = ["ends_early"] if short or sound.unterminated else []
    samples = _select(decoded, policy, touched)
    if sound.rate != policy.rate:
        samples = _resample(ref, samples, sound.rate, policy.rate)
        touched.append("resampled")
    wave = np.ascontiguousarray(samples.T).reshape(-1)  # one channel, or several laid end to end
    if change is not None:
        wave = change(wave)
    return LoadedAudio(_fit(wave, policy, ref.id, touched), tuple(touched), seconds)


def _load_parts(ref: AudioRef, sound: Sound, policy: AudioPolicy, change: Callable[[Wave], Wave] | None) -> LoadedAudio:
    """Return the same as `_load_whole`, with no more in memory than a block and the result."""
    frames = sound.frames
    found = _read_part(ref, sound, policy, frames)
    if found.frames < frames:  # an estimate: what is heard depends on how long the clip is
        frames = found.frames
        del found  # before as much is read again
        sound.file.seek(0)
        found = _read_part(ref, sound, policy, frames)
    seconds = _check_seconds(ref, frames / sound.rate, policy)
    touched: list[Touch] = ["ends_early"] if frames < sound.frames or sound.unterminated else []
    touched += found.touched
    wave = found.wave if change is None else change(found.wave)
    return LoadedAudio(_fit(wave, policy, ref.id, touched), tuple(touched), seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """`frames`: of the whole clip; where they are fewer than expected, `wave` is not to be used."""

    wave: Wave
    touched: tuple[Touch, ...]
    frames: int


def _read_part(ref: AudioRef, sound: Sound, policy: AudioPolicy, frames: int) -> _Part:
    """Return the samples that the policy keeps of a clip of `frames`."""
    lanes, own = _lanes(sound, policy), _count_resampled(frames, sound.rate, policy.rate)
    longest = _longest(policy)
    spare = 0 if longest is None else max(0, lanes * own - longest)
    start = _crop_start(spare, policy, ref.id)
    stop = lanes * own - spare + start
    # Of each channel, as they lie end to end: from where to where it is kept, and where that begins in the wave.
    bounds = [(max(0, start - lane * own), min(own, stop - lane * own)) for lane in range(lanes)]
    kept = [(lane, begin, end) for lane, (begin, end) in enumerate(bounds) if begin < end]
    starts = np.cumsum([0] + [end - begin for _, begin, end in kept])
    last = max((end for _, _, end in kept), default=0)
    wave = np.zeros(starts[-1], np.float32)
    touched: list[Touch] = []
    read = made = 0
    for read, samples in _resampled_blocks(ref, sound, policy, frames, touched):
        for at, (lane, begin, end) in zip(starts, kept, strict=False):
            piece = samples[max(0, begin - made) : max(0, end - made), lane]
            first = at + max(0, made - begin)
            wave[first : first + piece.size] = piece
        made += len(samples)
        # A centre or random part depends on the length, of which an estimate is known to hold at the end only.
        if made >= last and read < frames and (policy.crop == "first" or not sound.is_estimated):
            sound.check_end()
            read = frames
            break
    expect(read > 0, "holds no samples")
    expect(read < frames or made >= last, f"resampling gives {made:,} samples where {last:,} are expected")
    if spare:
        touched.append("cropped")
    return _Part(wave, tuple(touched), read)


def _resampled_blocks(
    ref: AudioRef, sound: Sound, policy: AudioPolicy, frames: int, touched: list[Touch]
) -> Iterator[tuple[int, Samples]]:
    """Yield blocks as `_select` and `_resample` make the whole clip, each with the number of frames that were read so
    far."""
    resampler, read = None, 0
    if sound.rate != policy.rate:
        resampler = _Resampler(ref, sound.rate, policy.rate, _lanes(sound, policy))
    for block in sound.blocks(frames, growth=policy.rate / sound.rate):
        samples = _select(block, policy, [] if read else touched)
        if resampler is not None and not read:
            touched.append("resampled")
        read += len(block)
        yield read, samples if resampler is None else resampler.resample(samples, last=read >= frames)


class _Resampler:
    """Resample a clip that comes in blocks, to the same samples as if it came at once."""

    def __init__(self, ref: AudioRef, source: int, target: int, channels: int) -> None:
        self._ref, self._source, self._target = ref, source, target
        with _resampling(ref, source, target):
            self._stream = soxr.ResampleStream(source, target, channels, dtype="float32", quality="HQ")

    def resample(self, samples: Samples, last: bool) -> Samples:
        with _resampling(self._ref, self._source, self._target):
            resampled: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return _check_finite(self._ref, resampled)


def _check_seconds(ref: AudioRef, seconds: float, policy: AudioPolicy) -> float:
    if seconds < policy.min_seconds:
        raise AudioError(f"clip {ref.id}: {seconds:.3f} s is too short, at least {policy.min_seconds:g} s are expected")
    return seconds


def _select(samples: Samples, policy: AudioPolicy, touched: list[Touch]) -> Samples:
    """Select channels: shape (frames, 1), or (frames, channels) for `end_to_end`."""
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
    with _resampling(ref, source, target):
        resampled: Samples = soxr.resample(np.ascontiguousarray(samples), source, target, quality="HQ")
    if not resampled.size:
        raise AudioError(f"clip {ref.id}: nothing is left of it at {target} Hz (it has {samples.shape[0]} samples)")
    return _check_finite(ref, resampled)


@contextmanager
def _resampling(ref: AudioRef, source: int, target: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise AudioError(f"clip {ref.id}: cannot be resampled from {source} to {target} Hz ({error})") from error


def _check_finite(ref: AudioRef, resampled: Samples) -> Samples:
    if not np.isfinite(resampled).all():  # values near the largest float overflow in the filter
        raise AudioError(f"clip {ref.id}: resampling gives values that are not finite (found samples far beyond -1..1)")
    return resampled


def _fit(wave: Wave, policy: AudioPolicy, clip: str, touched: list[Touch]) -> Wave:
    """Crop to the policy's length and, where it is a fixed one, fill up to it."""
    longest = _longest(policy)
    if longest is None:
        return wave
    if (spare := wave.size - longest) > 0:
        touched.append("cropped")
        start = _crop_start(spare, policy, clip)
        return wave[start : start + longest].copy()  # a view would keep the whole clip in memory
    if policy.seconds is None or wave.size == longest or policy.short == "keep":
        return wave
    if policy.short == "repeat":
        touched.append("repeated")
        return np.resize(wave, longest)
    touched.append("padded")
    return np.pad(wave, (0, longest - wave.size))


def _crop_start(spare: int, policy: AudioPolicy, clip: str) -> int:
    """Return the first sample of a crop that leaves out `spare` samples."""
    starts = {"first": 0, "centre": spare // 2, "random": stable_int("crop", clip) % (spare + 1)}
    return starts[policy.crop]
