"""Objective `answers`: answers to prompts about one or two clips. It trains the whole network."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alm_bench.core import AudioRef, Decoding, UsageError
from alm_bench.core.rng import create_item_generator
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.generate import generate
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.config import StageConfig
from alm_bench.train.lora import merge_lora
from alm_bench.train.mixture import sample_mixture
from alm_bench.train.objectives.base import ClipBatch, Objective
from alm_bench.train.sampler import Curriculum, Steps
from alm_bench.train.sources import clip_key

MAX_ANSWER_TOKENS = 250
"""Maximum length of a training answer in tokens, as published."""

MAX_GENERATED_TOKENS = 32
"""Maximum number of tokens of answers that are generated to measure exact matches."""


@dataclass(slots=True, kw_only=True)
class AnswerBatch(ClipBatch):
    """Prompts and answers, with the indices of their clips in the batch."""

    first: Sequence[int]
    """Index of each row's first clip in the batch."""

    second: Sequence[int]
    """Index of each row's second clip in the batch, -1 if the row has one clip."""

    prompts: Sequence[Sequence[int]]
    """Token ids of each prompt."""

    answers: Sequence[Sequence[int]]
    """Token ids of each answer."""

    @property
    def units(self) -> int:
        """Number of answer tokens."""
        return sum(len(answer) for answer in self.answers)


class Answers(Objective):
    """Cross-entropy of the answer tokens, given the clips and the prompt."""

    name: ClassVar = "answers"
    title: ClassVar = "Cross-entropy of the answers' tokens."
    takes_encoded: ClassVar = True
    trains_lora: ClassVar = True

    @classmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> Steps | Curriculum:
        if not any(corpus.sizes):
            raise UsageError(f"stage {stage.name}: its data has tags only, and no rows to answer")
        return sample_mixture(corpus, stage, lengths, seed)

    @classmethod
    def count(cls, corpus: Corpus) -> int:
        return sum(corpus.sizes)

    @classmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> AnswerBatch:
        """Build the batch of some rows. `step` seeds the paraphrases of prompts and, in the fixed layout, random second
        clips."""
        corpus, first, second, prompts, answers = data.corpus, [], [], [], []
        for number in rows:
            source, index = corpus.locate_row(int(number))
            row = source.rows[index]
            prompt, answer = source.paraphrase(index, step)
            first.append(corpus.place[clip_key(row.clips[0])])
            second.append(_select_second_clip(data, row.clips, step, index))
            prompts.append(data.protocol.prompt_ids(prompt, data.tokenizer, data.config.prompt))
            answers.append(_encode_answer(data, cls.write_answer(data, answer, step)))
        used = sorted({clip for clip in (*first, *second) if clip >= 0})
        new = {clip: index for index, clip in enumerate(used)} | {-1: -1}
        batch = AnswerBatch(
            first=[new[clip] for clip in first],
            second=[new[clip] for clip in second],
            prompts=prompts,
            answers=answers,
        )
        if data.encoded is not None:
            batch.encoded = EncoderOutput(*(part[used] for part in data.encoded))
        else:
            batch.logmel = data.load_logmels(used, step)
        return batch

    @classmethod
    def write_answer(cls, data: StageData, answer: str, step: int) -> str:
        """Return a row's answer as it is trained at a step. Default: the answer itself."""
        return answer

    def forward(self, batch: AnswerBatch) -> Tensor:
        loss, _ = self.model.answer_loss(self.sequences(batch), batch.answers)
        return loss

    def sequences(self, batch: AnswerBatch) -> list[Tensor]:
        """Return the embeddings that precede the answer of each row, (n, D)."""
        tokens = self.model.mapper(self.model.encoder.to_probabilities(batch.encode(self.model)))
        second = [None if clip < 0 else tokens[clip] for clip in batch.second]
        return self.model.build_sequences(tokens[list(batch.first)], second, batch.prompts)

    def measure(self, data: StageData, limit: int, autocast: torch.autocast) -> Mapping[str, Any]:
        """Return, for each part of the data, the share of rows whose answer greedy decoding reproduces exactly."""
        corpus, tokenizer = data.corpus, data.tokenizer
        model = merge_lora(self.model).eval()  # the engine requires merged weights
        merged_objective, device = Answers(model), next(model.parameters()).device
        decoding = Decoding(max_new_tokens=MAX_GENERATED_TOKENS)
        matches_by_part: dict[str, list[bool]] = defaultdict(list)
        rows = range(min(limit, sum(corpus.sizes)))
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            batch = self.collate(data, part, 0).to(device)
            with autocast:
                sequences = merged_objective.sequences(batch)
            written = generate(model, sequences, list(map(str, part)), decoding)
            for number, row, answer in zip(part, written, batch.answers, strict=True):
                source, index = corpus.locate_row(number)
                text = tokenizer.decode(row.tokens, skip_special_tokens=True)
                expected = tokenizer.decode(list(answer), skip_special_tokens=True)
                matches_by_part[source.rows[index].subtype].append(text.strip() == expected.strip())
        return {
            "answered": {
                part: round(sum(matches) / len(matches), 4) for part, matches in sorted(matches_by_part.items())
            }
        }


def _select_second_clip(data: StageData, clips: Sequence[AudioRef], step: int, index: int) -> int:
    """Return the index of a row's second clip. If the row has one clip, this is a random clip in the fixed layout, as
    published, and -1 in the compact layout."""
    if len(clips) > 1:
        return data.corpus.place[clip_key(clips[1])]
    if data.config.prompt.layout == "compact":
        return -1
    return int(create_item_generator("second clip", step, index, clips[0].id).integers(len(data.corpus.clips)))


def _encode_answer(data: StageData, text: str) -> list[int]:
    """Return the token ids of an answer, at most `MAX_ANSWER_TOKENS`.

    In the fixed layout, it ends in a token for a space and the stop token; in the compact layout, in the stop token.
    """
    suffix = data.protocol.suffix
    ids = data.tokenizer.encode(text + suffix, add_special_tokens=False).ids
    return (ids if suffix else [*ids, data.config.prompt.stop])[:MAX_ANSWER_TOKENS]


OBJECTIVES = (Answers,)
