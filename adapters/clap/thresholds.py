"""Answers that are ranges of one number: borders between them, fitted on labelled values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Labels for ranges of one number."""

    labels: tuple[str, ...]
    """Labels from the lowest values to the highest."""

    borders: tuple[float, ...]
    """Borders between their ranges."""

    accuracy: float
    """Accuracy on the values that they were fitted to."""

    @classmethod
    def fit(cls, values: Sequence[float], answers: Sequence[str]) -> "Thresholds":
        """The borders under which most values get their own answer. Labels stand in the order of their mean value.

        Exact, by dynamic programming over the sorted values. A border lies halfway between two values that differ; of
        equally good ones the lowest is taken. A label that is best given no range has two borders in one place.
        """
        order = np.argsort(values, kind="stable")
        ranked = np.asarray(values, dtype=float)[order]
        said = np.asarray(answers)[order]
        labels = sorted(set(answers), key=lambda label: (float(ranked[said == label].mean()), label))
        cuts = [0, *(np.flatnonzero(np.diff(ranked) > 0) + 1).tolist(), len(ranked)]
        right = np.array([[0, *np.cumsum(said == label)] for label in labels])[:, cuts]  # by label: right below a cut
        best, back = right[0], []
        for row in right[1:]:
            gain = best - row  # what is won by starting this label at a cut
            start = _first_best(gain)
            back.append(start)
            best = gain[start] + row
        place, starts = len(cuts) - 1, []
        for start in reversed(back):
            place = int(start[place])
            starts.append(cuts[place])
        borders = [_between(ranked, start) for start in reversed(starts)]
        return cls(tuple(map(str, labels)), tuple(borders), float(best[-1]) / len(ranked))

    def pick(self, value: float, allowed: Sequence[str]) -> str | None:
        """The label whose range holds the value; where that is not allowed, the one of the nearest range that is."""
        edges = (-np.inf, *self.borders, np.inf)

        def away(place: int) -> float:
            low, high = edges[place], edges[place + 1]
            return float(max(low - value, value - high, 0.0))

        inside = sum(value >= border for border in self.borders)
        known = [place for place, label in enumerate(self.labels) if label in allowed]
        best = min(known, key=lambda place: (place != inside, away(place)), default=None)
        return None if best is None else self.labels[best]


def _first_best(gain: np.ndarray) -> np.ndarray:
    """For each place, where the largest of the values up to it first stands."""
    top = np.maximum.accumulate(gain)
    rises = np.r_[True, top[1:] > top[:-1]]
    return np.maximum.accumulate(np.where(rises, np.arange(len(gain)), 0))


def _between(ranked: np.ndarray, start: int) -> float:
    """Halfway below the value at `start`, rounded so that it can be written down and read back."""
    if start == 0:
        return float(np.floor(ranked[0] * 1e6 - 1) / 1e6)
    if start == len(ranked):
        return float(np.ceil(ranked[-1] * 1e6 + 1) / 1e6)
    return float((ranked[start - 1] + ranked[start]) / 2)
