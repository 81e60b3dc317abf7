"""FENSE and its fluency-error rate (Zhou et al., arXiv 2110.04684), and SPIDEr-FL (DCASE 2023)."""

from collections.abc import Sequence

from alm_bench.scoring.encoders import detect_fluency_errors
from alm_bench.scoring.metrics import score_sentences
from alm_bench.scoring.metrics.sbert import score_similarity
from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec

ERROR_THRESHOLD = 0.9
"""Probability above which a caption has a fluency error."""

PENALTY = 0.9
"""Share of its score that a caption with a fluency error loses."""


def classify_fluency_errors(sentences: Sentences, threshold: float = ERROR_THRESHOLD) -> list[float]:
    """Return one value per candidate: 1.0 if the probability of a fluency error exceeds `threshold`, else 0.0."""
    folder = sentences.find_weights("fluency")

    def detect() -> Sequence[float]:
        return [float(value) for value in detect_fluency_errors(folder, sentences.raw_candidates)]

    return [float(value > threshold) for value in sentences.compute_once("fluency", detect)]


def penalise_errors(scores: Sequence[float], errors: Sequence[float], penalty: float = PENALTY) -> CaptionScore:
    """Multiply the score of each candidate with a fluency error by 1 - `penalty`.

    `errors` is 1.0 for candidates with an error, else 0.0.
    """
    return compute_mean_score([score * (1 - penalty * error) for score, error in zip(scores, errors, strict=True)])


METRICS = (
    MetricSpec(
        rank=51,
        name="fense",
        title="FENSE",
        description="Sentence-BERT similarity, reduced by 90 % for captions with a fluency error (arXiv 2110.04684).",
        weights=("sbert", "fluency"),
        compute=lambda sentences: penalise_errors(score_similarity(sentences), classify_fluency_errors(sentences)),
    ),
    MetricSpec(
        rank=52,
        name="fluency_error_rate",
        title="FER",
        description="Share of captions with a fluency error by FENSE's detector (arXiv 2110.04684).",
        higher_is_better=False,
        weights=("fluency",),
        compute=lambda sentences: compute_mean_score(classify_fluency_errors(sentences)),
    ),
    MetricSpec(
        rank=53,
        name="spider_fl",
        title="SPIDEr-FL",
        description="SPIDEr, reduced by 90 % for captions with a fluency error (DCASE 2023).",
        is_fraction=False,
        weights=("fluency",),
        compute=lambda sentences: penalise_errors(
            score_sentences("spider", sentences).items, classify_fluency_errors(sentences)
        ),
    ),
)
