"""Data types for the demo data of a task: recipe, files and rows."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alm_bench.demo.scene import WORLD, Scene

Row = dict[str, Any]
"""Row of a file: values by column."""

FIRST_VERSION = "d69a70accb5e"
"""Version of all demo data that have not changed since each task got its own version. It is the hash that identified
the data of all tasks together before, so that older runs stay comparable."""


@dataclass
class DatasetRows:
    """Rows of a demo data set, with the scenes of the clips that the rows name."""

    rows: list[Row] = field(default_factory=list)
    """Rows, with the columns of the data set that the demo imitates."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scene of every clip, by path relative to the data root."""


@dataclass
class DemoData:
    """Files of a task's demo data, with the scenes of the clips that the files name."""

    files: dict[str, str] = field(default_factory=dict)
    """Content of every file, by path relative to the data root."""

    scenes: dict[str, Scene] = field(default_factory=dict)
    """Scene of every clip, by path relative to the data root."""

    training_scenes: dict[str, Scene] = field(default_factory=dict)
    """Scenes of training clips, by path relative to the data root. Their audio is never stored on disk, because there
    are thousands of them and synthesis takes 10 ms each."""

    def add(self, path: str, content: str, dataset: DatasetRows) -> None:
        """Add a file with this content, and the scenes of the clips that it names."""
        self.files[path] = content
        self.scenes |= dataset.scenes


@dataclass(frozen=True, slots=True)
class Demo:
    """Recipe of the demo data of a task, or of all tasks of one folder. `demo.py` beside `task.toml` defines it as
    `DEMO`."""

    name: str
    """Name of the data's folder in the cache."""

    version: str
    """Version of these data. Change it with any change that alters a file or a scene. Runs on different versions are
    not compared. The demo data of other tasks have their own versions."""

    build: Callable[..., DemoData]
    """Function that returns the data, which are the same for every call. Its parameters are sizes and shares, with
    default values."""

    options: tuple[str, ...] = ()
    """Names of parameters of `build` that are also options of the task, so that a run can change the data."""

    def compute_revision(self, sizes: Mapping[str, float]) -> str:
        """Return the data revision that a run records.

        It consists of the version of the scenes (WORLD), the version of these data, and a hash of `sizes` (parameters
        of `build`) if there are any.
        """
        revision = f"{WORLD}+{self.version}"
        if not sizes:
            return revision
        return f"{revision}-{hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()[:12]}"


def format_csv(rows: Sequence[Row]) -> str:
    """Return the text of a CSV file. The keys of the first row are the columns."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
