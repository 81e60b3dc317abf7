"""BLEU-1 to BLEU-4 (Papineni et al., ACL 2002)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from alm_bench.scoring.intervals import Array
from alm_bench.scoring.metrics.sentences import CaptionScore, References, Sentences
from alm_bench.scoring.metrics.spec import MetricSpec

ORDERS = (1, 2, 3, 4)


def compute_bleu(candidates: Sequence[str], references: References) -> list[CaptionScore]:
    """Return BLEU-1 to BLEU-4 without smoothing, as pycocoevalcap computes them with the closest reference length."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=4)
    for candidate, each in zip(candidates, references, strict=True):
        scorer += (candidate, list(each))
    corpus, items = scorer.compute_score(option="closest", verbose=0)
    parts = []
    for part in scorer.ctest:
        _, closest = min((abs(length - part["testlen"]), length) for length in part["reflen"])
        parts.append([part["testlen"], closest, *part["correct"], *part["guess"]])
    counts = np.array(parts, dtype=np.float64)
    return [
        CaptionScore(float(corpus[n]), [float(v) for v in items[n]], counts, _build_statistic(n + 1)) for n in range(4)
    ]


def _build_statistic(order: int) -> Callable[[Array], Array]:
    """Return the function that computes BLEU of one order, shape (..., 1), from summed counts, shape (..., 10).

    The counts are the candidate length, the reference length, 4 numbers of matches and 4 numbers of n-grams. Small
    constants are added as in pycocoevalcap.
    """

    def compute_statistic(sums: Array) -> Array:
        matched, guessed = sums[..., 2 : 2 + order], sums[..., 6 : 6 + order]
        value = np.prod((matched + 1e-15) / (guessed + 1e-9), axis=-1) ** (1 / order)
        ratio = (sums[..., 0] + 1e-15) / (sums[..., 1] + 1e-9)
        found: Array = (value * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0))[..., None]
        return found

    return compute_statistic


def _compute(order: int, sentences: Sentences) -> CaptionScore:
    """Compute BLEU of one order; all orders share one computation."""
    scores = sentences.compute_once("bleu", lambda: compute_bleu(sentences.candidates, sentences.references))
    return scores[order - 1]


METRICS = tuple(
    MetricSpec(
        rank=44 + order,
        name=f"bleu_{order}",
        title=f"BLEU-{order}",
        description=f"BLEU-{order} (Papineni et al., 2002), not smoothed.",
        per_item=False,
        by_default=True,
        compute=partial(_compute, order),
    )
    for order in ORDERS
)
