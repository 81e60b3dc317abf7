"""Objective `answers`: answers to prompts about one or two clips. It trains the whole network."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alm_bench.core import Decoding, UsageError
from alm_bench.mellow.generate import generate
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.config import StageConfig
from alm_bench.train.lora import merge_lora
from alm_bench.train.mixture import sample_mixture
from alm_bench.train.objectives.base import Objective
from alm_bench.train.prompts import PromptBatch, build_contexts, collate_prompts
from alm_bench.train.sampler import StepRows

MAX_ANSWER_TOKENS = 250
"""Maximum length of a training answer in tokens, as published."""

MAX_GENERATED_TOKENS = 32
"""Maximum number of tokens of answers that are generated to measure exact matches."""


@dataclass(slots=True, kw_only=True)
class AnswerBatch(PromptBatch):
    """Prompts with the answers that are learned."""

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
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> StepRows:
        """Return the row numbers of every step, sampled by the stage's `mix` or ordered by difficulty."""
        if not any(corpus.sizes):
            raise UsageError(f"stage {stage.name}: its data has tags only, and no rows to answer")
        return sample_mixture(corpus, stage, lengths, seed)

    @classmethod
    def count(cls, corpus: Corpus) -> int:
        """Return the number of training rows of all sources."""
        return sum(corpus.sizes)

    @classmethod
    def collate(cls, data: StageData, rows: Sequence[int], step: int) -> AnswerBatch:
        """Build the batch of some rows. `step` seeds the paraphrases of prompts and, in the fixed layout, random second
        clips."""
        texts = [source.paraphrase_row(index, step) for source, index in map(data.corpus.locate_row, rows)]
        return AnswerBatch(
            **collate_prompts(data, rows, step, [prompt for prompt, _ in texts]),
            answers=[_encode_answer(data, cls.build_target_answer(data, answer, step)) for _, answer in texts],
        )

    @classmethod
    def build_target_answer(cls, data: StageData, answer: str, step: int) -> str:
        """Return a row's answer as it is trained at a step. Default: the answer itself."""
        return answer

    def forward(self, batch: AnswerBatch) -> Tensor:
        loss, _ = self.model.compute_answer_loss(self.build_answer_contexts(batch), batch.answers)
        return loss

    def build_answer_contexts(self, batch: AnswerBatch) -> list[Tensor]:
        """Return the embeddings that precede the answer of each row, (n, D)."""
        return build_contexts(self.model, batch)

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
                sequences = merged_objective.build_answer_contexts(batch)
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


def _encode_answer(data: StageData, text: str) -> list[int]:
    """Return the token ids of an answer, at most `MAX_ANSWER_TOKENS`.

    In the fixed layout, it ends in a token for a space and the stop token; in the compact layout, in the stop token.
    """
    suffix = data.protocol.suffix
    ids = data.tokenizer.encode(text + suffix, add_special_tokens=False).ids
    return (ids if suffix else [*ids, data.config.prompt.stop])[:MAX_ANSWER_TOKENS]


OBJECTIVES = (Answers,)
