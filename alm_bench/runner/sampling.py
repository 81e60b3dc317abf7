"""Seeded random sampling of a task's items, stratified by the groups of its card."""

from collections.abc import Sequence

import numpy as np

from alm_bench.core import Sample

CLIP_GROUPING = "clip"
"""Name of the grouping by clip. It is not used for stratification, since its groups are too small."""


def list_stratified_groupings(groupings: Sequence[str]) -> list[str]:
    """Return the groupings by which a sample is stratified, the outermost first: all but the one by clip.

    `groupings` holds the names of the groupings of a task's card.
    """
    return [name for name in groupings if name != CLIP_GROUPING]


def draw_items(samples: Sequence[Sample], count: int, seed: int, groupings: Sequence[str]) -> list[Sample]:
    """Draw `count` items at random, stratified, and return them in their original order. If there are no more than
    `count` items, all are returned.

    `groupings` holds the names of groupings (keys of `Sample.groups`), the outermost first; the grouping `clip` is not
    used. Each group of the first grouping has the same share of the drawn items as of all items, up to rounding. Within
    each of these groups, the same holds for the groups of the next grouping. With the same seed, a larger draw contains
    all items of a smaller one.
    """
    generator = np.random.default_rng(seed)
    drawn = _order_stratified(samples, list(range(len(samples))), list_stratified_groupings(groupings), generator)[
        :count
    ]
    return [samples[index] for index in sorted(drawn)]


def _order_stratified(
    samples: Sequence[Sample], indices: Sequence[int], groupings: Sequence[str], generator: np.random.Generator
) -> list[int]:
    """Return `indices` in a random order in which the first n items are a stratified sample, for every n.

    `groupings` holds the names of the groupings, the outermost first. Within a group of m items, the item of rank k
    (from 0) gets the sort key (k + u) / m, with one random u per group. This is systematic sampling (Cochran 1977,
    chapter 8) for all sample sizes at once.
    """
    if not groupings:
        return [indices[int(position)] for position in generator.permutation(len(indices))]
    members: dict[str, list[int]] = {}
    for index in indices:
        members.setdefault(samples[index].groups.get(groupings[0], ""), []).append(index)
    keyed = []
    for key in sorted(members):
        spread = _order_stratified(samples, members[key], groupings[1:], generator)
        start = generator.random()
        keyed += [((rank + start) / len(spread), index) for rank, index in enumerate(spread)]
    return [index for _, index in sorted(keyed)]
