"""Demo data of a task: how they are made, and what they consist of."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alm_bench.demo.scene import WORLD, Scene

Row = dict[str, Any]
"""Values by column."""

FIRST_VERSION = "d69a70accb5e"
"""Version of the demos that have not changed since each has its own: the hash that named the data of all tasks
together, so that runs on them stay comparable."""


@dataclass
class DatasetRows:
    """Rows of a data set, with the scenes of their clips."""

    rows: list[Row] = field(default_factory=list)
    """Rows with the data set's own columns."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scene of every clip, by path below the root."""


@dataclass
class DemoData:
    """Files of a task's demo data, with the scenes of their clips."""

    files: dict[str, str] = field(default_factory=dict)
    """Content of every file, by path below the root."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scene of every clip, by path below the root."""

    training_scenes: dict[str, Scene] = field(default_factory=dict)
    """Scenes of further clips that are never stored: there are thousands, and to synthesise one takes 10 ms."""

    def add(self, path: str, content: str, made: DatasetRows) -> None:
        """Add a file and the scenes of its clips."""
        self.files[path] = content
        self.scenes |= made.scenes


@dataclass(frozen=True, slots=True)
class Demo:
    """Recipe of the demo data of a task, or of the tasks of one folder: `DEMO` in `demo.py` beside `task.toml`."""

    name: str
    """Name of the folder in the cache."""

    version: str
    """Version of these data. Change it with any change that alters a file or a scene: runs on other versions are not
    compared. Data of other tasks keep theirs."""

    build: Callable[..., DemoData]
    """Makes the data, always the same; sizes are keyword arguments with defaults."""

    def revision(self, sizes: Mapping[str, int]) -> str:
        """Return the data revision that runs record: versions of the world and of these data, and a hash of `sizes`
        other than the default ones."""
        revision = f"{WORLD}+{self.version}"
        if not sizes:
            return revision
        return f"{revision}-{hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()[:12]}"


def format_csv(rows: Sequence[Row]) -> str:
    """Return the text of a CSV file; columns are those of the first row."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
