"""Every metric that tables, rankings and commands know: what it is called, how it is printed, which end is better.

A metric is a `MetricSpec`. Those of this package are in its modules, each in a tuple `METRICS`; an installed package
adds one through the entry point group `alm_bench.metrics`, whose value is a `MetricSpec`. Nothing else in the code base
knows a metric by its name: a metric without a specification is printed as a percentage under its own name.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points

from alm_bench.core.errors import UsageError, known_first
from alm_bench.scoring.metrics.spec import Compute, MetricSpec, Scale

__all__ = ["Compute", "MetricSpec", "Scale", "broken_metrics", "metric_spec", "metric_specs", "sort_metrics"]

GROUP = "alm_bench.metrics"


@cache
def _registry() -> tuple[dict[str, MetricSpec], dict[str, str]]:
    specs: dict[str, MetricSpec] = {}
    broken: dict[str, str] = {}
    for module in pkgutil.iter_modules(__path__):
        for spec in getattr(importlib.import_module(f"{__name__}.{module.name}"), "METRICS", ()):
            specs[spec.name] = spec
    for point in entry_points(group=GROUP):
        try:
            spec = point.load()
        except Exception as error:  # noqa: BLE001  a plug-in's code may raise anything: its reason is listed
            broken[point.name] = f"{type(error).__name__}: {error}"
            continue
        if not isinstance(spec, MetricSpec):
            broken[point.name] = f"{point.value} is a {type(spec).__name__}, expected a MetricSpec"
        elif spec.name in specs:
            raise UsageError(f"metric {spec.name!r} is defined twice, the second time by {point.value}: uninstall one")
        else:
            specs[spec.name] = spec
    return specs, broken


def metric_specs() -> Mapping[str, MetricSpec]:
    """Return all metrics by name: the built-in ones in the order of their tables, then those of installed packages."""
    return dict(sorted(_registry()[0].items(), key=lambda item: item[1].rank))


def broken_metrics() -> Mapping[str, str]:
    """Return the entry points that gave no metric, with the reason."""
    return dict(_registry()[1])


def metric_spec(name: str) -> MetricSpec:
    """Return a metric's specification; default: a percentage under its own name, higher is better."""
    found = _registry()[0].get(name)
    return MetricSpec(name=name, title=name.replace("_", " ")) if found is None else found


def computable_spec(name: str) -> MetricSpec:
    """Return the specification of a metric that is computed from sentences. Raises UsageError for any other."""
    known = [spec.name for spec in metric_specs().values() if spec.compute is not None]
    if name not in known:
        raise UsageError(f"unknown metric {name!r}; known: {known_first(name, known)}")
    return _registry()[0][name]


def sort_metrics(names: Sequence[str]) -> list[str]:
    """Return names in the order in which tables show them; metrics without a specification last, as they came."""
    return sorted(names, key=lambda name: metric_spec(name).rank)
