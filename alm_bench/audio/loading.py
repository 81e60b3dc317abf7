"""Loading of a clip with the channels, sample rate and length that an adapter's `AudioPolicy` specifies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr  # type: ignore[import-untyped]

from alm_bench.audio.decode import MAX_SAMPLES, ClipReader, Samples, open_sound, raise_unless
from alm_bench.core import AudioError, AudioPolicy, AudioRef, Wave
from alm_bench.core.rng import derive_integer

PreprocessingStep = Literal[
    "ends_early", "mixed_down", "first_channel", "laid_end_to_end", "resampled", "cropped", "repeated", "padded"
]
"""Preprocessing step that changed a clip. `ends_early`: an MP3 file with fewer samples than its header suggests, or an
Ogg stream without its last page. Other formats reveal truncation in their headers, and such clips are refused."""

AT_ONCE = 1 << 25
"""Maximum number of samples of a clip, decoded or resampled, that is loaded in one piece (128 MiB). Larger clips are
decoded block by block."""

_GUARD_SECONDS = 1.0  # decoded after the end of a crop, so that the resampling filter has the samples that follow


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAudio:
    """Audio of a clip as an adapter receives it."""

    wave: Wave
    """Samples, a contiguous array of shape (samples,)."""

    touched: tuple[PreprocessingStep, ...]
    """Preprocessing steps that changed the audio, in the order in which they were applied."""

    seconds: float
    """Duration of the clip in seconds, before cropping or padding."""


def load(ref: AudioRef, policy: AudioPolicy, change: Callable[[Wave], Wave] | None = None) -> LoadedAudio:
    """Load a clip as `policy` specifies: select channels, then resample, then crop or pad to exactly `seconds` (if the
    policy specifies a length).

    `change` is applied to the resampled clip before cropping or padding. For a clip of more than `AT_ONCE` samples, it
    is applied to the cropped part instead, because no more than that part is held in memory.

    The position of a random crop depends on the clip's id alone, so all questions about a clip get the same part of it.
    Raises AudioError as `decode` does, for a clip shorter than `min_seconds`, and if the result would have more than
    `MAX_SAMPLES` samples.
    """
    with open_sound(ref) as sound:
        _check_loaded_size(ref, sound, policy)
        limit = _count_needed_frames(sound, policy)
        large = max(limit, _count_resampled_samples(limit, sound.rate, policy.rate)) * sound.channels > AT_ONCE
        return _load_in_blocks(ref, sound, policy, change) if large else _load_whole(ref, sound, limit, policy, change)


def compute_loaded_duration(ref: AudioRef, policy: AudioPolicy) -> float:
    """Return the duration in seconds of the audio that `load` returns, computed from the file's header alone. Raises
    AudioError."""
    with open_sound(ref) as sound:
        _check_loaded_size(ref, sound, policy)
        own = sound.frames / sound.rate * _count_concatenated_channels(sound, policy)
    if policy.seconds is not None:
        return min(own, policy.seconds) if policy.short == "keep" else policy.seconds
    return own if policy.max_seconds is None else min(own, policy.max_seconds)


def _compute_max_samples(policy: AudioPolicy) -> int | None:
    """Return the maximum number of samples that the policy uses of a clip, or None if it specifies no length."""
    seconds = policy.max_seconds if policy.seconds is None else policy.seconds
    return None if seconds is None else round(seconds * policy.rate)


def _count_concatenated_channels(sound: ClipReader, policy: AudioPolicy) -> int:
    """Return the number of channels that are concatenated in time: all for `end_to_end`, else 1."""
    return sound.channels if policy.channels == "end_to_end" else 1


def _check_loaded_size(ref: AudioRef, sound: ClipReader, policy: AudioPolicy) -> None:
    """Raise AudioError if the loaded audio would have more than `MAX_SAMPLES` samples. Raises OSError if all of a FLAC
    file is needed and it declares no length."""
    if _count_needed_frames(sound, policy) == sound.frames:
        sound.check_length()
    own = _count_resampled_samples(sound.frames, sound.rate, policy.rate) * _count_concatenated_channels(sound, policy)
    longest = _compute_max_samples(policy)
    if min(own, own if longest is None else longest) > MAX_SAMPLES:
        raise AudioError(
            f"clip {ref.id}: {own / policy.rate:,.0f} s would be heard, at most {MAX_SAMPLES // policy.rate:,} s at "
            f"{policy.rate} Hz are possible; give shorter clips, or an adapter that hears a part ({ref.path})"
        )


def _count_needed_frames(sound: ClipReader, policy: AudioPolicy) -> int:
    """Return the number of frames to decode: for a crop from the start its length and a margin, else all."""
    if policy.seconds is None or policy.crop != "first":
        return sound.frames
    return min(sound.frames, int((policy.seconds + _GUARD_SECONDS) * sound.rate))


def _count_resampled_samples(frames: int, source_rate: int, target_rate: int) -> int:
    """Return the number of samples that soxr returns for `frames` samples. `source_rate` and `target_rate` are sample
    rates in Hz."""
    return (2 * frames * target_rate + source_rate) // (2 * source_rate)


def _load_whole(
    ref: AudioRef, sound: ClipReader, limit: int, policy: AudioPolicy, change: Callable[[Wave], Wave] | None
) -> LoadedAudio:
    """Load a clip in one piece, from its first `limit` frames."""
    decoded = sound.read_frames(limit)
    if limit < sound.frames:
        sound.check_end()
    short = decoded.shape[0] < limit
    frames = decoded.shape[0] if short else sound.frames
    seconds = _check_minimum_duration(ref, frames / sound.rate, policy)
    touched: list[PreprocessingStep] = ["ends_early"] if short or sound.unterminated else []
    samples = _select_channels(decoded, policy, touched)
    if sound.rate != policy.rate:
        samples = _resample(ref, samples, sound.rate, policy.rate)
        touched.append("resampled")
    wave = np.ascontiguousarray(samples.T).reshape(-1)  # one channel, or several concatenated in time
    if change is not None:
        wave = change(wave)
    return LoadedAudio(_fit_length(wave, policy, ref.id, touched), tuple(touched), seconds)


def _load_in_blocks(
    ref: AudioRef, sound: ClipReader, policy: AudioPolicy, change: Callable[[Wave], Wave] | None
) -> LoadedAudio:
    """Return the same as `_load_whole`. Memory holds no more than one block and the result."""
    frames = sound.frames
    found = _read_cropped_part(ref, sound, policy, frames)
    if found.frames < frames:  # `frames` was an estimate: the crop depends on the clip's actual length
        frames = found.frames
        del found  # frees its memory before the second read
        sound.file.seek(0)
        found = _read_cropped_part(ref, sound, policy, frames)
    seconds = _check_minimum_duration(ref, frames / sound.rate, policy)
    touched: list[PreprocessingStep] = ["ends_early"] if frames < sound.frames or sound.unterminated else []
    touched += found.touched
    wave = found.wave if change is None else change(found.wave)
    return LoadedAudio(_fit_length(wave, policy, ref.id, touched), tuple(touched), seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _CroppedClip:
    """Cropped samples of a clip that was read block by block."""

    wave: Wave
    """The samples. Invalid if `frames` is smaller than expected."""
    touched: tuple[PreprocessingStep, ...]
    """Preprocessing steps that changed the audio."""
    frames: int
    """Number of frames of the whole clip."""


def _read_cropped_part(ref: AudioRef, sound: ClipReader, policy: AudioPolicy, frames: int) -> _CroppedClip:
    """Read the samples that the policy selects of a clip with `frames` frames."""
    lanes, own = _count_concatenated_channels(sound, policy), _count_resampled_samples(frames, sound.rate, policy.rate)
    longest = _compute_max_samples(policy)
    spare = 0 if longest is None else max(0, lanes * own - longest)
    start = _compute_crop_start(spare, policy, ref.id)
    stop = lanes * own - spare + start
    # For each concatenated channel: the range of its samples that is used, and the start of that range in the wave.
    bounds = [(max(0, start - lane * own), min(own, stop - lane * own)) for lane in range(lanes)]
    used_ranges = [(lane, begin, end) for lane, (begin, end) in enumerate(bounds) if begin < end]
    starts = np.cumsum([0] + [end - begin for _, begin, end in used_ranges])
    last = max((end for _, _, end in used_ranges), default=0)
    wave = np.zeros(starts[-1], np.float32)
    touched: list[PreprocessingStep] = []
    read = resampled_count = 0
    for read, samples in _iterate_resampled_blocks(ref, sound, policy, frames, touched):
        for at, (lane, begin, end) in zip(starts, used_ranges, strict=False):
            piece = samples[max(0, begin - resampled_count) : max(0, end - resampled_count), lane]
            first = at + max(0, resampled_count - begin)
            wave[first : first + piece.size] = piece
        resampled_count += len(samples)
        # The position of a centre or random crop depends on the length; an estimated one is confirmed only at the end.
        if resampled_count >= last and read < frames and (policy.crop == "first" or not sound.has_estimated_length):
            sound.check_end()
            read = frames
            break
    raise_unless(read > 0, "holds no samples")
    raise_unless(
        read < frames or resampled_count >= last,
        f"resampling gives {resampled_count:,} samples where {last:,} are expected",
    )
    if spare:
        touched.append("cropped")
    return _CroppedClip(wave, tuple(touched), read)


def _iterate_resampled_blocks(
    ref: AudioRef, sound: ClipReader, policy: AudioPolicy, frames: int, steps: list[PreprocessingStep]
) -> Iterator[tuple[int, Samples]]:
    """Yield the blocks of a clip after channel selection and resampling, each with the number of frames read so far.
    Joined, the blocks equal the output of `_select_channels` and `_resample` for the whole clip. Preprocessing steps
    that change the audio are appended to `steps`."""
    resampler, read = None, 0
    if sound.rate != policy.rate:
        resampler = _Resampler(ref, sound.rate, policy.rate, _count_concatenated_channels(sound, policy))
    for block in sound.read_blocks(frames, growth=policy.rate / sound.rate):
        samples = _select_channels(block, policy, [] if read else steps)
        if resampler is not None and not read:
            steps.append("resampled")
        read += len(block)
        yield read, samples if resampler is None else resampler.resample(samples, last=read >= frames)


class _Resampler:
    """Resampler of a clip that is passed block by block. The result is the same as if the clip were resampled in one
    piece."""

    def __init__(self, ref: AudioRef, source_rate: int, target_rate: int, channels: int) -> None:
        """Create the resampler. `source_rate` and `target_rate` are sample rates in Hz, `ref` names the clip in
        errors."""
        self._ref, self._source, self._target = ref, source_rate, target_rate
        with _translate_resampling_errors(ref, source_rate, target_rate):
            self._stream = soxr.ResampleStream(source_rate, target_rate, channels, dtype="float32", quality="HQ")

    def resample(self, samples: Samples, last: bool) -> Samples:
        """Resample the next block, shape (frames, channels). `last`: True for the clip's last block."""
        with _translate_resampling_errors(self._ref, self._source, self._target):
            resampled: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return _check_finite(self._ref, resampled)


