"""Which rows make up which step: a function of seed, epoch and step alone, so that a resumed run sees the same."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

POOL = 16
"""Batches whose rows are sorted by length together."""

Indices = npt.NDArray[np.int64]


def epoch_rows(sizes: Sequence[int], weights: Sequence[float], seed: int, epoch: int) -> Indices:
    """Row numbers of one epoch over all sources, shuffled. Sources lie one after another.

    An epoch has as many rows as there are; a source's share is its weight times its size. A source drawn more often
    than it is large repeats its rows, each equally often but for one.
    """
    generator = np.random.default_rng([seed, epoch])
    shares = np.array(sizes) * np.array(weights)
    counts = np.round(shares / shares.sum() * sum(sizes)).astype(int)
    starts = np.cumsum([0, *sizes[:-1]])
    drawn = []
    for size, count, start in zip(sizes, counts, starts, strict=True):
        rounds = [generator.permutation(size) for _ in range(-(-int(count) // size))]
        drawn.append(start + np.concatenate(rounds)[:count] if rounds else np.zeros(0, np.int64))
    return generator.permutation(np.concatenate(drawn)).astype(np.int64)


def epoch_batches(rows: Indices, lengths: npt.NDArray[np.int64], batch: int, seed: int, epoch: int) -> list[Indices]:
    """Batches of rows of like length, in random order. Rows that fill no batch are left to another epoch."""
    generator = np.random.default_rng([seed, epoch, 1])
    batches: list[Indices] = []
    for start in range(0, len(rows), batch * POOL):
        part = rows[start : start + batch * POOL]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch] for i in range(0, len(part) - batch + 1, batch)]
    if not batches:
        batches = [rows]
    return [batches[place] for place in generator.permutation(len(batches))]


class Steps:
    """The rows of every step of a stage."""

    def __init__(
        self, sizes: Sequence[int], weights: Sequence[float], lengths: npt.NDArray[np.int64], batch: int, seed: int
    ) -> None:
        self._sizes, self._weights, self._lengths = list(sizes), list(weights), lengths
        self._batch, self._seed = min(batch, sum(sizes)), seed
        self._epoch = -1
        self._batches: list[Indices] = []
        self.per_epoch = len(self._of(0))

    def _of(self, epoch: int) -> list[Indices]:
        if epoch != self._epoch:
            rows = epoch_rows(self._sizes, self._weights, self._seed, epoch)
            self._batches = epoch_batches(rows, self._lengths, self._batch, self._seed, epoch)
            self._epoch = epoch
        return self._batches

    def __getitem__(self, step: int) -> Indices:
        """Row numbers of optimiser step `step`, counted from the stage's start."""
        # Every epoch has the same number of rows, so the same number of batches.
        epoch, place = divmod(step, self.per_epoch)
        return self._of(epoch)[place]

    def epoch(self, step: int) -> int:
        return step // self.per_epoch
