"""Batches of prompts about one or two clips, and the embeddings that precede their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from alm_bench.core import AudioRef
from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.model import Mellow
from alm_bench.train.batches import StageData
from alm_bench.train.objectives.base import ClipBatch
from alm_bench.train.sources import build_clip_key


@dataclass(slots=True, kw_only=True)
class PromptBatch(ClipBatch):
    """Base class of batches of prompts, with the indices of their clips in the batch."""

    first: Sequence[int]
    """Index of each row's first clip in the batch."""

    second: Sequence[int]
    """Index of each row's second clip in the batch, -1 if the row has one clip."""

    prompts: Sequence[Sequence[int]]
    """Token ids of each prompt."""


def collate_prompts(data: StageData, rows: Sequence[int], step: int, prompts: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a `PromptBatch` for the rows with the numbers `rows`, whose prompts are `prompts`. `step`
    seeds random crops and masks and, in the fixed layout, random second clips."""
    corpus, first, second = data.corpus, [], []
    for number in rows:
        source, index = corpus.locate_row(int(number))
        clips = source.rows[index].clips
        first.append(corpus.clip_indices[build_clip_key(clips[0])])
        second.append(_select_second_clip(data, clips, step, index))
    used = sorted({clip for clip in (*first, *second) if clip >= 0})
    new = {clip: index for index, clip in enumerate(used)} | {-1: -1}
    return {
        "first": [new[clip] for clip in first],
        "second": [new[clip] for clip in second],
        "prompts": [data.protocol.encode_prompt(prompt, data.tokenizer, data.config.prompt) for prompt in prompts],
        **load_clips(data, used, step),
    }


def load_clips(data: StageData, clips: Sequence[int], step: int) -> dict[str, Any]:
    """Return the fields of a `ClipBatch` for the clips with these indices: outputs of a frozen encoder if there are
    any, else log-mels."""
    if data.encoded is not None:
        return {"encoded": EncoderOutput(*(part[list(clips)] for part in data.encoded))}
    return {"logmel": data.load_logmels(clips, step)}


def build_contexts(model: Mellow, batch: PromptBatch) -> list[Tensor]:
    """Return the embeddings that precede the answer of each row, (n, D)."""
    tokens = model.mapper(model.encoder.compute_probabilities(batch.encode(model)))
    second = [None if clip < 0 else tokens[clip] for clip in batch.second]
    return model.build_sequences(tokens[list(batch.first)], second, batch.prompts)


def _select_second_clip(data: StageData, clips: Sequence[AudioRef], step: int, index: int) -> int:
    """Return the index of a row's second clip. If the row has one clip, this is a random clip in the fixed layout, as
    published, and -1 in the compact layout."""
    if len(clips) > 1:
        return data.corpus.clip_indices[build_clip_key(clips[1])]
    if data.config.prompt.layout == "compact":
        return -1
    return int(create_item_generator("second clip", step, index, clips[0].id).integers(len(data.corpus.clips)))
