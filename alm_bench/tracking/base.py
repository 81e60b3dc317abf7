"""Base class of experiment trackers, and the values of a run that they get."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from alm_bench.records.models import RunSummary, to_json

RUNS_PROJECT = "alm-bench"
"""Project of runs."""

TRAINING_PROJECT = "alm-bench-training"
"""Project of trainings."""


class LogFunction(Protocol):
    """Function that logs a dict of numbers by name at a step of the training; runs have no steps."""

    def __call__(self, values: Mapping[str, float], step: int | None = None) -> None: ...


class Tracker:
    """Experiment tracker. A subclass defines `check` and `open`."""

    name: ClassVar[str]
    """Name in `--track`."""

    def check(self) -> None:
        """Raise UsageError if the tracker's library is not installed."""
        raise NotImplementedError

    @contextmanager
    def open(self, project: str, name: str, config: Mapping[str, Any]) -> Iterator[LogFunction]:
        """Yield the function that logs values of one experiment, which ends with the block.

        An experiment of the same name is continued. `config`: JSON values that describe it.
        """
        raise NotImplementedError
        yield

    def track_run(self, summary: RunSummary) -> None:
        """Log the metrics of a scored run as one experiment, named as the run's folder."""
        with self.open(RUNS_PROJECT, summary.run, collect_run_settings(summary)) as log:
            log(list_values(summary), 0)


def collect_run_settings(summary: RunSummary) -> dict[str, Any]:
    """Return the settings of a run as JSON values."""
    names = ("task", "model", "data", "revision", "split", "condition", "options", "answer_by", "parser", "fingerprint")
    entry: dict[str, Any] = to_json(summary)
    return {name: entry[name] for name in names} | {"prompt": summary.prompt.id, "decoding": entry["decoding"]}


def list_values(summary: RunSummary) -> dict[str, float]:
    """Return the numbers of a run by name: metrics, metrics by group (`accuracy/difficulty=easy`), the margin over the
    best text-only baseline, and the number of items by status. Metrics without a value are left out."""
    values = {name: metric.value for name, metric in summary.metrics.items() if metric.value is not None}
    for grouping, keys in summary.groups.items():
        for key, metrics in keys.items():
            values |= {f"{n}/{grouping}={key}": m.value for n, m in metrics.items() if m.value is not None}
    if (margin := summary.margin_over_text_only) is not None and margin.margin.value is not None:
        values[f"margin/{margin.metric}"] = margin.margin.value
    values["n"] = summary.n
    return values | {f"status/{name}": count for name, count in summary.status.items()}