def _check_minimum_duration(ref: AudioRef, seconds: float, policy: AudioPolicy) -> float:
    """Return `seconds`, the duration of the clip. Raises AudioError if it is below the policy's minimum."""
    if seconds < policy.min_seconds:
        raise AudioError(f"clip {ref.id}: {seconds:.3f} s is too short, at least {policy.min_seconds:g} s are expected")
    return seconds


def _select_channels(samples: Samples, policy: AudioPolicy, steps: list[PreprocessingStep]) -> Samples:
    """Select channels as the policy specifies. Returns shape (frames, channels) for `end_to_end`, else (frames, 1). The
    step is appended to `steps`."""
    if samples.shape[1] == 1:
        return samples
    match policy.channels:
        case "first":
            steps.append("first_channel")
            return samples[:, :1]
        case "end_to_end":
            steps.append("laid_end_to_end")
            return samples
        case "mean_first_two":
            samples = samples[:, :2]
        case "mean":
            pass
    steps.append("mixed_down")
    mixed: Samples = samples.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return mixed


def _resample(ref: AudioRef, samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Resample a whole clip, shape (frames, channels). `source_rate` and `target_rate` are sample rates in Hz. Raises
    AudioError."""
    with _translate_resampling_errors(ref, source_rate, target_rate):
        resampled: Samples = soxr.resample(np.ascontiguousarray(samples), source_rate, target_rate, quality="HQ")
    if not resampled.size:
        raise AudioError(
            f"clip {ref.id}: nothing is left of it at {target_rate} Hz (it has {samples.shape[0]} samples)"
        )
    return _check_finite(ref, resampled)


@contextmanager
def _translate_resampling_errors(ref: AudioRef, source_rate: int, target_rate: int) -> Iterator[None]:
    """Context manager that turns an error of soxr into an AudioError. `source_rate` and `target_rate` are sample rates
    in Hz."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise AudioError(
            f"clip {ref.id}: cannot be resampled from {source_rate} to {target_rate} Hz ({error})"
        ) from error


