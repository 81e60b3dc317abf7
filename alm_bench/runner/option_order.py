"""Reordering of answer options, to measure how the score depends on the position of the right option."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from alm_bench.core import OptionArrangement, OptionOrder, Sample
from alm_bench.core.rng import create_item_generator


def order_options(samples: Sequence[Sample], order: OptionOrder, shuffles: int, seed: int) -> list[Sample]:
    """Return the samples with their options in the order that `order` names.

    `given` changes nothing. `shuffled` makes `shuffles` samples per question in different random orders, or fewer if
    there are not as many orders. `circular` makes one sample per rotation. Random orders are seeded by the item's id,
    so that a limit on the number of items changes none of them. If there is only one order, the sample keeps its id;
    otherwise `~` and the index of the order are appended to it. Samples without options are not changed.
    """
    if order == "given":
        return list(samples)
    return [reordered for sample in samples for reordered in _reorder_options(sample, order, shuffles, seed)]


def _reorder_options(sample: Sample, order: OptionOrder, shuffles: int, seed: int) -> Iterator[Sample]:
    """Yield one copy of the sample per option order. `order` is `circular` or `shuffled`; for `shuffled`, there are at
    most `shuffles` orders. A sample without options is yielded unchanged."""
    count = len(sample.choices)
    if not count:
        yield sample
        return
    orders = _list_rotations(count) if order == "circular" else _draw_shuffles(sample.id, count, shuffles, seed)
    for number, places in enumerate(orders):
        yield replace(
            sample,
            id=sample.id if len(orders) == 1 else f"{sample.id}~{number}",
            choices=tuple(sample.choices[place] for place in places),
            target=None if sample.target is None else places.index(sample.target),
            targets=None if sample.targets is None else tuple(places.index(index) for index in sample.targets),
            arranged=OptionArrangement(sample.id, number, len(orders), places),
        )


def _list_rotations(count: int) -> list[tuple[int, ...]]:
    """Return all rotations of 0..count-1."""
    return [tuple((place + turn) % count for place in range(count)) for turn in range(count)]


def _draw_shuffles(question_id: str, count: int, max_orders: int, seed: int) -> list[tuple[int, ...]]:
    """Return `max_orders` different random orders of 0..count-1, or all orders if there are fewer.

    The id `question_id` and `seed` determine the orders. The first orders do not depend on `max_orders`.
    """
    max_orders = min(max_orders, math.factorial(count))
    distinct: dict[tuple[int, ...], None] = {}
    for number in itertools.count():
        distinct[tuple(create_item_generator("options", seed, number, question_id).permutation(count).tolist())] = None
        if len(distinct) == max_orders:
            return list(distinct)
    raise AssertionError("counting does not end")


def reorder_predictions(sample: Sample, predictions: Mapping[str, Mapping[str, int | None]]) -> dict[str, int | None]:
    """Return the option that each text-only baseline predicts for a sample, by the baseline's name.

    `predictions` holds indices into the option order of the file, by baseline and question id. The returned indices
    refer to the option order of the sample.
    """
    by_baseline = {row: by_question[sample.question] for row, by_question in predictions.items()}
    if sample.arranged is None:
        return by_baseline
    return {row: None if place is None else sample.arranged.order.index(place) for row, place in by_baseline.items()}
