"""Objective `parts`: answers after a chain of parts (XS-CoT, arXiv 2504.20835), which is shortened in the course of
training."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from alm_bench.core import UsageError
from alm_bench.parsing.parts import get_format
from alm_bench.train.batches import Corpus, StageData
from alm_bench.train.config import StageConfig
from alm_bench.train.objectives.answers import Answers
from alm_bench.train.parts_config import PartsConfig
from alm_bench.train.sampler import StepRows


class AnswersInParts(Answers):
    """Cross-entropy of answers in several parts.

    The answer of a row is the whole text in the format of `[stage.parts]`: a chain of reasoning parts, then the answer.
    The first sentences of the chain are shortened to some word groups and an ellipsis (semi-implicit form). The number
    of shortened sentences grows from step to step. Validation uses the chain as it is in the rows.
    """

    name: ClassVar = "parts"
    title: ClassVar = "Cross-entropy of the tokens of answers in several parts, with a chain that gets shorter."

    @classmethod
    def problem(cls, stage: StageConfig) -> str | None:
        """Return the reason why the settings in `[stage.parts]` are invalid, None if they are valid."""
        config = _get_parts_config(stage)
        if config.groups < 1 or config.start < 0 or (config.end and config.end <= config.start):
            return (
                f"parts takes at least 1 group and an end after its start, found groups = {config.groups}, start = "
                f"{config.start}, end = {config.end}"
            )
        try:
            get_format(config.format)
        except UsageError as error:
            return f"parts: {error}"
        return None

    @classmethod
    def rows(cls, corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> StepRows:
        """Return the row numbers of every step. Raises UsageError if an answer does not have all parts in order."""
        form = get_format(_get_parts_config(stage).format)
        for source in corpus.sources:
            for number, row in enumerate(source.rows):
                if (status := form.split_into_parts(row.answer).status) != "ok":
                    raise UsageError(
                        f"training data {source.config.file}: row {number}: its answer is not in the format "
                        f"{form.name} ({status.replace('_', ' ')}), found {row.answer[:60]!r}"
                    )
        return super().rows(corpus, stage, lengths, seed)

    @classmethod
    def build_target_answer(cls, data: StageData, answer: str, step: int) -> str:
        """Return the answer with as many shortened sentences as the step demands."""
        config = _get_parts_config(data.stage)
        form = get_format(config.format)
        texts = form.split_into_parts(answer).texts
        count = round(config.compute_shortened_share(step) * form.count_sentences(texts))
        return form.write_parts(form.shorten_chain(texts, count, config.groups))


def _get_parts_config(stage: StageConfig) -> PartsConfig:
    return stage.parts or PartsConfig()


OBJECTIVES = (AnswersInParts,)
