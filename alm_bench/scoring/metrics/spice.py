"""SPICE (Anderson et al., arXiv 1607.08822)."""

from alm_bench.scoring.java import find_java
from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec
from alm_bench.scoring.spice import compute_spice, find_spice_folder


def _compute(sentences: Sentences) -> CaptionScore:
    """Compute SPICE from tokenised sentences."""
    return compute_mean_score(compute_spice(sentences.candidates, sentences.references, sentences.names))


def _check_installed() -> None:
    """Raise MetricError if Java or CoreNLP is not installed."""
    find_java()
    find_spice_folder()


METRICS = (
    MetricSpec(
        rank=41,
        name="spice",
        title="SPICE",
        description="SPICE (arXiv 1607.08822).",
        by_default=True,
        preference=0,
        compute=_compute,
        require=_check_installed,
    ),
)
