from collections import Counter

import numpy as np

from alm_bench.train.sampler import Curriculum, SamplingGroup, Steps


def groups(*sized: tuple[int, float]) -> list[SamplingGroup]:
    """Groups of these sizes and shares, their rows one after another."""
    starts = np.cumsum([0, *(size for size, _ in sized)])
    return [
        SamplingGroup(np.arange(start, start + size), share)
        for start, (size, share) in zip(starts, sized, strict=False)
    ]


def test_an_epoch_has_every_row_once_and_another_order_each_time() -> None:
    lengths = np.arange(40) % 7
    steps = Steps(groups((40, 1.0)), lengths, batch=4, seed=3)
    epochs = [[int(row) for step in range(10) for row in steps[epoch * 10 + step]] for epoch in range(2)]
    assert steps.per_epoch == 10
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert epochs[0] != epochs[1]


def test_any_step_is_known_without_the_ones_before() -> None:
    def fresh() -> Steps:
        return Steps(groups((30, 1.0), (10, 2.0)), np.zeros(40, np.int64), batch=8, seed=1)

    walked = fresh()
    order = [walked[step].tolist() for step in range(12)]
    assert [fresh()[step].tolist() for step in range(12)] == order


def test_groups_are_drawn_by_their_shares() -> None:
    steps = Steps(groups((100, 3.0), (100, 1.0)), np.zeros(200, np.int64), batch=20, seed=0)
    rows = Counter(int(row) for step in range(steps.per_epoch) for row in steps[step])
    assert sum(count for row, count in rows.items() if row < 100) == 150
    assert max(rows[row] for row in range(100)) - min(rows[row] for row in range(100)) <= 1


def test_rows_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    steps = Steps(groups((640, 1.0)), lengths, batch=8, seed=0)
    spread = np.mean([np.ptp(lengths[steps[step]]) for step in range(steps.per_epoch)])
    assert spread < 60  # of about 400 where batches are drawn at random


def test_a_curriculum_goes_from_part_to_part_and_stays_at_the_last() -> None:
    def of(rows: int) -> Steps:
        return Steps(groups((rows, 1.0)), np.zeros(60, np.int64), batch=10, seed=0)

    curriculum = Curriculum([of(20), of(40), of(60)], until=8)
    highest = [max(curriculum[step].max() for step in steps) for steps in (range(4), range(4, 8), range(8, 60))]
    assert highest[0] < 20
    assert 20 <= highest[1] < 40
    assert highest[2] >= 40
