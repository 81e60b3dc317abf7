"""BERTScore (Zhang et al., arXiv 1904.09675)."""

from alm_bench.scoring.encoders import compute_bertscore
from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec


def _compute(sentences: Sentences) -> CaptionScore:
    folder = sentences.find_weights("bert")
    return compute_mean_score(compute_bertscore(folder, sentences.raw_candidates, sentences.raw_references))


METRICS = (
    MetricSpec(
        rank=54,
        name="bertscore",
        title="BERTScore",
        description="F1 of matched token embeddings, best reference, no idf, not rescaled (arXiv 1904.09675).",
        weights=("bert",),
        compute=_compute,
    ),
)
