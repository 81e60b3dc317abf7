"""METEOR 1.5 (Denkowski and Lavie, WMT 2014)."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core.errors import MetricError
from alm_bench.scoring import java
from alm_bench.scoring.intervals import Array
from alm_bench.scoring.metrics.sentences import CaptionScore, References, Sentences
from alm_bench.scoring.metrics.spec import MetricSpec

# METEOR 1.5's parameters for English: task `rank`, weights of exact, stem, synonym and paraphrase matches.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = (1.0, 0.6, 0.8, 0.6)
_STATISTICS = 23


def compute_meteor(candidates: Sequence[str], references: References) -> CaptionScore:
    """Return METEOR 1.5 (Denkowski and Lavie, WMT 2014) for English.

    Each item gets the best score over its references. The corpus value is computed from summed statistics. Raises
    MetricError without Java.
    """
    lines = []
    for candidate, each in zip(candidates, references, strict=True):
        clean_candidate = candidate.replace("|||", "").replace("  ", " ")
        lines.append(" ||| ".join(("SCORE", *each, clean_candidate)))
    jar = java.find_pycocoevalcap_folder("meteor") / "meteor-1.5.jar"
    arguments = ["-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    output_lines = java.run(
        arguments, "\n".join(lines) + "\n", seconds=java.compute_time_limit(len(lines))
    ).splitlines()
    rows = [line.split() for line in output_lines]
    if len(rows) != len(lines) or any(len(row) != _STATISTICS for row in rows):
        raise MetricError(f"METEOR gave {len(rows)} lines for {len(lines)} items, expected {_STATISTICS} numbers each")
    counts = np.array(rows, dtype=np.float64)
    # METEOR counts no chunk for a candidate that matches a whole reference in one piece, since it is not fragmented.
    stages = counts[:, 4:20].reshape(-1, 4, 2, 2).sum(axis=(1, 2))
    counts[(stages == counts[:, :2]).all(axis=1) & (counts[:, 20] == 1), 20] = 0
    items = compute_from_statistics(counts)[..., 0]
    return CaptionScore(
        float(compute_from_statistics(counts.sum(axis=0))[0]), items.tolist(), counts, compute_from_statistics
    )


def compute_from_statistics(sums: Array) -> Array:
    """Compute METEOR, shape (..., 1), from its statistics, shape (..., 23).

    The statistics are: lengths of candidate and reference; their numbers of function words; for each kind of match
    (exact, stem, synonym, paraphrase) the matched content words of candidate and reference, then the matched function
    words of both; the number of chunks; the numbers of matched words in candidate and reference.
    """
    stages = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 4)
    chunks, words = sums[..., 20], (sums[..., 21] + sums[..., 22]) / 2
    weights = np.array(WEIGHTS)
    rates = []
    for side in (0, 1):
        matched = (DELTA * stages[..., side] + (1 - DELTA) * stages[..., side + 2]) @ weights
        function = sums[..., side + 2]
        length = DELTA * (sums[..., side] - function) + (1 - DELTA) * function
        rates.append(_divide_or_zero(matched, length))
    precision, recall = rates
    mean = _divide_or_zero(precision * recall, (1 - ALPHA) * recall + ALPHA * precision)
    found: Array = (mean * (1 - GAMMA * _divide_or_zero(chunks, words) ** BETA))[..., None]
    return found


def _divide_or_zero(part: Array, whole: Array) -> Array:
    """Divide element by element; the result is 0 where the divisor is 0, since a text without any words scores 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _compute(sentences: Sentences) -> CaptionScore:
    """Compute METEOR from tokenised sentences."""
    return compute_meteor(sentences.candidates, sentences.references)


METRICS = (
    MetricSpec(
        rank=43,
        name="meteor",
        title="METEOR",
        description="METEOR 1.5 (Denkowski and Lavie, 2014).",
        per_item=False,
        by_default=True,
        preference=2,
        compute=_compute,
        require=java.find_java,
    ),
)
