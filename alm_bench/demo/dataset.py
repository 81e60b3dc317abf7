"""Result type of all question generators."""

from dataclasses import dataclass, field
from typing import Any

from alm_bench.demo.scene import Scene

Row = dict[str, Any]
"""Strings by column; only MMAU's `choices` is a list."""


@dataclass
class DatasetRows:
    """Rows in a data set's own columns, and the scene behind every clip that they name (path below the root)."""

    rows: list[Row] = field(default_factory=list)
    scenes: dict[str, Scene] = field(default_factory=dict)
