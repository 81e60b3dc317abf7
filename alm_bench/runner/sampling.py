"""A seeded random sample of a task's items, stratified by the groups of its card."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core import Sample

ONE_OF_A_KIND = "clip"
"""The grouping by clip, whose groups are too small to be strata."""


def strata(groups: Sequence[str]) -> list[str]:
    """Return the groupings of a card that a sample is stratified by, from the outermost inwards."""
    return [name for name in groups if name != ONE_OF_A_KIND]


def draw_items(samples: Sequence[Sample], count: int, seed: int, groups: Sequence[str]) -> list[Sample]:
    """Draw `count` of the items and return them in their order; all of them where there are no more.

    Every group of the first grouping has its share of the sample, up to rounding, and so has every group of the next
    grouping within it. A larger sample of the same seed holds every smaller one.
    """
    generator = np.random.default_rng(seed)
    drawn = _spread(samples, list(range(len(samples))), strata(groups), generator)[:count]
    return [samples[index] for index in sorted(drawn)]


def _spread(
    samples: Sequence[Sample], indices: Sequence[int], groups: Sequence[str], generator: np.random.Generator
) -> list[int]:
    """Return the indices in random order, such that every beginning of the list has its share of each group.

    The k-th of a group's m items is at (k + u) / m, with a random u for each group: systematic sampling (Cochran 1977,
    chapter 8), of all sample sizes at once.
    """
    if not groups:
        return [indices[int(position)] for position in generator.permutation(len(indices))]
    members: dict[str, list[int]] = {}
    for index in indices:
        members.setdefault(samples[index].groups.get(groups[0], ""), []).append(index)
    keyed = []
    for key in sorted(members):
        spread = _spread(samples, members[key], groups[1:], generator)
        start = generator.random()
        keyed += [((rank + start) / len(spread), index) for rank, index in enumerate(spread)]
    return [index for _, index in sorted(keyed)]
