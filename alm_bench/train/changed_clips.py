"""Clips that replace the clips of a question: noise, silence, or other clips of the data."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.logmel import LogMel
from alm_bench.train.batches import StageData

NOISE_LEVELS = (-40.0, -10.0)
"""Range of the root mean square of the noise, in dB relative to full scale."""


def load_changed_clips(
    data: StageData, kind: Literal["noise", "silence", "other"], rows: Sequence[int], second: Sequence[int], step: int
) -> dict[str, Any]:
    """Return the clips that replace the clips of some rows, as fields of a `GrpoBatch`: `changed_logmel` or
    `changed_encoded`, `changed_first` and `changed_second`.

    For `noise`, all rows of a step share one clip of white Gaussian noise at a random level. For `other`, each clip is
    replaced by a random clip of the data, which may by chance be the same clip. `rows`: row numbers. `second`: index of
    each row's second clip, -1 for rows without one. `step` seeds the noise and the random clips.
    """
    has_second = [clip >= 0 for clip in second]
    if kind != "other":
        logmel = data.corpus.logmels.silent if kind == "silence" else _compute_noise_logmel(data, step)
        return {
            "changed_logmel": logmel[None],
            "changed_first": [0] * len(rows),
            "changed_second": [0 if both else -1 for both in has_second],
        }
    clips: list[int] = []
    indices = []
    for row, both in zip(rows, has_second, strict=True):
        generator = create_item_generator("other clip", step, row)
        picked = [int(clip) for clip in generator.integers(len(data.corpus.clips), size=1 + both)]
        indices.append((len(clips), len(clips) + 1 if both else -1))
        clips += picked
    first, other = (list(each) for each in zip(*indices, strict=True))
    found: dict[str, Any] = {"changed_first": first, "changed_second": other}
    if data.encoded is None:
        return {**found, "changed_logmel": data.load_logmels(clips, step)}
    return {**found, "changed_encoded": EncoderOutput(*(part[clips] for part in data.encoded))}


def _compute_noise_logmel(data: StageData, step: int) -> torch.Tensor:
    """Return the log-mel (frames, mels) of white noise at a random level. `step` seeds the noise and the level."""
    generator = create_item_generator("noise clip", step)
    level = 10 ** (generator.uniform(*NOISE_LEVELS) / 20)
    wave = (level * generator.standard_normal(data.config.encoder.samples)).astype(np.float32)
    with torch.inference_mode():
        logmel: torch.Tensor = LogMel(data.config.encoder)(torch.from_numpy(wave)[None])[0]
    return logmel.clone()
