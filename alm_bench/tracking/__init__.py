"""Experiment trackers, which show the metrics of runs and trainings: one module per tracker.

A module defines the tuple TRACKERS of subclasses of `Tracker` and is found automatically. `--track NAME` selects one.
"""

import importlib
import pkgutil
from functools import cache

from alm_bench.core.options import check_choice
from alm_bench.tracking.base import Tracker


@cache
def list_trackers() -> dict[str, type[Tracker]]:
    """Return the classes of all trackers by name. Their libraries are not imported."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [one for name in names for one in getattr(importlib.import_module(f"{__name__}.{name}"), "TRACKERS", ())]
    return {one.name: one for one in found}


def find_tracker(name: str) -> Tracker:
    """Return the tracker of this name. Raises UsageError if it is unknown or its library is not installed."""
    tracker = list_trackers()[check_choice(name, list_trackers(), "--track")]()
    tracker.check()
    return tracker
