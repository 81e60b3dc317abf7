"""Row numbers of each training step. They depend on seed, epoch and step alone, so that a resumed run gets the same
rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BATCHES_SORTED_TOGETHER = 16
"""Number of batches whose rows are sorted by length together."""

Indices = npt.NDArray[np.int64]
"""Row numbers, shape (rows,)."""


@dataclass(frozen=True, slots=True)
class SamplingGroup:
    """Rows with the same sampling weight."""

    rows: Indices
    """Row numbers."""

    share: float
    """Share of the samples, relative to other groups."""


def sample_epoch_rows(groups: Sequence[SamplingGroup], seed: int, epoch: int) -> Indices:
    """Return the row numbers of one epoch over all groups, shuffled.

    An epoch has as many rows as the groups together, up to rounding. If a group's share exceeds its number of rows,
    rows are repeated; the numbers of repetitions within a group differ by at most one.
    """
    generator = np.random.default_rng([seed, epoch])
    shares = np.array([group.share for group in groups])
    counts = np.round(shares / shares.sum() * sum(len(group.rows) for group in groups)).astype(int)
    drawn = []
    for group, count in zip(groups, counts, strict=True):
        permutations = [generator.permutation(group.rows) for _ in range(-(-int(count) // len(group.rows)))]
        drawn.append(np.concatenate(permutations)[:count] if permutations else np.zeros(0, np.int64))
    return generator.permutation(np.concatenate(drawn)).astype(np.int64)


def divide_into_batches(
    rows: Indices, lengths: npt.NDArray[np.int64], batch: int, seed: int, epoch: int
) -> list[Indices]:
    """Divide the rows of an epoch into batches of rows of similar length, in random order. Rows that do not fill a
    batch are dropped for this epoch.

    `lengths`: length of each row, by row number. Fewer than `batch` rows form a single batch.
    """
    generator = np.random.default_rng([seed, epoch, 1])
    batches: list[Indices] = []
    for start in range(0, len(rows), batch * BATCHES_SORTED_TOGETHER):
        part = rows[start : start + batch * BATCHES_SORTED_TOGETHER]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch] for i in range(0, len(part) - batch + 1, batch)]
    if not batches:
        batches = [rows]
    return [batches[place] for place in generator.permutation(len(batches))]


class Steps:
    """Row numbers of each step of a stage: `steps[i]` has the row numbers of step i.

    Each epoch draws its rows from `groups` by their shares. `lengths` (rows,): length of each row, by row number,
    including rows that are in no group. `batch`: number of rows per step.
    """

    def __init__(self, groups: Sequence[SamplingGroup], lengths: npt.NDArray[np.int64], batch: int, seed: int) -> None:
        self._groups, self._lengths = list(groups), lengths
        self._batch, self._seed = min(batch, sum(len(group.rows) for group in groups)), seed
        self._epoch = -1
        self._batches: list[Indices] = []
        self.per_epoch = len(self._build_epoch_batches(0))

    def _build_epoch_batches(self, epoch: int) -> list[Indices]:
        """Return the batches of an epoch, as row numbers. Only the epoch that was requested last is cached."""
        if epoch != self._epoch:
            rows = sample_epoch_rows(self._groups, self._seed, epoch)
            self._batches = divide_into_batches(rows, self._lengths, self._batch, self._seed, epoch)
            self._epoch = epoch
        return self._batches

    def __getitem__(self, step: int) -> Indices:
        """Return the row numbers of optimiser step `step`, counted from 0 at the start of the stage."""
        # Every epoch has the same number of rows, and therefore of batches.
        epoch, place = divmod(step, self.per_epoch)
        return self._build_epoch_batches(epoch)[place]


class OrderedSteps(Steps):
    """Row numbers of each step of a stage, from easy to hard over the whole stage.

    First, the rows of all steps are drawn, epoch by epoch. Then they are sorted by falling pass rate. Rows with the
    same pass rate stay in random order.
    """

    def __init__(
        self,
        groups: Sequence[SamplingGroup],
        pass_rates: npt.NDArray[np.float64],
        batch: int,
        seed: int,
        total: int | None,
        epochs: int,
    ) -> None:
        """`pass_rates` (rows,): pass rate of each row, by row number. `total`: number of steps of the stage; None for
        as many as `epochs` epochs have."""
        super().__init__(groups, np.zeros(len(pass_rates), np.int64), batch, seed)
        count = (total or epochs * self.per_epoch) * self._batch
        drawn: list[Indices] = []
        while sum(map(len, drawn)) < count:
            drawn.append(sample_epoch_rows(self._groups, seed, len(drawn)))
        rows = np.concatenate(drawn)[:count]
        self._ordered = rows[np.argsort(-pass_rates[rows], kind="stable")]

    def __getitem__(self, step: int) -> Indices:
        """Return the row numbers of optimiser step `step`, counted from 0 at the start of the stage."""
        return self._ordered[step * self._batch : (step + 1) * self._batch]


class Curriculum:
    """Row numbers of each step of a stage, from easy to hard.

    Each of `parts` has the steps for one set of rows: the first one for the easiest rows, the last one for all rows.
    The first `until` steps are divided equally among `parts` except the last one, in order. The last of `parts`
    provides all steps from `until` on.
    """

    def __init__(self, parts: Sequence[Steps], until: int) -> None:
        self._parts, self._until = list(parts), max(1, until)
        self.per_epoch = self._parts[-1].per_epoch

    def __getitem__(self, step: int) -> Indices:
        """Return the row numbers of optimiser step `step`, counted from 0 at the start of the stage."""
        place = min(step * (len(self._parts) - 1) // self._until, len(self._parts) - 1)
        return self._parts[place][step]


class RepeatedSteps:
    """Row numbers of each step of a stage that takes several steps on the same rows."""

    def __init__(self, steps: Steps | Curriculum, times: int) -> None:
        """Repeat each step of `steps` `times` times: the rows of step i of `steps` are the rows of the steps
        i * `times` to (i + 1) * `times` - 1."""
        self._steps, self._times = steps, times
        self.per_epoch = steps.per_epoch * times

    def __getitem__(self, step: int) -> Indices:
        """Return the row numbers of optimiser step `step`, counted from 0 at the start of the stage."""
        return self._steps[step // self._times]


StepRows = Steps | Curriculum | RepeatedSteps
"""Row numbers of the steps of a stage."""
