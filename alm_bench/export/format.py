"""Description of an export format, and the list of formats."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core.options import check_choice

if TYPE_CHECKING:
    from alm_bench.records.run import Run


@dataclass(frozen=True, slots=True)
class HubTarget:
    """Benchmark on the Hugging Face hub that a run's results belong to, and where the results come from."""

    dataset: str | None = None
    """Repository of the benchmark's data set, `ORG/NAME`; None for the one that the task's card names."""

    task_id: str = "default"
    """Id of the task in the data set's `eval.yaml`."""

    source: str | None = None
    """URL of a page or repository with the outputs behind the results."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format of `alm-bench export`."""

    name: str
    """Name in `--to`."""

    summary: str
    """Description in a few words."""

    path: str
    """Default path below the run's folder; `{task}` stands for the task's name."""

    write: "Callable[[Run, Path, HubTarget], int]"
    """Function that writes a run to a path. It returns the number of exported items or results. The target matters to
    formats for the hub only. Raises UsageError if the run cannot be exported in this format."""

    is_table: bool = False
    """True for a table of items, False for a run's results."""


@cache
def list_formats() -> dict[str, ExportFormat]:
    """Return the formats of all modules of `formats/` by name."""
    package = f"{__package__}.formats"
    modules = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    found = [one for name in modules for one in importlib.import_module(f"{package}.{name}").FORMATS]
    return {one.name: one for one in found}


def find_format(name: str) -> ExportFormat:
    """Return the format of this name. Raises UsageError with the known names if there is none."""
    return list_formats()[check_choice(name, list_formats(), "--to")]
