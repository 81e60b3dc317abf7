"""Reward of captions and other sentences by their similarity to the references."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from alm_bench.core.errors import UsageError
from alm_bench.parsing.text import normalise_text, split_words
from alm_bench.train.rewards.base import Question, Reward

SBERT = "sbert_similarity"
"""Name of the metric whose weights the metric `sbert` uses."""


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """Options of the reward `caption`."""

    metric: Literal["cider", "sbert"] = "cider"
    """Metric: `cider` (CIDEr-D, times 10, with document frequencies of the stage's references; words are separated at
    spaces and punctuation, which needs no Java), or `sbert` (mean cosine of Sentence-BERT embeddings to the references,
    which needs weights)."""


class Caption(Reward):
    """Similarity of a text to the reference captions, by the metric that the option `metric` names."""

    name: ClassVar = "caption"
    title: ClassVar = "CIDEr-D (0 to 10) or SBERT similarity (-1 to 1) to the references."
    version: ClassVar = 1
    Options: ClassVar = CaptionOptions

    def __init__(self, options: CaptionOptions) -> None:
        self.options = options
        self._frequencies: Any = None

    def prepare(self, questions: Sequence[Question]) -> None:
        if self.options.metric == "sbert":
            from alm_bench.scoring.weights import find_weights

            find_weights(SBERT, "sbert")  # missing weights are an error before the first step
            return
        scorer = _create_scorer()
        for question in questions:
            scorer += (None, [_separate_words(reference) for reference in question.all_references])
        scorer.compute_doc_freq()
        if len(questions) < 2:
            raise UsageError(f"the reward caption with cider needs at least 2 questions, found {len(questions)}")
        self._frequencies = scorer.document_frequency, float(np.log(len(questions)))

    def compute(self, question: Question, answers: Sequence[str]) -> list[float]:
        references = question.all_references
        if self.options.metric == "sbert":
            return self._compute_sbert(references, answers)
        if self._frequencies is None:
            raise UsageError("the reward caption needs prepare(questions) for the document frequencies of cider")
        scorer = _create_scorer()
        words = [_separate_words(reference) for reference in references]
        for answer in answers:
            scorer += (_separate_words(answer), words)
        scorer.document_frequency, scorer.ref_len = self._frequencies
        return [float(value) for value in scorer.compute_cider()]

    @staticmethod
    def _compute_sbert(references: Sequence[str], answers: Sequence[str]) -> list[float]:
        """Return the mean cosine of each answer to the references."""
        from alm_bench.scoring.encoders import embed_sentences
        from alm_bench.scoring.metrics.sbert import compute_similarities
        from alm_bench.scoring.weights import find_weights

        repeated = [list(references) for _ in answers]
        texts = [*answers, *(text for each in repeated for text in each)]
        return compute_similarities(embed_sentences(find_weights(SBERT, "sbert"), texts), repeated)


def _create_scorer() -> Any:
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    return CiderScorer()


def _separate_words(text: str) -> str:
    """Return the words of a text in lower case, separated by single spaces."""
    return " ".join(split_words(normalise_text(text)))


REWARDS = (Caption,)
