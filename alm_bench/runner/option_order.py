"""Options in other orders: what a question earns must not depend on where its answer stands."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from alm_bench.core import Arrangement, OptionOrder, Sample
from alm_bench.core.rng import item_generator


def order_options(samples: Sequence[Sample], order: OptionOrder, shuffles: int, seed: int) -> list[Sample]:
    """The samples with their options in the order asked for; `circular` makes one of each rotation.

    Shuffles are seeded by the item, so that a limit changes none. A single shuffle keeps the ids of the file; other
    arrangements are named by their number behind a tilde. Items without options stay as they are.
    """
    if order == "given":
        return list(samples)
    return [moved for sample in samples for moved in _arranged(sample, order, shuffles, seed)]


def _arranged(sample: Sample, order: OptionOrder, shuffles: int, seed: int) -> Iterator[Sample]:
    count = len(sample.choices)
    if not count:
        yield sample
        return
    orders = _rotations(count) if order == "circular" else _shuffles(sample.id, count, shuffles, seed)
    for number, places in enumerate(orders):
        yield replace(
            sample,
            id=sample.id if len(orders) == 1 else f"{sample.id}~{number}",
            choices=tuple(sample.choices[place] for place in places),
            target=None if sample.target is None else places.index(sample.target),
            targets=None if sample.targets is None else tuple(places.index(index) for index in sample.targets),
            arranged=Arrangement(sample.id, number, len(orders), places),
        )


def _rotations(count: int) -> list[tuple[int, ...]]:
    return [tuple((place + turn) % count for place in range(count)) for turn in range(count)]


def _shuffles(question: str, count: int, wanted: int, seed: int) -> list[tuple[int, ...]]:
    """So many different orders, or all where there are fewer; the first ones do not depend on how many are wanted."""
    wanted = min(wanted, math.factorial(count))
    found: dict[tuple[int, ...], None] = {}
    for number in itertools.count():
        found[tuple(item_generator("options", seed, number, question).permutation(count).tolist())] = None
        if len(found) == wanted:
            return list(found)
    raise AssertionError("counting does not end")


def predicted(sample: Sample, predictions: Mapping[str, Mapping[str, int | None]]) -> dict[str, int | None]:
    """Blind predictions of options of the file, by row, as places among the sample's options."""
    said = {row: by_question[sample.question] for row, by_question in predictions.items()}
    if sample.arranged is None:
        return said
    return {row: None if place is None else sample.arranged.order.index(place) for row, place in said.items()}
