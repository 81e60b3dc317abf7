"""Sentence-BERT similarity (Reimers and Gurevych, arXiv 1908.10084)."""

import numpy as np

from alm_bench.scoring.encoders import embed_sentences
from alm_bench.scoring.intervals import Array
from alm_bench.scoring.metrics.sentences import References, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import MetricSpec

NAME = "sbert_similarity"


def average_over_references(similarities: Array, references: References) -> list[float]:
    """Return the mean similarity of each item over its references.

    `similarities` holds one value per reference: those of the first item, then those of the second one, and so on.
    """
    ends = np.cumsum([len(each) for each in references])
    return [float(part.mean()) for part in np.split(similarities, ends[:-1])]


def compute_similarities(embeddings: Array, references: References) -> list[float]:
    """Return the mean cosine of each candidate to its references.

    `embeddings` are normalised, shape (texts, dimensions): of the candidates first, then of all references.
    """
    owners = np.repeat(np.arange(len(references)), [len(each) for each in references])
    cosines = np.einsum("td,td->t", embeddings[owners], embeddings[len(references) :])
    return average_over_references(cosines, references)


def score_similarity(sentences: Sentences) -> list[float]:
    """Return the mean cosine of each candidate to its references by Sentence-BERT."""
    folder = sentences.find_weights("sbert")

    def compute() -> list[float]:
        texts = [*sentences.raw_candidates, *(text for each in sentences.raw_references for text in each)]
        return compute_similarities(embed_sentences(folder, texts), sentences.raw_references)

    return sentences.compute_once("sbert", compute)


METRICS = (
    MetricSpec(
        rank=50,
        name=NAME,
        title="SBERT",
        description="Mean cosine of Sentence-BERT embeddings to the references.",
        weights=("sbert",),
        compute=lambda sentences: compute_mean_score(score_similarity(sentences)),
    ),
)
