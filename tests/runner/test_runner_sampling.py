"""`--sample`: every group has its share, a larger sample holds the smaller ones, the seed decides."""

from collections import Counter

import numpy as np
import pytest

from alm_bench.core import Sample
from alm_bench.runner.sampling import draw_items

GROUPS = ("domain", "difficulty", "clip")


def items(count: int = 1000) -> list[Sample]:
    """As benchmarks come: the first items are of one domain, and groups are of very different sizes."""
    domains = ["sound"] * 330 + ["music"] * 340 + ["speech"] * 325 + ["other"] * 5
    levels = ["easy"] * 2 + ["medium"] * 5 + ["hard"] * 3
    return [
        Sample(f"q{n}", {}, groups={"domain": domains[n], "difficulty": levels[n % 10], "clip": f"{n}.wav"})
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [10, 100, 333])
def test_each_group_has_its_share(count: int) -> None:
    everything = items()
    drawn = draw_items(everything, count, 0, GROUPS)
    assert len(drawn) == len({sample.id for sample in drawn}) == count
    sizes, found = (Counter(s.groups["domain"] for s in samples) for samples in (everything, drawn))
    for domain, size in sizes.items():
        assert abs(found[domain] - size * count / 1000) < 1.5, domain
    pairs = Counter((s.groups["domain"], s.groups["difficulty"]) for s in drawn)
    for (domain, level), size in Counter((s.groups["domain"], s.groups["difficulty"]) for s in everything).items():
        assert abs(pairs[domain, level] - size * count / 1000) < 2.5, (domain, level)


def test_a_larger_sample_holds_the_smaller_ones_in_the_items_order() -> None:
    everything = items()
    ids = [sample.id for sample in everything]
    drawn = [[sample.id for sample in draw_items(everything, count, 3, GROUPS)] for count in (20, 90, 400)]
    assert set(drawn[0]) < set(drawn[1]) < set(drawn[2])
    for one in drawn:
        assert one == sorted(one, key=ids.index)
    assert drawn[0] != [sample.id for sample in draw_items(everything, 20, 4, GROUPS)]
    assert draw_items(everything, 5000, 0, GROUPS) == everything


def test_every_item_is_as_likely_as_another() -> None:
    everything = items()
    drawn = Counter(sample.id for seed in range(400) for sample in draw_items(everything, 100, seed, GROUPS))
    rates = np.array([drawn[sample.id] for sample in everything]) / 400
    assert rates.mean() == pytest.approx(0.1)
    assert rates.max() < 0.2
    groups = [
        rates[[s.groups["domain"] == domain for s in everything]].mean() for domain in ("sound", "music", "other")
    ]
    assert groups == pytest.approx([0.1, 0.1, 0.1], abs=0.03)


def test_without_groups_it_is_a_plain_random_sample() -> None:
    everything = items()
    found = Counter(sample.groups["domain"] for sample in draw_items(everything, 100, 0, ("clip",)))
    assert set(found) >= {"sound", "music", "speech"}
    assert draw_items(everything, 100, 0, ("clip",)) != everything[:100]