def _check_finite(ref: AudioRef, resampled: Samples) -> Samples:
    """Return the resampled samples. Raises AudioError if a value is not finite."""
    if not np.isfinite(resampled).all():  # values near the largest float overflow in the filter
        raise AudioError(f"clip {ref.id}: resampling gives values that are not finite (found samples far beyond -1..1)")
    return resampled


def _fit_length(wave: Wave, policy: AudioPolicy, clip: str, steps: list[PreprocessingStep]) -> Wave:
    """Crop the wave to the policy's length. If the policy specifies a fixed length, pad or repeat shorter waves. Steps
    are appended to `steps`."""
    longest = _compute_max_samples(policy)
    if longest is None:
        return wave
    if (spare := wave.size - longest) > 0:
        steps.append("cropped")
        start = _compute_crop_start(spare, policy, clip)
        return wave[start : start + longest].copy()  # a view would keep the whole clip in memory
    if policy.seconds is None or wave.size == longest or policy.short == "keep":
        return wave
    if policy.short == "repeat":
        steps.append("repeated")
        return np.resize(wave, longest)
    steps.append("padded")
    return np.pad(wave, (0, longest - wave.size))


def _compute_crop_start(spare: int, policy: AudioPolicy, clip: str) -> int:
    """Return the index of the first sample of a crop that removes `spare` samples. `clip`: the clip's id, which seeds a
    random crop."""
    starts = {"first": 0, "centre": spare // 2, "random": derive_integer("crop", clip) % (spare + 1)}
    return starts[policy.crop]
