"""SPIDEr, the mean of CIDEr and SPICE (Liu et al., arXiv 1612.00370)."""

from alm_bench.core.errors import MetricError
from alm_bench.scoring.metrics import score_sentences
from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec


def _compute(sentences: Sentences) -> CaptionScore:
    """Compute the mean of CIDEr and SPICE for each item. Raises MetricError if SPICE cannot be computed."""
    try:
        both = zip(score_sentences("cider", sentences).items, score_sentences("spice", sentences).items, strict=True)
    except MetricError as error:
        raise MetricError(f"is the mean of CIDEr and SPICE; SPICE {error}") from error
    return compute_mean_score([(one + other) / 2 for one, other in both])


METRICS = (
    MetricSpec(
        rank=42,
        name="spider",
        title="SPIDEr",
        description="Mean of CIDEr and SPICE (arXiv 1612.00370).",
        is_fraction=False,
        by_default=True,
        compute=_compute,
    ),
)
