"""Reader of AudioSet's file of classes, `class_labels_indices.csv`."""

from pathlib import Path

from alm_bench.core import DataError
from alm_bench.data.readers import read_csv


def read_class_labels(path: Path, column: str = "display_name") -> list[str]:
    """Return the values of `column` (`display_name` or `mid`), sorted by the column `index`. Raises DataError."""
    labels: dict[int, str] = {}
    for line, row in enumerate(read_csv(path, ["index", column]), start=2):
        try:
            index = int(row["index"])
        except ValueError:
            raise DataError(f"{path}: line {line}: index {row['index']!r}, expected a whole number") from None
        if index in labels:
            raise DataError(f"{path}: line {line} repeats the index {index}, expected each index once")
        labels[index] = row[column]
    return [labels[index] for index in sorted(labels)]
