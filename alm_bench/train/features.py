"""Clips as log-mels, computed once and kept on disk, and as a frozen encoder's outputs, kept in memory."""

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
from alm_bench.mellow.config import FrontConfig
from alm_bench.mellow.encoder import Encoder, EncoderOutput
from alm_bench.mellow.logmel import LogMel

FRONT = ("rate", "seconds", "n_fft", "hop", "mels", "low_hz", "high_hz")
"""What of an encoder's configuration its log-mels depend on."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LogMels:
    """Log-mels of all clips."""

    values: npt.NDArray[np.float16]
    """Shape (clips, frames, mels), memory-mapped."""

    silent: Tensor
    """Log-mel of a clip of zeros, (frames, mels)."""

    def __getitem__(self, places: Sequence[int]) -> Tensor:
        """(len(places), frames, mels) float32."""
        return torch.from_numpy(self.values[np.asarray(places)].astype(np.float32))


def clip_content(ref: AudioRef) -> list[str | int]:
    """Return a key of a clip's audio without reading it: path, size and modification time of a file, or the parameters
    of a synthesised clip; with its id, which a random crop depends on. Raises AudioError."""
    if ref.content is not None:
        return [ref.id, ref.content]
    try:
        status = ref.path.stat()
    except OSError as error:
        raise AudioError(f"clip {ref.id}: cannot read {ref.path}: {error.strerror}") from error
    return [ref.id, str(ref.path.resolve()), status.st_size, status.st_mtime_ns]


def cached_logmels(
    refs: Sequence[AudioRef], config: FrontConfig, policy: AudioPolicy, cache: Path, progress: Progress
) -> LogMels:
    """Log-mels of `refs`, from `cache` where those of the same audio are. Raises AudioError, StoreError.

    Half precision keeps 0.06 dB at -100 dB, far below what the decibels of a clip vary by.
    """
    front = LogMel(config)
    silent = front(torch.zeros(1, config.samples))[0]
    shape = [getattr(config, name) for name in FRONT]
    path = cache / f"logmel-{hash_json([shape, asdict(policy), [clip_content(ref) for ref in refs]])[:16]}.npy"
    if not path.is_file():
        with replace_atomically(path, "ALM_BENCH_CACHE") as partial:
            values = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=(len(refs), *silent.shape))
            for place, logmel in enumerate(_halves(refs, front, policy)):
                values[place] = logmel
                progress(place + 1)
            values.flush()
    return LogMels(np.load(path, mmap_mode="r"), silent)


def logmel_of(ref: AudioRef, front: LogMel, policy: AudioPolicy) -> Tensor:
    """(frames, mels) of one clip. Raises AudioError."""
    with torch.inference_mode():
        logmel: Tensor = front(torch.from_numpy(load(ref, policy).wave)[None])[0]
    return logmel


def _halves(refs: Sequence[AudioRef], front: LogMel, policy: AudioPolicy) -> Iterator[npt.NDArray[np.float16]]:
    """Yield features in order, prefetching a bounded number: decoding, synthesis and the transform release the
    interpreter's lock."""

    def one(ref: AudioRef) -> npt.NDArray[np.float16]:
        half: npt.NDArray[np.float16] = logmel_of(ref, front, policy).numpy().astype(np.float16)
        return half

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(refs), 256):
            yield from pool.map(one, refs[start : start + 256])


@torch.inference_mode()
def encode_all(
    encoder: Encoder, logmels: LogMels, count: int, batch: int, autocast: torch.autocast, silent: bool = False
) -> EncoderOutput:
    """The outputs of a frozen encoder for every clip.

    `silent` gives every clip what silence gives.
    """
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    parts = []
    if silent:
        with autocast:
            alone = encoder.encode(logmels.silent[None].to(device))
        encoder.train(was_training)
        return EncoderOutput(*(part.float().cpu().expand(count, *part.shape[1:]) for part in alone))
    for start in range(0, count, batch):
        with autocast:
            encoded = encoder.encode(logmels[range(start, min(start + batch, count))].to(device))
        parts.append((encoded.latent.float().cpu(), encoded.classes.float().cpu()))
    encoder.train(was_training)
    return EncoderOutput(torch.cat([latent for latent, _ in parts]), torch.cat([classes for _, classes in parts]))
