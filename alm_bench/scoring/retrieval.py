"""Audio-text retrieval: recall and mean average precision of rankings by the similarity of embeddings.

The rules are those of the papers that introduced retrieval on AudioCaps and Clotho. Every caption is a query for its
clip, and every clip is a query for its captions. With several captions per clip, R@k of a clip is 1 if any of its
captions is among the first k, and the average precision counts all of them (Mei et al., arXiv 2203.15537). A relevant
candidate that ties with others has the mean rank of the tied candidates (Oncescu et al., arXiv 2105.02192). One point
differs from the script of that paper: a relevant candidate that ties with one other for the first rank counts for R@1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

CUTOFFS = (1, 5, 10)
"""Values of k in R@k."""

DEPTH = 10
"""Number of candidates that mAP@10 takes into account."""

DECIMALS = 9
"""Number of decimals to which similarities are rounded, so that equal embeddings tie despite rounding errors."""

Matrix = npt.NDArray[np.float64]
"""Array of 64-bit floats."""


@dataclass(frozen=True, slots=True)
class QueryScore:
    """Score of one query."""

    recall: Mapping[int, float]
    """R@k by k: 1.0 if a relevant candidate is among the first k, else 0.0."""

    average_precision: float
    """Average precision over the first 10 candidates, 0..1."""


def compute_similarities(queries: Matrix, candidates: Matrix) -> Matrix:
    """Return the cosine similarities, shape (queries, candidates), of two arrays of embeddings, shape (texts or clips,
    dimensions)."""
    ours, theirs = (_scale_to_unit_length(np.asarray(each, dtype=np.float64)) for each in (queries, candidates))
    similarities: Matrix = np.round(ours @ theirs.T, DECIMALS)
    return similarities


def _scale_to_unit_length(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Matrix = vectors / np.where(lengths > 0, lengths, 1.0)
    return scaled


def compute_ranks(similarities: Matrix, relevant: Sequence[int]) -> Matrix:
    """Return the rank of each relevant candidate for one query, from 0; candidates that tie share their mean rank.

    `similarities` has shape (candidates,), `relevant` are indices of candidates, and the result has one rank for each.
    """
    scores = similarities[list(relevant)][:, None]
    better = (similarities[None, :] > scores).sum(axis=1)
    tied = (similarities[None, :] == scores).sum(axis=1) - 1
    ranks: Matrix = better + tied / 2
    return ranks


def score_query(similarities: Matrix, relevant: Sequence[int], total: int | None = None) -> QueryScore:
    """Score one query. `similarities` has shape (candidates,); `relevant` are the indices of relevant candidates.

    `total` is the number of relevant items in the whole data set, if some of them are not among the candidates
    (default: the length of `relevant`). Without a relevant candidate, all scores are 0.
    """
    ranks = np.sort(compute_ranks(similarities, relevant)) if relevant else np.array([])
    found = ranks[ranks < DEPTH]
    precision = float((np.arange(1, len(found) + 1) / (found + 1)).sum()) / (total or len(ranks) or 1)
    return QueryScore({k: float(bool((ranks < k).any())) for k in CUTOFFS}, precision)


@lru_cache(maxsize=1024)
def score_random_ranking(candidates: int, relevant: int) -> QueryScore:
    """Return the expected score of a query with candidates in random order.

    `candidates` is the number of candidates, `relevant` the number of relevant ones among them.
    """
    missed = dict.fromkeys(CUTOFFS, 1.0)
    for k in CUTOFFS:
        for position in range(min(k, candidates)):
            missed[k] *= max(candidates - relevant - position, 0) / (candidates - position)
    others = (relevant - 1) / max(candidates - 1, 1)
    precision = sum((1 + position * others) / (position + 1) for position in range(min(DEPTH, candidates))) / candidates
    return QueryScore({k: 1 - missed[k] for k in CUTOFFS}, precision)
