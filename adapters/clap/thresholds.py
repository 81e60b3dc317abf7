"""Classification of a single number by thresholds between labels, fitted on labelled values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Labels and the thresholds between their value ranges."""

    labels: tuple[str, ...]
    """Labels, ordered from the lowest range to the highest."""

    borders: tuple[float, ...]
    """Thresholds between the ranges of consecutive labels, one fewer than labels."""

    accuracy: float
    """Accuracy on the values that the thresholds were fitted on."""

    @classmethod
    def fit(cls, values: Sequence[float], answers: Sequence[str]) -> "Thresholds":
        """Fit the thresholds that maximise accuracy on `values` with labels `answers`. Labels are ordered by their mean
        value.

        The solution is exact (dynamic programming over the sorted values). A threshold lies halfway between two
        different values. Of several optimal thresholds the lowest is chosen. If accuracy is best when a label has no
        range, the two thresholds around it are equal.
        """
        order = np.argsort(values, kind="stable")
        ranked = np.asarray(values, dtype=float)[order]
        sorted_answers = np.asarray(answers)[order]
        labels = sorted(set(answers), key=lambda label: (float(ranked[sorted_answers == label].mean()), label))
        cuts = [0, *(np.flatnonzero(np.diff(ranked) > 0) + 1).tolist(), len(ranked)]
        right = np.array([[0, *np.cumsum(sorted_answers == label)] for label in labels])[
            :, cuts
        ]  # by label: values below a cut
        best, back = right[0], []
        for row in right[1:]:
            gain = best - row  # gain from starting this label at a cut
            start = _find_first_maxima(gain)
            back.append(start)
            best = gain[start] + row
        place, starts = len(cuts) - 1, []
        for start in reversed(back):
            place = int(start[place])
            starts.append(cuts[place])
        borders = [_compute_threshold(ranked, start) for start in reversed(starts)]
        return cls(tuple(map(str, labels)), tuple(borders), float(best[-1]) / len(ranked))

    def pick(self, value: float, allowed: Sequence[str]) -> str | None:
        """Return the label of the range that contains `value`. If it is not among `allowed`, return the allowed label
        with the nearest range; None if no label is allowed.
        """
        edges = (-np.inf, *self.borders, np.inf)

        def compute_distance(index: int) -> float:
            """Return the distance of `value` from the range of the label at `index`; 0 inside the range."""
            low, high = edges[index], edges[index + 1]
            return float(max(low - value, value - high, 0.0))

        inside = sum(value >= border for border in self.borders)
        known = [place for place, label in enumerate(self.labels) if label in allowed]
        best = min(known, key=lambda place: (place != inside, compute_distance(place)), default=None)
        return None if best is None else self.labels[best]


def _find_first_maxima(gain: np.ndarray) -> np.ndarray:
    """Return, for each position i, the first position of the maximum of gain[: i + 1]."""
    top = np.maximum.accumulate(gain)
    rises = np.r_[True, top[1:] > top[:-1]]
    return np.maximum.accumulate(np.where(rises, np.arange(len(gain)), 0))


def _compute_threshold(ranked: np.ndarray, start: int) -> float:
    """Return the midpoint of the values at `start - 1` and `start`.

    Below the first or above the last value, return a number just outside, rounded to six decimals.
    """
    if start == 0:
        return float(np.floor(ranked[0] * 1e6 - 1) / 1e6)
    if start == len(ranked):
        return float(np.ceil(ranked[-1] * 1e6 + 1) / 1e6)
    return float((ranked[start - 1] + ranked[start]) / 2)
