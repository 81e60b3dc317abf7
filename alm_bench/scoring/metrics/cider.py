"""CIDEr-D (Vedantam et al., arXiv 1411.5726)."""

from collections.abc import Sequence

from alm_bench.scoring.metrics.sentences import CaptionScore, References, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec


def compute_cider(candidates: Sequence[str], references: References) -> CaptionScore:
    """Return CIDEr-D times 10, with document frequencies from these references, as pycocoevalcap computes it."""
    from pycocoevalcap.cider.cider import Cider

    known = {number: list(each) for number, each in enumerate(references)}
    _, items = Cider().compute_score(known, {number: [text] for number, text in enumerate(candidates)})
    return compute_mean_score(items)


def _compute(sentences: Sentences) -> CaptionScore:
    """Compute CIDEr-D from tokenised sentences."""
    return compute_cider(sentences.candidates, sentences.references)


METRICS = (
    MetricSpec(
        rank=40,
        name="cider",
        title="CIDEr",
        description="CIDEr-D (arXiv 1411.5726), times 10.",
        is_fraction=False,
        by_default=True,
        preference=1,
        compute=_compute,
    ),
)
