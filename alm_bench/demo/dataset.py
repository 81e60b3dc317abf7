"""Result type of all question generators."""

from dataclasses import dataclass, field
from typing import Any

from alm_bench.demo.scene import Scene

Row = dict[str, Any]
"""Strings by column; only MMAU's `choices` is a list."""


@dataclass
class DatasetRows:
    """Rows of a data set, with the scenes of their clips."""

    rows: list[Row] = field(default_factory=list)
    """Rows with the data set's own columns."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scene of every clip, by path below the root."""
