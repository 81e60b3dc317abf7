"""A run as one JSON object: what `run --json` prints and `summary.json` holds.

The shape, version 1 (rates are fractions, a figure that could not be had has value null and a reason):

    {"schema_version": 1, "runs": [{
      "task", "model", "data": "real" | "demo", "revision", "split", "n", "skipped",
      "status": {STATUS: count}, "metrics": {NAME: METRIC}, "groups": {GROUPING: {KEY: {NAME: METRIC}}},
      "blind": {ROW: {NAME: METRIC}}, "tables": {...}, "partial": bool, "run", "fingerprint", "prompt", "parser",
      "decoding", "identity", "items", "limit", "touched": {CHANGE: clips}, "reasons": {REASON: count}}]}

    METRIC = {"value", "low", "high", "n", "reason" (only where the value is null)}

`n` counts the items of our denominator (all but the skipped ones).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.core import STATUSES, Metrics, Task
from alm_bench.records.schema import SCHEMA_VERSION, Record, metric_json


def _metrics(metrics: Metrics) -> dict[str, Any]:
    return {name: metric_json(metric) for name, metric in metrics.items()}


def _cause(record: Record) -> str:
    """The record's reason without the names of its clips: a thousand missing clips have one cause."""
    cause = record.reason or ""
    for ref in record.sample.audio:
        cause = cause.replace(f" ({ref.path})", "").replace(f"clip {ref.id}: ", "")
    return cause


def summarise(header: Mapping[str, Any], task: Task, records: Sequence[Record], run: str) -> dict[str, Any]:
    """One entry of "runs". Records in any order; the result does not depend on it."""
    rows = sorted(records, key=lambda record: record.index)
    score = task.score([record.scored() for record in rows])
    status = Counter(record.status for record in rows)
    blind = {row: _metrics(metrics) for row, metrics in score.blind.items()}
    for row, reason in header["blind_missing"].items():
        blind[row] = {"accuracy": {"value": None, "low": None, "high": None, "n": 0, "reason": reason}}
    spec = header["spec"]
    return {
        "task": header["task"]["name"],
        "model": header["identity"]["label"],
        "data": header["data"]["kind"],
        "revision": header["data"]["revision"],
        "split": spec["split"],
        "n": len(rows) - status["skipped"],
        "skipped": status["skipped"],
        "status": {name: status[name] for name in STATUSES},
        "metrics": _metrics(score.metrics),
        "groups": {g: {key: _metrics(m) for key, m in parts.items()} for g, parts in score.groups.items()},
        "blind": blind,
        "tables": score.tables,
        "partial": len(rows) < header["items"],
        "run": run,
        "fingerprint": header["fingerprint"],
        "prompt": header["prompt"],
        "parser": task.parser,
        "decoding": spec["decoding"],
        "identity": header["identity"],
        "items": header["items"],
        "limit": spec["limit"],
        "touched": dict(sorted(Counter(change for record in rows for change in record.touched).items())),
        "reasons": dict(Counter(_cause(record) for record in rows if record.reason).most_common(20)),
    }


def document(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "runs": list(runs)}
