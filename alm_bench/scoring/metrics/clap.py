"""Similarity of texts by CLAP, and MACE's text variant (Dixit et al., arXiv 2411.00321).

The scorer has no audio: the audio half of MACE is not computed.
"""

from alm_bench.scoring.encoders import embed_texts_by_clap
from alm_bench.scoring.metrics.fense import classify_fluency_errors, penalise_errors
from alm_bench.scoring.metrics.sbert import compute_similarities
from alm_bench.scoring.metrics.sentences import Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec

MACE_THRESHOLD, MACE_PENALTY = 0.97, 0.3
"""Probability above which a caption has a fluency error, and the share of its score that it loses, in MACE."""


def score_clap_similarity(sentences: Sentences) -> list[float]:
    """Return the mean cosine of each candidate to its references by CLAP's text encoder."""
    folder = sentences.find_weights("clap")

    def compute() -> list[float]:
        texts = [*sentences.raw_candidates, *(text for each in sentences.raw_references for text in each)]
        return compute_similarities(embed_texts_by_clap(folder, texts), sentences.raw_references)

    return sentences.compute_once("clap", compute)


METRICS = (
    MetricSpec(
        rank=55,
        name="clap_similarity",
        title="CLAP",
        description="Mean cosine of CLAP text embeddings to the references.",
        weights=("clap",),
        compute=lambda sentences: compute_mean_score(score_clap_similarity(sentences)),
    ),
    MetricSpec(
        rank=56,
        name="mace_text",
        title="MACE (text)",
        description="CLAP text similarity, reduced by 30 % for captions with a fluency error (arXiv 2411.00321).",
        weights=("clap", "fluency"),
        compute=lambda sentences: penalise_errors(
            score_clap_similarity(sentences), classify_fluency_errors(sentences, MACE_THRESHOLD), MACE_PENALTY
        ),
    ),
)
