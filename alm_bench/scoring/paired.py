"""Two systems on the same items: by how much they differ, and whether chance explains it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alm_bench.core.types import Metric
from alm_bench.scoring.intervals import Array, clustered, summed

RESAMPLES = 9999
"""Sign flips of the test where items share clips."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The second system's mean score minus the first's, on the same items, with its paired 95 % interval.

    `won` items score higher in the second system, `lost` lower. `p` is two-sided: McNemar's exact one where items are
    independent and right or wrong; where clips repeat, or scores lie between, of flipping whole clips' signs.
    """

    first: float
    second: float
    difference: Metric
    won: int
    lost: int
    p: float


def paired(first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> Difference:
    """Scores (0 to 1) of the same items in the same order. Raises ValueError for none, or for unequal counts."""
    if not first or not len(first) == len(second) == len(clusters):
        raise ValueError(f"{len(first)} and {len(second)} scores of {len(clusters)} items: expected as many, and some")
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gain = b - a
    counts = np.stack([gain, np.ones(len(gain))], axis=1)
    value, low, high = clustered(clusters, counts, lambda sums: sums[..., :1] / sums[..., 1:], seed=seed)
    won, lost = int((gain > 0).sum()), int((gain < 0).sum())
    independent = len(set(clusters)) == len(gain) and set(np.unique(gain)) <= {-1.0, 0.0, 1.0}
    p = mcnemar(won, lost) if independent else sign_flips(summed(clusters, counts)[:, 0], seed)
    metric = Metric(float(value[0]), n=len(gain))
    if len(set(clusters)) > 1:  # one clip says nothing of others
        metric = replace(metric, low=float(low[0]), high=float(high[0]))
    return Difference(float(a.mean()), float(b.mean()), metric, won, lost, p)


def mcnemar(won: int, lost: int) -> float:
    """The exact test of McNemar (1947), by statsmodels."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, won], [lost, 0]], exact=True).pvalue)


def sign_flips(gains: Array, seed: int = 0) -> float:
    """The permutation test of a sum of paired differences, by scipy: under no difference each sign is a coin's toss."""
    from scipy.stats import permutation_test

    moved = gains[gains != 0]  # the others add nothing, whatever their sign
    if len(moved) < 2:  # one clip alone is as likely to go the other way
        return 1.0
    result = permutation_test(
        (moved,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=256,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), by statsmodels: below 0.05, no cell of the table is called different by luck."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]] if p_values else []
