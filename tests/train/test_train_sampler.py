from collections import Counter

import numpy as np

from alm_bench.train.sampler import Steps


def test_an_epoch_has_every_row_once_and_another_order_each_time() -> None:
    lengths = np.arange(40) % 7
    steps = Steps([40], [1.0], lengths, batch=4, seed=3)
    epochs = [[int(row) for step in range(10) for row in steps[epoch * 10 + step]] for epoch in range(2)]
    assert steps.per_epoch == 10
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert epochs[0] != epochs[1]


def test_any_step_is_known_without_the_ones_before() -> None:
    def fresh() -> Steps:
        return Steps([30, 10], [1.0, 2.0], np.zeros(40, np.int64), batch=8, seed=1)

    walked = fresh()
    order = [walked[step].tolist() for step in range(12)]
    assert [fresh()[step].tolist() for step in range(12)] == order


def test_weights_are_shares_of_the_draws() -> None:
    steps = Steps([100, 100], [3.0, 1.0], np.zeros(200, np.int64), batch=20, seed=0)
    rows = Counter(int(row) for step in range(steps.per_epoch) for row in steps[step])
    assert sum(count for row, count in rows.items() if row < 100) == 150
    assert max(rows[row] for row in range(100)) - min(rows[row] for row in range(100)) <= 1


def test_rows_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    steps = Steps([640], [1.0], lengths, batch=8, seed=0)
    spread = np.mean([np.ptp(lengths[steps[step]]) for step in range(steps.per_epoch)])
    assert spread < 60  # of about 400 where batches are drawn at random
