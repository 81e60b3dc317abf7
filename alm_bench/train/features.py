"""Features of clips: log-mels, computed once and cached on disk, and outputs of a frozen encoder, held in memory."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alm_bench.audio import load
from alm_bench.core import AudioError, AudioPolicy, AudioRef
from alm_bench.core.files import hash_json, replace_atomically
from alm_bench.mellow.config import FrontEndConfig
from alm_bench.mellow.encoder import Encoder, EncoderOutput
from alm_bench.mellow.logmel import LogMel

LOGMEL_SETTINGS = ("rate", "seconds", "n_fft", "hop", "mels", "low_hz", "high_hz")
"""Settings of an encoder on which its log-mels depend."""

Progress = Callable[[int], None]
"""Called with the number of clips that are done."""


@dataclass(frozen=True, slots=True)
class LogMels:
    """Log-mels of all clips, memory-mapped."""

    values: npt.NDArray[np.float16]
    """Log-mels, shape (clips, frames, mels)."""

    silent: Tensor
    """Log-mel of a silent clip, (frames, mels)."""

    def __getitem__(self, indices: Sequence[int]) -> Tensor:
        """Return the log-mels of the clips with the indices `indices`, (len(indices), frames, mels) float32."""
        return torch.from_numpy(self.values[np.asarray(indices)].astype(np.float32))


def build_audio_key(ref: AudioRef) -> list[str | int]:
    """Return a key of a clip's audio without decoding it: the path, size and modification time of a file, the
    parameters of a synthesised clip, or the hash of a clip that is stored within a table. The key includes the clip's
    id, on which a random crop depends. Raises AudioError."""
    if ref.content is not None:
        return [ref.id, ref.content]
    if ref.read is not None:
        return [ref.id, hashlib.sha256(ref.read()).hexdigest()]
    try:
        status = ref.path.stat()
    except OSError as error:
        raise AudioError(f"clip {ref.id}: cannot read {ref.path}: {error.strerror}") from error
    return [ref.id, str(ref.path.resolve()), status.st_size, status.st_mtime_ns]


def load_cached_logmels(
    refs: Sequence[AudioRef], config: FrontEndConfig, policy: AudioPolicy, cache: Path, progress: Progress
) -> LogMels:
    """Return the log-mels of `refs`. They are read from the folder `cache` if it has them for the same audio and
    settings, else computed and stored there. Raises AudioError and StoreError.

    Values are stored in half precision. Its rounding error at -100 dB is 0.06 dB, far below the range of a clip's
    decibels.
    """
    front = LogMel(config)
    silent = front(torch.zeros(1, config.samples))[0]
    shape = [getattr(config, name) for name in LOGMEL_SETTINGS]
    path = cache / f"logmel-{hash_json([shape, asdict(policy), [build_audio_key(ref) for ref in refs]])[:16]}.npy"
    if not path.is_file():
        with replace_atomically(path, "ALM_BENCH_CACHE") as partial:
            values = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=(len(refs), *silent.shape))
            for place, logmel in enumerate(_compute_logmels(refs, front, policy)):
                values[place] = logmel
                progress(place + 1)
            values.flush()
    return LogMels(np.load(path, mmap_mode="r"), silent)


def compute_logmel(ref: AudioRef, front: LogMel, policy: AudioPolicy) -> Tensor:
    """Return the log-mel (frames, mels) of one clip. Raises AudioError."""
    with torch.inference_mode():
        logmel: Tensor = front(torch.from_numpy(load(ref, policy).wave)[None])[0]
    return logmel


def _compute_logmels(refs: Sequence[AudioRef], front: LogMel, policy: AudioPolicy) -> Iterator[npt.NDArray[np.float16]]:
    """Yield log-mels in half precision, in order, computed by several threads: decoding, synthesis and the transform
    release Python's interpreter lock. Clips are processed in groups of 256, which bounds the memory."""

    def compute_half_precision_logmel(ref: AudioRef) -> npt.NDArray[np.float16]:
        half: npt.NDArray[np.float16] = compute_logmel(ref, front, policy).numpy().astype(np.float16)
        return half

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(refs), 256):
            yield from pool.map(compute_half_precision_logmel, refs[start : start + 256])


@torch.inference_mode()
def encode_clips(
    encoder: Encoder, logmels: LogMels, count: int, batch: int, autocast: torch.autocast, silent: bool = False
) -> EncoderOutput:
    """Return the outputs of a frozen encoder for the first `count` clips, computed in batches of `batch` clips.

    `silent`: return the output for silence for every clip.
    """
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    parts = []
    if silent:
        with autocast:
            silent_output = encoder.encode(logmels.silent[None].to(device))
        encoder.train(was_training)
        return EncoderOutput(*(part.float().cpu().expand(count, *part.shape[1:]) for part in silent_output))
    for start in range(0, count, batch):
        with autocast:
            encoded = encoder.encode(logmels[range(start, min(start + batch, count))].to(device))
        parts.append((encoded.latent.float().cpu(), encoded.classes.float().cpu()))
    encoder.train(was_training)
    return EncoderOutput(torch.cat([latent for latent, _ in parts]), torch.cat([classes for _, classes in parts]))
