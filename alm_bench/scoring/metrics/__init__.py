"""Registry of metrics: the name, title, format and direction of each, for tables, rankings and commands.

A metric is a `MetricSpec`. Built-in metrics are in the modules of this package, each in a tuple `METRICS`. An installed
package adds one through the entry point group `alm_bench.metrics`, whose value is a `MetricSpec`. No other code depends
on the names of metrics: a metric without a specification is printed as a percentage under its own name.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from alm_bench.core.errors import MetricError, UsageError
from alm_bench.core.registry import Registry, load_registry, make_instance_check
from alm_bench.scoring.metrics.sentences import CaptionScore, References, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import LAST, Compute, MetricSpec, Scale
from alm_bench.scoring.weights import find_weights, parse_weights

__all__ = [
    "LAST",
    "CaptionScore",
    "Compute",
    "MetricSpec",
    "References",
    "Scale",
    "Sentences",
    "check_requirements",
    "collect_weights",
    "compute_mean_score",
    "get_metric_spec",
    "get_sentence_metric_spec",
    "is_computable",
    "list_broken_metrics",
    "list_default_metrics",
    "list_metric_specs",
    "list_metric_versions",
    "score_sentences",
    "sort_metrics",
]

GROUP = "alm_bench.metrics"
"""Entry point group of metrics in installed packages."""

OPEN = "open_"
"""Prefix of a metric of sentences that is computed over the open questions of a task only."""


@cache
def _load_registry() -> Registry[MetricSpec]:
    """Return the registry of built-in and installed metrics."""
    return load_registry("metric", __name__, "METRICS", GROUP, lambda spec: spec.name, make_instance_check(MetricSpec))


def list_metric_specs() -> Mapping[str, MetricSpec]:
    """Return all metrics by name: the built-in metrics in the order of tables, then metrics of installed packages."""
    specs = _load_registry().entries
    opened = {OPEN + name: _build_open_spec(spec) for name, spec in specs.items() if spec.compute is not None}
    return dict(sorted({**opened, **specs}.items(), key=lambda item: item[1].rank))


def _build_open_spec(spec: MetricSpec) -> MetricSpec:
    """Return the specification of the metric `open_NAME`: the same metric over the open questions of a task only."""
    return replace(
        spec,
        name=OPEN + spec.name,
        title=f"open, {spec.title}",
        own_items=True,
        rank=spec.rank + 20,
        compute=None,
        by_default=False,
    )


def list_broken_metrics() -> Mapping[str, str]:
    """Return the entry points that could not be loaded as a metric, with the reasons."""
    return _load_registry().broken


def get_metric_spec(name: str) -> MetricSpec:
    """Return a metric's specification. For an unknown name, return one with defaults: percent, higher is better."""
    specs = _load_registry().entries
    base = specs.get(name.removeprefix(OPEN))
    if name not in specs and name.startswith(OPEN) and base is not None and base.compute is not None:
        return _build_open_spec(base)
    return specs.get(name) or MetricSpec(name=name, title=name.replace("_", " "))


def list_metric_versions(names: Iterable[str]) -> dict[str, str]:
    """Return versions by metric name, for those of these metrics that have one (metrics of installed packages)."""
    known = _load_registry().versions
    return {name: known[name.removeprefix(OPEN)] for name in names if name.removeprefix(OPEN) in known}


def get_sentence_metric_spec(name: str) -> MetricSpec:
    """Return the specification of a metric that is computed from sentences, even if it needs something not installed.

    `name` may have options (`fense:weights=FOLDER`). Raises UsageError for an unknown metric, for a metric that is not
    computed from sentences, and for invalid options.
    """
    name, colon, options = name.partition(":")
    spec = _load_registry().entries.get(name)
    if spec is None or spec.compute is None:
        known = [known for known, spec in _load_registry().entries.items() if spec.compute is not None]
        raise UsageError(_load_registry().build_unknown_name_message(name, known))
    if colon:
        parse_weights(name, spec.weights, options)
    return spec


def collect_weights(names: Iterable[str]) -> dict[str, Path]:
    """Return the folders of weights that metric names with options give (`fense:weights=FOLDER`).

    The keys are parts of weights (keys of `alm_bench.scoring.weights.SOURCES`). Raises UsageError if two metrics give
    different folders for the same part.
    """
    found: dict[str, Path] = {}
    for name in names:
        base, colon, options = name.partition(":")
        for part, folder in (
            parse_weights(base, get_sentence_metric_spec(name).weights, options).items() if colon else ()
        ):
            if found.setdefault(part, folder) != folder:
                raise UsageError(f"found two folders for the weights {part}: {found[part]} and {folder}, expected one")
    return found


def check_requirements(name: str) -> None:
    """Raise MetricError if something that a metric needs (Java, weights) is missing on this machine."""
    spec = get_metric_spec(name.partition(":")[0])
    if spec.require is not None:
        spec.require()
    named = collect_weights([name]) if spec.weights else {}
    for part in spec.weights:
        find_weights(spec.name, part, named.get(part))


def is_computable(name: str) -> bool:
    """Return True if everything that a metric needs is installed. The result does not depend on any text."""
    try:
        check_requirements(name)
    except MetricError:
        return False
    return True


def score_sentences(name: str, sentences: Sentences) -> CaptionScore:
    """Compute a metric of sentences; the result is cached in `sentences`.

    Raises UsageError for a metric that is not computed from sentences. Raises MetricError if the metric fails, returns
    a value that is not finite, or does not return one value per item.
    """
    spec = get_sentence_metric_spec(name)
    compute = spec.compute
    assert compute is not None
    outer, sentences.metric = sentences.metric, spec.name
    try:
        score = sentences.compute_once(("score", spec.name), lambda: compute(sentences))
    finally:
        sentences.metric = outer
    if len(score.items) != len(sentences.raw_candidates):
        raise MetricError(f"gave {len(score.items)} values for {len(sentences.raw_candidates)} items")
    if not all(map(math.isfinite, (score.corpus, *score.items))):
        raise MetricError("gave a value that is not finite")
    return score


def list_default_metrics() -> tuple[str, ...]:
    """Return the metrics of sentences that are computed by default, in the order of tables."""
    return tuple(name for name, spec in list_metric_specs().items() if spec.by_default)


def sort_metrics(names: Sequence[str]) -> list[str]:
    """Return names in the order of tables; metrics without a specification are last, in the given order."""
    return sorted(names, key=lambda name: get_metric_spec(name).rank)
