"""Leaderboards from run folders alone: one table for each set of comparable runs."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alm_bench.core import StoreError
from alm_bench.records.store import SUMMARY, read_summary
from alm_bench.records.tables import cell, markdown, task_title

Run = Mapping[str, Any]
FIGURES = ("accuracy", "official_accuracy", "precision", "recall", "f1", "eacc", "nacc", "cacc")


def finished(folder: Path) -> bool:
    return (folder / SUMMARY).is_file()


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """The summaries of finished runs. Raises StoreError for a folder without one."""
    runs: list[Run] = []
    for folder in folders:
        if not finished(folder):
            raise StoreError(f"{folder} holds no finished run: run its command again, it goes on where it stopped")
        runs += read_summary(folder)
    return runs


def _key(run: Run) -> tuple[Any, ...]:
    """Runs are comparable on the same items: a demo run never stands beside a real one."""
    return (run["task"], run["data"] == "demo", run["revision"], run["split"], run["items"])


def _size(parameters: int | None) -> str:
    if parameters is None:
        return "-"
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"


def _row(run: Run) -> dict[str, str]:
    identity = run["identity"]
    return {
        "model": run["model"],
        "size": _size(identity["parameters"]),
        "trained on": ", ".join(identity["trained_on"]) or "-",
        "n": str(run["n"]),
        "skipped": str(run["skipped"]),
        "answered": cell(run["metrics"].get("answered"), "answered"),
        "errors": str(run["status"]["error"]),
        **{name: cell(run["metrics"].get(name), name) for name in FIGURES if name in run["metrics"]},
        "prompt": f"{run['prompt']['id']}@{run['prompt']['version']}",
        "read by": run["parser"],
        "note": identity.get("note") or "",
        "run": run["fingerprint"],
    }


def _accuracy(run: Run) -> float:
    value = run["metrics"].get("accuracy", {}).get("value")
    return -1.0 if value is None else float(value)


def _blind_items(metrics: Mapping[str, Any]) -> int:
    return int(metrics["accuracy"]["n"])


def tables(runs: Sequence[Run]) -> list[tuple[str, list[dict[str, str]]]]:
    """Title and rows of each table, best accuracy first, the blind rows of its items last."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: str(_key(run))):
        groups.setdefault(_key(run), []).append(run)
    found = []
    for members in groups.values():
        members.sort(key=lambda run: (-_accuracy(run), run["model"], run["fingerprint"]))
        first = members[0]
        rows = [_row(run) for run in members]
        for name in dict.fromkeys(name for run in members for name in run["blind"]):
            # Of the run that counts most items: another may have skipped some, or had no development data.
            metrics = max((run["blind"][name] for run in members if name in run["blind"]), key=_blind_items)
            figures = {key: cell(metrics.get(key), key) for key in FIGURES if key in first["metrics"]}
            rows.append({"model": f"*{name}*", "n": str(_blind_items(metrics) or "-"), **figures})
        title = f"{task_title(first)} · {first['split']} · revision {first['revision']} · {first['items']} items"
        found.append((title, rows))
    return found


def as_markdown(runs: Sequence[Run]) -> str:
    """Rates in percent with 95 % intervals."""
    sections = ["# Leaderboard", "Percent, with 95 % intervals. Rows in italics heard nothing."]
    for title, rows in tables(runs):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        sections += [f"## {title}", markdown(columns, [[row.get(column, "-") for column in columns] for row in rows])]
    return "\n\n".join(sections) + "\n"


def as_csv(runs: Sequence[Run]) -> str:
    """One line a run and figure: task, data, revision, model, group and key, metric, value, low, high, n."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["task", "data", "revision", "split", "model", "parameters", "trained_on", "run", "grouping", "key"]
    writer.writerow([*head, "metric", "value", "low", "high", "n", "reason"])
    for run in sorted(runs, key=lambda run: (str(_key(run)), -_accuracy(run), run["fingerprint"])):
        identity = run["identity"]
        base = [run["task"], run["data"], run["revision"], run["split"], run["model"], identity["parameters"]]
        base += [" ".join(identity["trained_on"]), run["fingerprint"]]
        blocks = [("all", "all", run["metrics"])]
        blocks += [(g, key, m) for g, parts in run["groups"].items() for key, m in parts.items()]
        blocks += [("blind", row, metrics) for row, metrics in run["blind"].items()]
        for grouping, key, metrics in blocks:
            for name, metric in metrics.items():
                figures = [metric["value"], metric["low"], metric["high"], metric["n"], metric.get("reason", "")]
                writer.writerow([*base, grouping, key, name, *figures])
    return out.getvalue()
