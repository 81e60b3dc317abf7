"""Seeded random sampling of a task's items, stratified by the groups of its card."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core import Sample

CLIP_GROUPING = "clip"
"""Name of the grouping by clip. It is not used for stratification, since its groups are too small."""


def list_stratified_groupings(groups: Sequence[str]) -> list[str]:
    """Return the groupings by which a sample is stratified, the outermost first: all but the one by clip.

    `groups` holds the names of the groupings of a task's card.
    """
    return [name for name in groups if name != CLIP_GROUPING]


def draw_items(samples: Sequence[Sample], count: int, seed: int, groups: Sequence[str]) -> list[Sample]:
    """Draw `count` items at random and return them in their original order; return all items if there are no more.

    The share of each group of the first grouping in the sample is proportional to its size, up to rounding. Within each
    of these groups, the same holds for the groups of the next grouping. For equal seeds, a larger sample contains every
    smaller one.
    """
    generator = np.random.default_rng(seed)
    drawn = _order_stratified(samples, list(range(len(samples))), list_stratified_groupings(groups), generator)[:count]
    return [samples[index] for index in sorted(drawn)]


def _order_stratified(
    samples: Sequence[Sample], indices: Sequence[int], groups: Sequence[str], generator: np.random.Generator
) -> list[int]:
    """Return `indices` in a random order in which every prefix is stratified by `groups`.

    Within a group of m items, the item of rank k (from 0) gets the sort key (k + u) / m, with one random u per group.
    This is systematic sampling (Cochran 1977, chapter 8) for all sample sizes at once.
    """
    if not groups:
        return [indices[int(position)] for position in generator.permutation(len(indices))]
    members: dict[str, list[int]] = {}
    for index in indices:
        members.setdefault(samples[index].groups.get(groups[0], ""), []).append(index)
    keyed = []
    for key in sorted(members):
        spread = _order_stratified(samples, members[key], groups[1:], generator)
        start = generator.random()
        keyed += [((rank + start) / len(spread), index) for rank, index in enumerate(spread)]
    return [index for _, index in sorted(keyed)]
