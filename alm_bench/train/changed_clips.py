"""Clips that replace the clips of a question: noise, silence, or other clips of the data."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from alm_bench.core import UsageError
from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.logmel import LogMel
from alm_bench.train.batches import StageData
from alm_bench.train.sources import build_clip_key

NOISE_LEVELS = (-40.0, -10.0)
"""Range of the root mean square of the noise, in dB relative to full scale."""


def load_changed_clips(
    data: StageData,
    kind: Literal["noise", "silence", "other"],
    rows: Sequence[int],
    second_clips: Sequence[int],
    step: int,
) -> dict[str, Any]:
    """Return the clips that replace the clips of some rows, as fields of a `GrpoBatch`: `changed_logmel` or
    `changed_encoded`, `changed_first` and `changed_second`.

    For `noise`, all rows of a step share one clip of white Gaussian noise at a random level. For `other`, each clip is
    replaced by a random clip of the data, never by one of the row's own. `rows`: row numbers. `second_clips`: index of
    each row's second clip, -1 for rows without one. `step` seeds the noise and the random clips. Raises UsageError if
    the data has no other clips.
    """
    has_second = [clip >= 0 for clip in second_clips]
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
        generator, own = create_item_generator("other clip", step, row), _find_own_clips(data, row)
        picked = [_draw_other_clip(generator, len(data.corpus.clips), own) for _ in range(1 + both)]
        indices.append((len(clips), len(clips) + 1 if both else -1))
        clips += picked
    changed_first, changed_second = (list(each) for each in zip(*indices, strict=True))
    found: dict[str, Any] = {"changed_first": changed_first, "changed_second": changed_second}
    if data.encoded is None:
        return {**found, "changed_logmel": data.load_logmels(clips, step)}
    return {**found, "changed_encoded": EncoderOutput(*(part[clips] for part in data.encoded))}


def _find_own_clips(data: StageData, row: int) -> list[int]:
    """Return the indices of a row's own clips in the data, in ascending order."""
    source, index = data.corpus.locate_row(row)
    return sorted({data.corpus.clip_indices[build_clip_key(ref)] for ref in source.rows[index].clips})


def _draw_other_clip(generator: np.random.Generator, count: int, own: Sequence[int]) -> int:
    """Return a random index below `count` that is not in `own`, which is in ascending order."""
    if count <= len(own):
        raise UsageError(f"grounded.clip other: the data has {count} clips, expected more than a question's own")
    drawn = int(generator.integers(count - len(own)))
    for index in own:  # of the other indices, in ascending order, the one with the number `drawn`
        drawn += drawn >= index
    return drawn


def _compute_noise_logmel(data: StageData, step: int) -> torch.Tensor:
    """Return the log-mel (frames, mels) of white noise at a random level. `step` seeds the noise and the level."""
    generator = create_item_generator("noise clip", step)
    level = 10 ** (generator.uniform(*NOISE_LEVELS) / 20)
    wave = (level * generator.standard_normal(data.config.encoder.samples)).astype(np.float32)
    with torch.inference_mode():
        logmel: torch.Tensor = LogMel(data.config.encoder)(torch.from_numpy(wave)[None])[0]
    return logmel.clone()
