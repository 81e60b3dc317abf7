"""ROUGE-L (Lin, 2004)."""

from collections.abc import Sequence

from alm_bench.scoring.metrics.sentences import CaptionScore, References, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec


def compute_rouge_l(candidates: Sequence[str], references: References) -> CaptionScore:
    """Return the F-score of the longest common subsequence with beta 1.2, as pycocoevalcap computes it.

    Precision and recall are each the best over the references.
    """
    from pycocoevalcap.rouge.rouge import Rouge

    known = {number: list(each) for number, each in enumerate(references)}
    _, items = Rouge().compute_score(known, {number: [text] for number, text in enumerate(candidates)})
    return compute_mean_score(items)


def _compute(sentences: Sentences) -> CaptionScore:
    """Compute ROUGE-L from tokenised sentences."""
    return compute_rouge_l(sentences.candidates, sentences.references)


METRICS = (
    MetricSpec(
        rank=44,
        name="rouge_l",
        title="ROUGE-L",
        description="ROUGE-L (Lin, 2004), beta 1.2.",
        by_default=True,
        preference=3,
        compute=_compute,
    ),
)
